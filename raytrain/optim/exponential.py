"""Exponential decay."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ExponentialLR, LRScheduler

from raytrain.optim.rules import require

__all__ = ["create_exponential_scheduler"]


def create_exponential_scheduler(optimizer: Optimizer, gamma: float = 0.95) -> LRScheduler:
    """Create the decay `lr gamma^t`, usually stepped once per epoch: torch's `ExponentialLR`.

    Szegedy et al. 2016 trained Inception with a rate of 0.94 every two epochs.

    Args:
        optimizer: Its learning rates are the starts.
        gamma: Each learning rate over the one before.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    >>> schedule = create_exponential_scheduler(optimizer, gamma=0.5)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.1]
    """
    require("schedule.gamma", gamma, "above 0 and at most 1", holds=0 < gamma <= 1)
    return ExponentialLR(optimizer, gamma=gamma)
