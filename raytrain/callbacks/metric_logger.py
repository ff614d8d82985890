"""Metrics as JSON lines, one per epoch."""

from __future__ import annotations

import json
from pathlib import Path

from raytrain.engine.manifest import finite
from raytrain.types import Callback, FitState

__all__ = ["MetricLogger"]


class MetricLogger(Callback):
    """Append each epoch's metrics to a file as one line of JSON, flushed, so that a kill loses no whole line.

    Only rank 0 writes; NaN is null. A run that starts anew starts the file anew; a resumed one drops the lines after
    its epoch.

    Args:
        log_file: Where to.
    """

    def __init__(self, log_file: Path) -> None:
        self.log_file = log_file

    def on_fit_start(self, state: FitState) -> None:
        """Write the history so far: nothing, or that of the run being resumed."""
        if state.is_writer:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            lines = [_line(epoch, row) for epoch, row in enumerate(state.history, start=1)]
            self.log_file.write_text("".join(lines), encoding="utf-8")

    def on_checkpoint(self, state: FitState) -> None:
        """Append the epoch."""
        if state.is_writer:
            with self.log_file.open("a", encoding="utf-8") as file:
                file.write(_line(state.progress.epoch, state.metrics))


def _line(epoch: int, metrics: dict[str, float]) -> str:
    return json.dumps(finite({"epoch": epoch, **metrics}), allow_nan=False) + "\n"
