"""Cosine annealing that ends."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from raytrain.optim.floor import check_floor
from raytrain.optim.rules import require

__all__ = ["create_cosine_scheduler"]


def create_cosine_scheduler(
    optimizer: Optimizer,
    T_max: int,  # noqa: N803 - torch's and the paper's name
    *,
    eta_min: float = 0.0,
) -> LRScheduler:
    """Create cosine annealing (Loshchilov & Hutter 2017), usually stepped once per epoch.

    torch's `CosineAnnealingLR`: `eta_min + (lr - eta_min) (1 + cos(pi t / T_max)) / 2`, except that past `T_max` it
    stays at `eta_min`, where torch's rises again.

    Args:
        optimizer: Its learning rates are the starts.
        T_max: Steps to the floor.
        eta_min: The floor.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = create_cosine_scheduler(optimizer, T_max=4)
    >>> rates = []
    >>> for _ in range(6):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.1, 0.0854, 0.05, 0.0146, 0.0, 0.0]
    """
    require("schedule.T_max", T_max, "at least 1", holds=T_max >= 1)
    check_floor(optimizer, eta_min)
    return _Cosine(optimizer, T_max=T_max, eta_min=eta_min)


class _Cosine(CosineAnnealingLR):
    """torch's, held at its floor."""

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch allows tensors too; raytrain's are floats
        if self.last_epoch >= self.T_max:
            return [self.eta_min] * len(self.base_lrs)
        return [float(rate) for rate in super().get_lr()]
