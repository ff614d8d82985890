"""What a trial keeps on disk: the checkpoint of its best epoch, a recent one to go on from, and why it failed."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any

from raytrain.engine.checkpoint import BEST, LAST, previous_of, read_checkpoint, write_atomically, write_checkpoint
from raytrain.errors import RaytrainError, RunError
from raytrain.tuning.space import Point

__all__ = ["TrialFiles", "trial_directory"]

_FAILURE = "failure.txt"


def trial_directory(folder: Path, number: int) -> Path:
    """Return the folder of the trial numbered `number`, from 0, below `folder`.

    >>> trial_directory(Path("runs/a/trials"), 7).as_posix()
    'runs/a/trials/00007'
    """
    return folder / f"{number:05d}"


class TrialFiles:
    """The files of one trial, written by its rank 0, each whole or absent at any moment.

    Args:
        directory: Where they are.
        every_s: Seconds from one checkpoint to the next, those of a better epoch among them.
    """

    def __init__(self, directory: Path, *, every_s: float) -> None:
        self.directory = directory
        self._every_s = every_s
        self._written = time.monotonic()

    @property
    def best(self) -> Path:
        """Where the checkpoint of the best epoch is."""
        return self.directory / BEST

    def keep(self, snapshot: dict[str, Any], *, improved: bool, finished: bool) -> None:
        """Write a snapshot where it is the best so far, the final one, or enough time has gone since the last."""
        due = finished or time.monotonic() - self._written >= self._every_s
        if not (improved or due):
            return
        if improved:
            write_checkpoint(self.best, snapshot)
        if finished or not improved:
            last = self.directory / LAST
            write_checkpoint(last, snapshot, previous=previous_of(last))
        self._written = time.monotonic()

    def newest(self, point: Point) -> dict[str, Any] | None:
        """Return the snapshot of the latest epoch that can be read and is of `point`; None where there is none.

        A damaged file is passed over: the one before it, or the best epoch's, is gone on from.
        """
        found: list[dict[str, Any]] = []
        last = self.directory / LAST
        for path in (last, previous_of(last), self.best):
            try:
                snapshot = read_checkpoint(path)
            except RunError:
                continue
            if snapshot["point"] == point:
                found.append(snapshot)
        return max(found, key=lambda one: int(one["epoch"]), default=None)

    def failure(self) -> str | None:
        """Return why the trial failed for good; None where it did not."""
        try:
            return (self.directory / _FAILURE).read_text(encoding="utf-8").splitlines()[0]
        except (OSError, IndexError):
            return None

    def fail(self, error: BaseException) -> str:
        """Write down an error that the configuration causes, and would cause again; return it in one line."""
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0] if isinstance(error, RaytrainError) else f"{type(error).__name__}: {lines[0]}"
        text = "".join([f"{reason}\n\n", *traceback.format_exception(error)])
        write_atomically(self.directory / _FAILURE, text.encode())
        return reason
