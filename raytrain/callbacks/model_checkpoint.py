"""Keep the checkpoints of the best and of the last epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from raytrain.callbacks.early_stopping import improves, monitored
from raytrain.engine.checkpoint import write_checkpoint
from raytrain.types import Callback, FitState

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Write `best.pt` when the monitored metric improves and `last.pt` after every epoch, each whole or not at all.

    Only rank 0 writes.

    Args:
        directory: Where to.
        monitor: Metric key.
        mode: Whether a lower (`min`) or a higher (`max`) value is better.

    Raises:
        ConfigError: In the first epoch, when the run does not report `monitor`.
    """

    def __init__(self, directory: Path, *, monitor: str = "val/loss", mode: Literal["min", "max"] = "min") -> None:
        self.directory = directory
        self.monitor = monitor
        self.mode: Literal["min", "max"] = mode
        self.best: float | None = None
        self.best_epoch = 0

    def on_epoch_end(self, state: FitState) -> None:
        """Decide whether this epoch is the best, before its state is saved anywhere."""
        value = monitored(state.metrics, self.monitor)
        if improves(value, self.best, mode=self.mode):
            self.best, self.best_epoch = value, state.progress.epoch + 1

    def on_checkpoint(self, state: FitState) -> None:
        """Write the files."""
        if not state.is_writer:
            return
        snapshot = state.snapshot()
        # The best first: after a crash between the two, the run resumes before this epoch and writes both again.
        if self.best_epoch == state.progress.epoch:
            write_checkpoint(self.directory / "best.pt", snapshot)
        write_checkpoint(self.directory / "last.pt", snapshot)

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and its epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best value and its epoch."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]
