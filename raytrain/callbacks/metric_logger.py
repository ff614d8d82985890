"""Metrics as JSON lines, one per epoch, and their reader."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from raytrain.engine.checkpoint import write_atomically
from raytrain.engine.manifest import finite
from raytrain.errors import RunError
from raytrain.types import Callback, FitState

__all__ = ["MetricLogger", "read_metrics"]


def read_metrics(path: str | Path) -> list[dict[str, float]]:
    r"""Return the metrics of each epoch that `MetricLogger` wrote whole, in order.

    A line counts once its line break is written, so what a kill in mid-write left of the last one is dropped. A value
    that JSON has no number for, NaN or infinite, is NaN.

    Args:
        path: The file.

    Raises:
        RunError: The file cannot be read, or a whole line is no row of metrics, which no kill leaves behind.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     log = Path(folder) / "metrics.jsonl"
    ...     _ = log.write_text('{"epoch": 1, "val/loss": 0.5, "val/auroc": null}\n{"epoch": 2, "val/lo')
    ...     read_metrics(log)
    [{'epoch': 1, 'val/loss': 0.5, 'val/auroc': nan}]
    """
    path = Path(path)
    try:
        *whole, _torn = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunError(f"metrics {path} cannot be read: {error.strerror}") from error
    return [_row(line, f"{path}, line {number}") for number, line in enumerate(whole, start=1)]


class MetricLogger(Callback):
    """Append each epoch's metrics to a file as one line of JSON, flushed, so that a kill loses no whole line.

    Only rank 0 writes; NaN and infinity are null. A run that starts anew starts the file anew; a resumed one drops the
    lines after its epoch, and what is left of a line that was being written. `read_metrics` reads it.

    Args:
        log_file: Where to.

    >>> from types import SimpleNamespace
    >>> MetricLogger("metrics.jsonl").on_checkpoint(SimpleNamespace(is_writer=False))  # another rank writes nothing
    >>> Path("metrics.jsonl").exists()
    False
    """

    def __init__(self, log_file: str | Path) -> None:
        self.log_file = Path(log_file)

    def on_fit_start(self, state: FitState) -> None:
        """Write the history so far: nothing, or that of the run being resumed."""
        if state.is_writer:
            lines = [_line(epoch, row) for epoch, row in enumerate(state.history, start=1)]
            write_atomically(self.log_file, "".join(lines).encode())

    def on_checkpoint(self, state: FitState) -> None:
        """Append the epoch."""
        if state.is_writer:
            with self.log_file.open("a", encoding="utf-8") as file:
                file.write(_line(state.progress.epoch, state.metrics))


def _line(epoch: int, metrics: Mapping[str, float]) -> str:
    return json.dumps(finite({"epoch": epoch, **metrics}), allow_nan=False) + "\n"


def _row(line: bytes, place: str) -> dict[str, float]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RunError(f"{place} is not JSON; the file was changed after it was written") from error
    if not isinstance(row, dict) or any(isinstance(value, str | list | dict) for value in row.values()):
        raise RunError(f"{place} is no row of metrics; give the metrics.jsonl of a training run")
    return {key: math.nan if value is None else value for key, value in row.items()}
