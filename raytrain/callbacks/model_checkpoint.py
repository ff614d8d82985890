"""Keep the checkpoints of the best epochs and of the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from raytrain.callbacks.early_stopping import improves, monitored
from raytrain.engine.checkpoint import BEST, LAST, previous_of, write_checkpoint
from raytrain.errors import ConfigError
from raytrain.types import Callback, FitState

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Write a checkpoint when the monitored metric improves, and on request after every epoch; only rank 0 writes.

    `last.pt` is written after every epoch and, with `every_steps`, between: a run goes on from it exactly. The one
    before it stays, as `last-1.pt`, for the case that the disk damages a file. A callback that writes within an epoch
    comes after all others, or what those learn from the step is missed: the run refuses it elsewhere.

    Each file, of torch's format, is written whole or not at all, and read by
    `raytrain.engine.checkpoint.read_checkpoint`. The first of several equal epochs is the best; an epoch whose metric
    is NaN is never kept.

    Args:
        filepath: The file of the best epoch, ending in `.pt`, or a folder, for `best.pt` in it.
        monitor: Metric key, e.g. `val/macro_f1`; `val_macro_f1` is the same.
        mode: Whether a lower (`min`) or a higher (`max`) value is better.
        save_best_only: Whether to leave out `last.pt`, written beside it after every epoch.
        every_steps: Optimizer steps from one writing of `last.pt` to the next within an epoch; None for after epochs
            only. All steps of the run are counted, the last of an epoch is one of them.
        save_top_k: Best epochs to keep. With two or more, each has a file of its own, `best-epoch0007.pt`, beside the
            file of the best.

    Raises:
        ConfigError: A setting is impossible, or, in the first epoch, the run does not report `monitor`.

    >>> from types import SimpleNamespace
    >>> checkpoint = ModelCheckpoint("best_model.pt", monitor="val_loss")
    >>> for epoch, loss in enumerate([0.5, 0.3, 0.4]):
    ...     progress = SimpleNamespace(epoch=epoch)
    ...     checkpoint.on_epoch_end(SimpleNamespace(metrics={"val/loss": loss}, progress=progress))
    >>> checkpoint.best, checkpoint.best_epoch
    (0.3, 2)
    """

    def __init__(
        self,
        filepath: str | Path,
        *,
        monitor: str = "val_loss",
        mode: Literal["min", "max"] = "min",
        save_best_only: bool = True,
        save_top_k: int = 1,
        every_steps: int | None = None,
    ) -> None:
        if save_top_k < 1:
            raise ConfigError(f"callbacks.model_checkpoint.save_top_k must be at least 1, got {save_top_k}")
        if every_steps is not None and (every_steps < 1 or save_best_only):
            raise ConfigError(
                "callbacks.model_checkpoint.every_steps must be at least 1 and needs save_best_only: false, for it is "
                f"last.pt that is written; got {every_steps} with save_best_only: {str(save_best_only).lower()}"
            )
        path = Path(filepath)
        self.filepath = path if path.suffix == ".pt" else path / BEST
        self.monitor = monitor
        self.mode: Literal["min", "max"] = mode
        self.save_best_only = save_best_only
        self.save_top_k = save_top_k
        self.every_steps = every_steps
        self._kept: list[tuple[float, int]] = []
        self._dropped: list[int] = []

    @property
    def best(self) -> float | None:
        """Return the best value so far; None before the first."""
        return self._kept[0][0] if self._kept else None

    @property
    def best_epoch(self) -> int:
        """Return the epoch of the best value, counted from 1; 0 before the first."""
        return self._kept[0][1] if self._kept else 0

    def on_step_end(self, state: FitState) -> None:
        """Write `last.pt`, when it is time; all workers take part in the snapshot."""
        if self.every_steps is None or state.progress.step % self.every_steps:
            return
        snapshot = state.snapshot()
        if state.is_writer:
            self._write_last(snapshot)

    def on_epoch_end(self, state: FitState) -> None:
        """Decide whether this epoch is among the best, before its state is saved anywhere."""
        value = monitored(state.metrics, self.monitor)
        worse = (rank for rank, (kept, _) in enumerate(self._kept) if improves(value, kept, mode=self.mode))
        if improves(value, None, mode=self.mode):
            self._kept.insert(next(worse, len(self._kept)), (value, state.progress.epoch + 1))
        self._dropped = [epoch for _, epoch in self._kept[self.save_top_k :]]
        del self._kept[self.save_top_k :]

    def on_checkpoint(self, state: FitState) -> None:
        """Write the files."""
        if not state.is_writer:
            return
        epoch = state.progress.epoch
        paths = [self._path(epoch)] if self.save_top_k > 1 and epoch in {kept for _, kept in self._kept} else []
        # The best first: after a crash between the two, the run resumes before this epoch and writes both again.
        paths += [self.filepath] if epoch == self.best_epoch else []
        snapshot = state.snapshot() if paths or not self.save_best_only else {}
        for path in paths:
            write_checkpoint(path, snapshot)
        if not self.save_best_only:
            self._write_last(snapshot)
        for dropped in self._dropped if self.save_top_k > 1 else []:
            self._path(dropped).unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the values and epochs kept, the best first."""
        return {"kept": [list(kept) for kept in self._kept]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the values and epochs kept."""
        self._kept = [(value, epoch) for value, epoch in state["kept"]]

    def _write_last(self, snapshot: dict[str, Any]) -> None:
        path = self.filepath.with_name(LAST)
        write_checkpoint(path, snapshot, previous=previous_of(path))

    def _path(self, epoch: int) -> Path:
        return self.filepath.with_name(f"{self.filepath.stem}-epoch{epoch:04d}.pt")
