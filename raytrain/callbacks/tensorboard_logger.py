"""Metrics as TensorBoard scalars."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from raytrain.errors import ConfigError
from raytrain.types import Callback, FitState

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoardLogger"]


class TensorBoardLogger(Callback):
    """Write each epoch's metrics as scalars under their keys, against the epoch; only rank 0 writes.

    With `step_interval` also `step/loss`, `step/lr` and, where gradients are clipped, `step/gradient_norm` (before
    clipping), against the optimizer step, in a folder `steps` of their own: TensorBoard sees by the counts of a folder
    where a resumed run went on, so that they must be of one kind. Readers replace what the folder has from later epochs
    or steps than the run begins with by what the run writes.

    Args:
        log_dir: Where to; `tensorboard --logdir` shows it.
        step_interval: Optimizer steps between scalars of a step; None for none. Each waits for the device.

    Raises:
        ConfigError: `step_interval` is impossible.

    >>> from types import SimpleNamespace
    >>> logger = TensorBoardLogger("runs/tensorboard", step_interval=10)
    >>> logger.on_fit_start(SimpleNamespace(is_writer=False))  # another rank writes nothing
    >>> Path("runs/tensorboard").exists()
    False
    """

    def __init__(self, log_dir: str | Path, *, step_interval: int | None = None) -> None:
        if step_interval is not None and step_interval < 1:
            raise ConfigError(f"callbacks.tensorboard.step_interval must be at least 1 or null, got {step_interval}")
        self.log_dir = Path(log_dir)
        self.step_interval = step_interval
        self._epochs: SummaryWriter | None = None
        self._steps: SummaryWriter | None = None

    def on_fit_start(self, state: FitState) -> None:
        """Open the files, from the epoch and step the run begins with."""
        if not state.is_writer:
            return
        from torch.utils.tensorboard import SummaryWriter

        _wait_for_a_later_second(self.log_dir)
        self._epochs = SummaryWriter(str(self.log_dir), purge_step=state.progress.epoch + 1)
        if self.step_interval is not None:
            self._steps = SummaryWriter(str(self.log_dir / "steps"), purge_step=state.progress.step + 1)

    def on_step_end(self, state: FitState) -> None:
        """Write the step's scalars, when it is time."""
        if self._steps is None or self.step_interval is None or state.progress.step % self.step_interval:
            return
        values = {"loss": state.step_loss, "gradient_norm": state.gradient_norm}
        scalars = {name: value.item() for name, value in values.items() if value is not None}
        for name, value in {**scalars, "lr": float(state.optimizer.param_groups[0]["lr"])}.items():
            self._steps.add_scalar(f"step/{name}", value, state.progress.step)

    def on_checkpoint(self, state: FitState) -> None:
        """Write the epoch's scalars, and all to disk."""
        if self._epochs is None:
            return
        for key, value in state.metrics.items():
            self._epochs.add_scalar(key, value, state.progress.epoch)
        for writer in self._writers():
            writer.flush()

    def on_fit_end(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Close the files."""
        for writer in self._writers():
            writer.close()
        self._epochs = self._steps = None

    def _writers(self) -> list[SummaryWriter]:
        return [writer for writer in (self._epochs, self._steps) if writer is not None]


def _wait_for_a_later_second(folder: Path) -> None:
    """Wait until files made now are read after those that are there: readers sort them by the second in their names."""
    while any(folder.rglob(f"events.out.tfevents.{int(time.time()):010d}.*")):
        time.sleep(0.05)
