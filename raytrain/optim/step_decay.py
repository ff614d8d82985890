"""Decay in stairs."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, StepLR

from raytrain.optim.rules import require

__all__ = ["create_step_scheduler"]


def create_step_scheduler(optimizer: Optimizer, step_size: int, *, gamma: float = 0.1) -> LRScheduler:
    """Create decay by the factor `gamma` every `step_size` steps, usually stepped once per epoch: torch's `StepLR`.

    `lr gamma^floor(t / step_size)`, as He et al. 2016 trained residual networks.

    Args:
        optimizer: Its learning rates are the starts.
        step_size: Steps of each stair.
        gamma: Each stair over the one before.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = create_step_scheduler(optimizer, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates.append(optimizer.param_groups[0]["lr"])
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.1, 0.1, 0.05, 0.05, 0.025]
    """
    require("schedule.step_size", step_size, "at least 1", holds=step_size >= 1)
    require("schedule.gamma", gamma, "above 0 and at most 1", holds=0 < gamma <= 1)
    return StepLR(optimizer, step_size=step_size, gamma=gamma)
