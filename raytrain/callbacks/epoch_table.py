"""One line per epoch for people."""

from __future__ import annotations

import time

from rich.console import Console

from raytrain.types import Callback, FitState

__all__ = ["EpochTable"]


class EpochTable(Callback):
    """Print a line of the main metrics after each epoch, under one heading. Only rank 0 prints.

    Args:
        console: Where to.
        monitor: The metric whose best value is marked.
        epochs: Epochs planned.
    """

    def __init__(self, console: Console, *, monitor: str, epochs: int) -> None:
        self._console = console
        self._monitor = monitor
        self._epochs = epochs
        self._started = 0.0

    def on_fit_start(self, state: FitState) -> None:
        """Print the heading."""
        if state.is_writer:
            self._console.print(
                f"{'epoch':>9}  {'train/loss':>10}  {'val/loss':>10}  {self._monitor:>20}  {'lr':>8}  seconds",
                style="bold",
            )

    def on_epoch_start(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Start the clock."""
        self._started = time.perf_counter()

    def on_checkpoint(self, state: FitState) -> None:
        """Print the line."""
        if not state.is_writer:
            return
        metrics, seconds = state.metrics, time.perf_counter() - self._started
        self._console.print(
            f"{state.progress.epoch:>4}/{self._epochs:<4}  "
            f"{metrics['train/loss']:>10.4f}  {metrics['val/loss']:>10.4f}  {metrics[self._monitor]:>20.4f}  "
            f"{metrics['train/lr']:>8.2g}  {seconds:7.2f}",
            highlight=False,
        )
