"""Decay when a metric stops improving."""

from __future__ import annotations

from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from raytrain.optim.rules import require

__all__ = ["create_plateau_scheduler"]


def create_plateau_scheduler(
    optimizer: Optimizer,
    *,
    mode: Literal["min", "max"] = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
) -> ReduceLROnPlateau:
    """Create decay by `factor` after more than `patience` epochs without improvement: torch's `ReduceLROnPlateau`.

    Step it once per epoch with the metric, reduced over all workers: `scheduler.step(loss)`. It is what Krizhevsky et
    al. 2012 did by hand, dividing by 10 when the validation error stopped falling.

    Args:
        optimizer: Its learning rates are the starts.
        mode: Whether the metric should fall or rise.
        factor: Each learning rate over the one before.
        patience: Epochs without improvement that are forgiven.
        threshold: Relative improvement that counts.
        cooldown: Epochs after a reduction in which nothing is counted.
        min_lr: The floor.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = create_plateau_scheduler(optimizer, factor=0.5, patience=1)
    >>> rates = []
    >>> for loss in (1.0, 0.9, 0.9, 0.9, 0.9):
    ...     optimizer.step()
    ...     schedule.step(loss)
    ...     rates.append(optimizer.param_groups[0]["lr"])
    >>> rates
    [0.1, 0.1, 0.1, 0.05, 0.05]
    """
    require("schedule.mode", mode, "min or max", holds=mode in ("min", "max"))
    require("schedule.factor", factor, "above 0 and below 1", holds=0 < factor < 1)
    require("schedule.patience", patience, "at least 0", holds=patience >= 0)
    require("schedule.threshold", threshold, "at least 0", holds=threshold >= 0)
    require("schedule.cooldown", cooldown, "at least 0", holds=cooldown >= 0)
    require("schedule.min_lr", min_lr, "at least 0", holds=min_lr >= 0)
    # Of a small learning rate every reduction counts, so none is left out for being below torch's eps of 1e-8.
    return ReduceLROnPlateau(
        optimizer,
        mode=mode,
        factor=factor,
        patience=patience,
        threshold=threshold,
        cooldown=cooldown,
        min_lr=min_lr,
        eps=0.0,
    )
