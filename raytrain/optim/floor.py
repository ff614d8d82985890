"""The learning rate that a schedule falls to."""

from __future__ import annotations

from torch.optim import Optimizer

from raytrain.optim.rules import require

__all__ = ["check_floor"]


def check_floor(optimizer: Optimizer, eta_min: float) -> None:
    """Refuse a floor above the learning rate of a group: the schedule would rise to it.

    Raises:
        ConfigError: It is, or it is negative.

    >>> import torch
    >>> check_floor(torch.optim.SGD([torch.zeros(1)], lr=1e-3), 1e-2)
    Traceback (most recent call last):
    raytrain.errors.ConfigError: schedule.eta_min must be at least 0 and at most the learning rate 0.001, got 0.01
    """
    lowest = min(group["lr"] for group in optimizer.param_groups)
    require(
        "schedule.eta_min",
        eta_min,
        f"at least 0 and at most the learning rate {lowest:g}",
        holds=0 <= eta_min <= lowest,
    )
