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
    """Whether Ctrl-C was pressed."""

    happened: bool = False


@contextmanager
def interruptible(console: Console) -> Iterator[Interruption]:
    """Turn the first Ctrl-C into Tune's orderly stop, which it does on SIGUSR1; the second one ends at once."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(_number: int, _frame: object) -> None:
        interruption.happened = True
        signal.signal(signal.SIGINT, before)
        console.print("stopping: what is done is kept (Ctrl-C again to give that up)", style="yellow")
        os.kill(os.getpid(), signal.SIGUSR1)

    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    signal.signal(signal.SIGINT, stop)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)
        del os.environ["TUNE_DISABLE_SIGINT_HANDLER"]
