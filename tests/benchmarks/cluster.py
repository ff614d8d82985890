"""One local Ray cluster for all arms of a benchmark, and the processor time of everything it runs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import ray

__all__ = ["CPUS", "Started", "TreeClock", "local_cluster"]

CPUS = 2
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Started:
    """A running cluster, and the seconds its start took."""

    seconds: float


@contextmanager
def local_cluster() -> Iterator[Started]:
    """Start Ray with two CPUs and nothing else; stop it at the end."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = str(ROOT)  # what trial processes import the benchmarks' own trainables from
    start = time.perf_counter()
    ray.init(
        address="local",
        num_cpus=CPUS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    try:
        yield Started(time.perf_counter() - start)
    finally:
        ray.shutdown()


class TreeClock:
    """Processor seconds of this process and all below it, those included that have ended.

    Ray's processes do not pass on the time of their ended children, so a thread looks at all of them every
    `interval_s`: what a process used after the last look before its end is missing. The thread's own time is not
    counted.
    """

    def __init__(self, interval_s: float = 0.2) -> None:
        self._interval_s = interval_s
        self._used: dict[psutil.Process, float] = {}
        self._own_s = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def __call__(self) -> float:
        """Return the processor seconds so far."""
        with self._lock:
            self._look()
            return sum(self._used.values()) - self._own_s

    def _watch(self) -> None:
        while not self._stop.wait(self._interval_s):
            with self._lock:
                self._look()
                self._own_s = time.thread_time()

    def _look(self) -> None:
        me = psutil.Process()
        for process in [me, *me.children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            self._used[process] = times.user + times.system
