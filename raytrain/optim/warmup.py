"""Linear warm-up before any scheduler."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from raytrain.errors import ConfigError
from raytrain.optim.rules import require

__all__ = ["WarmupScheduler"]


class WarmupScheduler(LRScheduler):
    """Linear warm-up to where `base` starts, then `base`: also `ReduceLROnPlateau`, which `SequentialLR` refuses.

    Step t of the warm-up, from 0, has `(t + 1) / (warmup + 1)` of the learning rate (Goyal et al. 2017), so the first
    one moves the weights; step `warmup` is the first of `base`. It counts in the unit that it is stepped in.

    Args:
        optimizer: Its learning rates are warmed up to.
        warmup: Steps of the warm-up.
        base: What comes after, created over the same optimizer and not yet stepped; None holds the learning rate.

    Raises:
        ConfigError: The warm-up is negative, or `base` is of another optimizer.

    >>> import torch
    >>> from torch.optim.lr_scheduler import ExponentialLR
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.4)
    >>> schedule = WarmupScheduler(optimizer, 3, ExponentialLR(optimizer, gamma=0.5))
    >>> rates = []
    >>> for _ in range(6):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.1, 0.2, 0.3, 0.4, 0.2, 0.1]
    """

    def __init__(self, optimizer: Optimizer, warmup: int, base: LRScheduler | None = None) -> None:
        require("schedule.warmup", warmup, "at least 0", holds=warmup >= 0)
        if base is not None and base.optimizer is not optimizer:
            raise ConfigError("the base of a WarmupScheduler must be a scheduler of the same optimizer")
        self.warmup = warmup
        self.base = base
        # What `base` has set at its creation is its first step: the warm-up leads up to exactly that.
        self.peaks = [float(group["lr"]) for group in optimizer.param_groups]
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch allows tensors too; raytrain's are floats
        """Return the learning rate of each group during the warm-up."""
        factor = (self.last_epoch + 1) / (self.warmup + 1)
        return [peak * factor for peak in self.peaks]

    def step(self, metrics: float | None = None) -> None:
        """Advance by one step; `metrics` is for a base that is `ReduceLROnPlateau`, which sees none in the warm-up.

        Raises:
            ConfigError: The base needs a metric and there is none.
        """
        if self.last_epoch < self.warmup:
            super().step()
            return
        self.last_epoch += 1
        if isinstance(self.base, ReduceLROnPlateau):
            if metrics is None:
                raise ConfigError("a WarmupScheduler over ReduceLROnPlateau is stepped with a metric: step(loss)")
            self.base.step(metrics)
        elif self.base is not None:
            self.base.step()
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the warm-up and of the base."""
        state = {name: value for name, value in super().state_dict().items() if name != "base"}
        return state | {"base": None if self.base is None else self.base.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "base"})
        if self.base is not None:
            self.base.load_state_dict(state_dict["base"])
