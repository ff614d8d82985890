"""Stop a run whose metric no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from raytrain.errors import ConfigError, nearest
from raytrain.types import Callback, FitState

__all__ = ["EarlyStopping", "improves", "monitored"]


def improves(value: float, best: float | None, *, mode: Literal["min", "max"], min_delta: float = 0.0) -> bool:
    """Return whether `value` is better than `best` by more than `min_delta`; NaN never is.

    >>> improves(0.9, None, mode="max"), improves(0.9, 0.9, mode="max"), improves(0.1, 0.2, mode="min")
    (True, False, True)
    """
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value < best - min_delta if mode == "min" else value > best + min_delta


def monitored(metrics: Mapping[str, float], monitor: str) -> float:
    """Return the metric `monitor` of an epoch.

    Keys have a slash after the part of the data; the familiar spelling with an underscore there names the same metric,
    unless one is reported under exactly that name.

    Args:
        metrics: Those of the epoch, by key.
        monitor: Metric key, e.g. `val/macro_f1`, or `val_macro_f1`.

    Raises:
        ConfigError: The run does not report it.

    >>> monitored({"val/macro_f1": 0.75, "val/loss": 0.5}, "val_macro_f1")
    0.75
    """
    for key in (monitor, monitor.replace("_", "/", 1)):
        if key in metrics:
            return metrics[key]
    raise ConfigError(f"monitor: '{monitor}' is not reported; {nearest(monitor, metrics)}")


class EarlyStopping(Callback):
    """Ask for a stop after `patience` epochs in a row without improvement of the monitored metric.

    Improvement is measured from the best epoch, not from the one before (Prechelt 1998, "Early stopping - but when?").
    NaN is no improvement.

    Args:
        monitor: Metric key, e.g. `val/macro_f1`; `val_macro_f1` is the same.
        patience: Epochs without improvement that are tolerated.
        mode: Whether a lower (`min`) or a higher (`max`) value is better.
        min_delta: Changes up to this much do not count as improvement.

    Raises:
        ConfigError: `patience` or `min_delta` is impossible, or, in the first epoch, the run does not report `monitor`.

    >>> from types import SimpleNamespace
    >>> run = SimpleNamespace(metrics={"val/loss": 0.5}, stop_reason=None)
    >>> stopping = EarlyStopping(patience=2)
    >>> for _ in range(3):
    ...     stopping.on_epoch_end(run)
    >>> run.stop_reason
    'val_loss has not improved for 2 epochs'
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 10,
        mode: Literal["min", "max"] = "min",
        min_delta: float = 0.0,
    ) -> None:
        if patience < 1:
            raise ConfigError(f"callbacks.early_stopping.patience must be at least 1, got {patience}")
        if not 0 <= min_delta < math.inf:
            raise ConfigError(f"callbacks.early_stopping.min_delta must be at least 0 and finite, got {min_delta:g}")
        self.monitor = monitor
        self.patience = patience
        self.mode: Literal["min", "max"] = mode
        self.min_delta = min_delta
        self.best: float | None = None
        self.epochs_without_improvement = 0

    def on_epoch_end(self, state: FitState) -> None:
        """Count epochs without improvement; metrics are reduced, so every worker decides alike."""
        value = monitored(state.metrics, self.monitor)
        if improves(value, self.best, mode=self.mode, min_delta=self.min_delta):
            self.best = value
            self.epochs_without_improvement = 0
            return
        self.epochs_without_improvement += 1
        if self.epochs_without_improvement >= self.patience:
            state.stop_reason = f"{self.monitor} has not improved for {self.patience} epochs"

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the count."""
        return {"best": self.best, "epochs_without_improvement": self.epochs_without_improvement}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the best value and the count."""
        self.best = state["best"]
        self.epochs_without_improvement = state["epochs_without_improvement"]
