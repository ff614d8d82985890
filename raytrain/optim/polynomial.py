"""Polynomial decay."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import PolynomialLR

from raytrain.optim.floor import check_floor
from raytrain.optim.rules import require

__all__ = ["PolynomialLRScheduler"]


class PolynomialLRScheduler(PolynomialLR):
    """Polynomial decay (the "poly" policy of Chen et al. 2018), usually stepped once per epoch.

    torch's `PolynomialLR` with a floor: `eta_min + (lr - eta_min) (1 - t / total_iters)^power`, and `eta_min` from
    `total_iters` on.

    Args:
        optimizer: Its learning rates are the starts.
        total_iters: Steps to the floor.
        power: Exponent; 1 is a straight line.
        eta_min: The floor.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.16)
    >>> schedule = PolynomialLRScheduler(optimizer, total_iters=4, power=2.0)
    >>> rates = []
    >>> for _ in range(6):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.16, 0.09, 0.04, 0.01, 0.0, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int, *, power: float = 0.9, eta_min: float = 0.0) -> None:
        require("schedule.total_iters", total_iters, "at least 1", holds=total_iters >= 1)
        require("schedule.power", power, "above 0", holds=power > 0)
        check_floor(optimizer, eta_min)
        self.eta_min = eta_min
        super().__init__(optimizer, total_iters=total_iters, power=power)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch allows tensors too; raytrain's are floats
        """Return the learning rate of each group at the current step."""
        left = (1 - min(self.last_epoch, self.total_iters) / self.total_iters) ** self.power
        return [self.eta_min + (float(start) - self.eta_min) * left for start in self.base_lrs]
