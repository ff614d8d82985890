"""One line per epoch for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from raytrain.types import Callback, FitState

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["EpochTable"]


class EpochTable(Callback):
    """Print a line of the main metrics after each epoch, under one heading. Only rank 0 prints.

    Where float16's loss scaler skipped optimizer steps, the line says how many since the run began.

    Args:
        console: Where to.
        monitor: The metric shown beside the losses; a dash where the run does not report one of them.
        epochs: Epochs planned.

    >>> from types import SimpleNamespace
    >>> from rich.console import Console
    >>> table = EpochTable(Console(width=80), monitor="val/macro_f1", epochs=9)
    >>> table.on_fit_start(SimpleNamespace(is_writer=True))
        epoch  train/loss    val/loss          val/macro_f1        lr  seconds
    """

    def __init__(self, console: Console, *, monitor: str, epochs: int) -> None:
        self._console = console
        self._columns = {"train/loss": 10, "val/loss": 10, monitor: max(20, len(monitor))}
        self._epochs = epochs
        self._started = 0.0

    def on_fit_start(self, state: FitState) -> None:
        """Print the heading."""
        if state.is_writer:
            heading = "  ".join(f"{key:>{width}}" for key, width in self._columns.items())
            self._console.print(f"{'epoch':>9}  {heading}  {'lr':>8}  seconds", style="bold", highlight=False)
        self._started = time.perf_counter()  # an epoch that was interrupted has no other start

    def on_epoch_start(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Start the clock."""
        self._started = time.perf_counter()

    def on_checkpoint(self, state: FitState) -> None:
        """Print the line."""
        if not state.is_writer:
            return
        metrics, seconds = state.metrics, time.perf_counter() - self._started
        cells = "  ".join(
            f"{metrics[key]:>{width}.4f}" if key in metrics else f"{'-':>{width}}"
            for key, width in self._columns.items()
        )
        skipped = int(metrics.get("train/skipped_steps", 0))
        note = f"  {skipped} step{'s' if skipped > 1 else ''} skipped so far" if skipped else ""
        self._console.print(
            f"{state.progress.epoch:>4}/{self._epochs:<4}  {cells}  {metrics['train/lr']:>8.2g}  {seconds:7.2f}{note}",
            highlight=False,
        )
