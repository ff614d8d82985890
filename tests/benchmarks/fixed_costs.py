"""What a sweep costs beside its training, as whole processes: `raytrain tune` against a plain Ray Tune script."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raytrain.tuning.results import load_result
from tests.benchmarks.cluster import CPUS, ROOT, TreeClock
from tests.benchmarks.comparison import (
    Options,
    Outcome,
    Spread,
    Timing,
    check_agreement,
    interleave,
    ratios,
    spread,
)
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.sweep import TOLERANCES, grid_space, last_metrics, window_arrays

__all__ = ["run"]

ROUNDS = 5
EPOCHS = 2
RATES = [3e-4, 1e-3, 3e-3]
WIDTHS = [8, 16]
RAYTRAIN, FRESH, REUSED = "raytrain", "plain Ray Tune", "plain, reuse_actors"
PARTS: Mapping[str, str] = {
    "first": "until the first step",
    "turnaround": "from trial to trial",
    "end": "after the last step",
    "whole": "whole process",
}
"""Durations that a round has, and their headings."""


def run(options: Options) -> Report:
    """Run each whole process once per round, in turn."""
    rates = RATES[:2] if options.quick else RATES
    trials = len(rates) * len(WIDTHS)
    with tempfile.TemporaryDirectory() as folder, _environment() as environment, TreeClock() as clock:
        arms = {
            name: lambda command=command: lambda: _measure(command, environment, trials)
            for name, command in _commands(Path(folder), rates).items()
        }
        if not options.quick:  # until the files are in memory, the first arm would wait for the disk
            interleave(arms, rounds=1, cpu_clock=clock, say=lambda text: options.say(f"unmeasured {text}"))
        timings = interleave(arms, rounds=options.count(default=ROUNDS, quick=2), cpu_clock=clock, say=options.say)
    differences = check_agreement(timings, tolerances=TOLERANCES)
    ratio = {name: _ratios(timings, name) for name in (FRESH, REUSED)}
    return Report(
        title="Fixed costs of a sweep, seconds",
        method=(
            f"Whole processes that run {trials} trials of {EPOCHS} epochs of a small CNN on the embedded bearings, "
            f"{CPUS} at a time, and test the best: `raytrain tune` with a file, without baselines and refit, and a "
            "script as Ray Tune's documentation has it, which reads its windows ready-made from a file. Steps are "
            "optimizer steps. Until the first step: from the start of the process. From trial to trial: from the "
            "last step of a trial to the first of the one after it, median over trials; a validation and a "
            "checkpoint are in it. After the last step: validation, checkpoint, test, report, shutdown. "
            f"Arms in turn, rounds: {len(timings[RAYTRAIN])}; median (range). Last losses and accuracies of all "
            f"trials differ by {differences['loss']:.1e} and {differences['accuracy']:.1e} at most."
        ),
        columns=("", *PARTS.values(), "CPU-seconds"),
        rows=[*_rows(timings), *_ratio_rows(ratio)],
        goals=[
            Goal(f"seconds of {FRESH} over raytrain {PARTS['first']}", ratio[FRESH]["first"].median, least=1.0),
            Goal(
                f"seconds of {FRESH} over raytrain {PARTS['turnaround']}", ratio[FRESH]["turnaround"].median, least=10
            ),
            Goal(
                f"seconds of {REUSED} over raytrain {PARTS['turnaround']}", ratio[REUSED]["turnaround"].median, least=1
            ),
        ],
        figures={
            "trials": trials,
            "ratios": ratio,
            "arms": {name: [_seconds(timing) for timing in measured] for name, measured in timings.items()},
        },
    )


def _commands(folder: Path, rates: list[float]) -> dict[str, Callable[[Path], list[str]]]:
    """Return, by arm, the command that writes its results into a folder."""
    # Trials at once follow from Ray's count of CPUs, which is that of the machine.
    cpus = (os.cpu_count() or 1) / CPUS
    space = grid_space(rates, WIDTHS, EPOCHS).model_dump(mode="json", exclude_defaults=True)
    space["resources"] = {"cpus_per_worker": cpus}
    settings = folder / "space.yaml"
    settings.write_text(json.dumps(space), "utf-8")  # JSON is YAML
    windows = folder / "windows.npz"
    np.savez(windows, allow_pickle=False, **window_arrays())
    plain = {"learning_rates": rates, "widths": WIDTHS, "epochs": EPOCHS, "cpus": cpus}

    def raytrain(into: Path) -> list[str]:
        return ["-m", "raytrain", "tune", str(settings), "--runs-dir", str(into), "--name", "run"]

    def script(into: Path, *, reuse_actors: bool) -> list[str]:
        text = json.dumps({**plain, "reuse_actors": reuse_actors})
        return [str(Path(__file__).with_name("plain_tune.py")), str(windows), text, str(into / "metrics.json")]

    return {
        RAYTRAIN: raytrain,
        FRESH: lambda into: script(into, reuse_actors=False),
        REUSED: lambda into: script(into, reuse_actors=True),
    }


@contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """Yield the environment of the processes: the checkout and the step clock are found, nothing is sent anywhere."""
    with tempfile.TemporaryDirectory() as steps:
        path = os.pathsep.join((str(ROOT / "tests" / "benchmarks" / "step_clock"), str(ROOT)))
        yield {**os.environ, "PYTHONPATH": path, "STEP_CLOCK": steps, "RAY_USAGE_STATS_ENABLED": "0"}


def _measure(command: Callable[[Path], list[str]], environment: Mapping[str, str], trials: int) -> Outcome:
    steps = Path(environment["STEP_CLOCK"])
    for file in steps.iterdir():
        file.unlink()
    with tempfile.TemporaryDirectory() as folder:
        start = time.time()
        done = subprocess.run(
            [sys.executable, *command(Path(folder))], env=environment, capture_output=True, text=True, check=False
        )
        end = time.time()
        if done.returncode:
            raise SystemExit(f"{' '.join(done.args)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        metrics = _metrics(Path(folder))
    spans = _spans(steps, trials)
    began, ended = min(one.began for one in spans), max(one.ended for one in spans)
    seconds = (began - start, statistics.median(_turnarounds(spans)), end - ended, end - start)
    return Outcome(metrics, dict(zip(PARTS, seconds, strict=True)))


def _metrics(folder: Path) -> dict[str, float]:
    script = folder / "metrics.json"
    if script.is_file():
        found: dict[str, float] = json.loads(script.read_text("utf-8"))
        return found
    return last_metrics(load_result(folder / "run"))


@dataclass(frozen=True, slots=True)
class Span:
    """When a trial took its first and its last step, and in which process."""

    process: str
    began: float
    ended: float


def _spans(folder: Path, trials: int) -> list[Span]:
    """Return what the step clock saw of each trial, in the order in which they began."""
    times: dict[tuple[str, str], list[float]] = {}
    for file in folder.iterdir():
        for line in file.read_text("ascii").splitlines():
            number, seconds = line.split()
            times.setdefault((file.name, number), []).append(float(seconds))
    if len(times) != trials:
        raise SystemExit(f"the steps of {len(times)} optimizers were seen, expected those of {trials} trials")
    spans = (Span(process, min(seconds), max(seconds)) for (process, _), seconds in times.items())
    return sorted(spans, key=lambda one: one.began)


def _turnarounds(spans: Sequence[Span]) -> list[float]:
    """Return the seconds from each end to the beginning it made room for: in its process, else the next anywhere."""
    kept = len({one.process for one in spans}) < len(spans)
    if kept:
        pairs = [
            pair
            for process in {one.process for one in spans}
            for pair in itertools.pairwise(one for one in spans if one.process == process)
        ]
    else:
        pairs = list(zip(sorted(spans, key=lambda one: one.ended), spans[CPUS:], strict=False))
    return [after.began - before.ended for before, after in pairs]


def _rows(timings: Mapping[str, Sequence[Timing]]) -> Iterator[tuple[str, ...]]:
    for name, measured in timings.items():
        parts = (spread([timing.outcome.seconds[part] for timing in measured]).text() for part in PARTS)
        yield (name, *parts, spread([timing.cpu_s for timing in measured]).text(1))


def _ratio_rows(ratio: Mapping[str, Mapping[str, Spread]]) -> Iterator[tuple[str, ...]]:
    for name, one in ratio.items():
        yield (f"{name} / {RAYTRAIN}", *(one[part].text() for part in (*PARTS, "cpu")))


def _ratios(timings: Mapping[str, Sequence[Timing]], name: str) -> dict[str, Spread]:
    """Return how many times the seconds of raytrain the arm `name` takes, round by round."""

    theirs, ours = ([_seconds(timing) for timing in timings[arm]] for arm in (name, RAYTRAIN))
    return {part: ratios([one[part] for one in theirs], [one[part] for one in ours]) for part in (*PARTS, "cpu")}


def _seconds(timing: Timing) -> dict[str, float]:
    return {**timing.outcome.seconds, "cpu": timing.cpu_s}
