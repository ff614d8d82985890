"""Cosine annealing with warm restarts."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LRScheduler

from raytrain.optim.floor import check_floor
from raytrain.optim.rules import require

__all__ = ["create_cosine_warmrestarts_scheduler"]


def create_cosine_warmrestarts_scheduler(
    optimizer: Optimizer,
    T_0: int,  # noqa: N803 - torch's and the paper's name
    *,
    T_mult: int = 1,  # noqa: N803 - torch's and the paper's name
    eta_min: float = 0.0,
) -> LRScheduler:
    """Create SGDR (Loshchilov & Hutter 2017), usually stepped once per epoch: torch's `CosineAnnealingWarmRestarts`.

    Each cycle falls from the learning rate to `eta_min` along half a cosine and the next begins at the top again, for
    as long as it is stepped.

    Args:
        optimizer: Its learning rates are the tops.
        T_0: Steps of the first cycle.
        T_mult: Length of each cycle over that of the one before.
        eta_min: The floor.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = create_cosine_warmrestarts_scheduler(optimizer, T_0=2, T_mult=2)
    >>> rates = []
    >>> for _ in range(7):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.1, 0.05, 0.1, 0.0854, 0.05, 0.0146, 0.1]
    """
    require("schedule.T_0", T_0, "at least 1", holds=T_0 >= 1)
    require("schedule.T_mult", T_mult, "at least 1", holds=T_mult >= 1)
    check_floor(optimizer, eta_min)
    return CosineAnnealingWarmRestarts(optimizer, T_0=T_0, T_mult=T_mult, eta_min=eta_min)
