"""The bridge from the training loop to Ray Train: metrics every epoch, a checkpoint when the best improves."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

from ray import train

from raytrain.callbacks.early_stopping import improves, monitored
from raytrain.engine.checkpoint import write_checkpoint
from raytrain.types import Callback, FitState

__all__ = ["CHECKPOINT_FILE", "RayReport"]

CHECKPOINT_FILE = "checkpoint.pt"


class RayReport(Callback):
    """Report each epoch to Ray Train from every rank; rank 0 attaches a checkpoint when `monitor` improves.

    Args:
        monitor: Metric key.
        mode: Whether a lower (`min`) or a higher (`max`) value is better.

    Raises:
        ConfigError: In the first epoch, when the run does not report `monitor`.
    """

    def __init__(self, *, monitor: str, mode: Literal["min", "max"]) -> None:
        self.monitor = monitor
        self.mode: Literal["min", "max"] = mode
        self.best: float | None = None

    def on_checkpoint(self, state: FitState) -> None:
        """Report; ranks wait for each other here, so all of them call it."""
        metrics = {**state.metrics, "epoch": state.progress.epoch}
        value = monitored(state.metrics, self.monitor)
        improved = improves(value, self.best, mode=self.mode)
        if improved:
            self.best = value
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if improved and state.is_writer:
                write_checkpoint(Path(folder) / CHECKPOINT_FILE, state.snapshot())
                checkpoint = train.Checkpoint.from_directory(folder)
            train.report(metrics, checkpoint=checkpoint)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value."""
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best value."""
        self.best = state["best"]
