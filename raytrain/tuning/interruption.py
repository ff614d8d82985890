"""How a sweep ends early: Ctrl-C, a full disk, an error of Tune's own."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from raytrain.errors import RunError

__all__ = ["Interruption", "interruptible", "run_error"]


def run_error(error: BaseException, directory: Path) -> RunError:
    """Return what the user is told of an error in the driver; Tune wraps what a callback raised in its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return RunError(
                f"disk full while writing to {directory}; free some space, or choose another --runs-dir "
                "(what was written before is kept)"
            )
        cause = cause.__cause__ or cause.__context__
    return RunError(f"the sweep broke off: {str(error).strip().splitlines()[-1]} (its files are in {directory})")


@dataclass(slots=True)
class Interruption:
    """What ended a sweep early: `Ctrl-C`, `SIGTERM`, or nothing."""

    by: str = ""

    @property
    def happened(self) -> bool:
        """Whether there was one."""
        return bool(self.by)


@contextmanager
def interruptible(console: Console) -> Iterator[Interruption]:
    """Turn the first Ctrl-C, or a request to terminate, into Tune's orderly stop, which it does on SIGUSR1.

    A second one ends the process at once.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    names = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}
    before = {number: signal.getsignal(number) for number in names}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, _frame: object) -> None:
        interruption.by = names[signal.Signals(number)]
        restore()
        console.print(f"stopping: what is done is kept ({interruption.by} again to give that up)", style="yellow")
        os.kill(os.getpid(), signal.SIGUSR1)

    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    for number in names:
        signal.signal(number, stop)
    try:
        yield interruption
    finally:
        restore()
        del os.environ["TUNE_DISABLE_SIGINT_HANDLER"]
