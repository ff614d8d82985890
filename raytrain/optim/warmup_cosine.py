"""Linear warm-up, then cosine decay, as a scheduler with state of its own."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from raytrain.optim.factors import cosine_factor
from raytrain.optim.rules import require

__all__ = ["WarmupCosineScheduler", "check_final_fraction", "check_warmup"]


class WarmupCosineScheduler(LRScheduler):
    """Linear warm-up, then half a cosine (Loshchilov & Hutter 2017), with its lengths in its state.

    The curve is that of `create_warmup_cosine_schedule`; step it once per optimizer step. A run that is resumed follows
    the curve it was started with, also when it is set up with other lengths.

    Args:
        optimizer: Its learning rates are the peaks.
        warmup_steps: Steps from 0 to the peak.
        total_steps: Steps of the run, warm-up included.
        final_fraction: Share of the peak that is left at the end.

    Raises:
        ConfigError: The warm-up is as long as the run, or a value is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = WarmupCosineScheduler(optimizer, warmup_steps=2, total_steps=6)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    >>> round(schedule.get_last_lr()[0], 4)
    0.0854
    """

    def __init__(
        self, optimizer: Optimizer, *, warmup_steps: int, total_steps: int, final_fraction: float = 0.0
    ) -> None:
        check_warmup(warmup_steps, total_steps)
        check_final_fraction(final_fraction)
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.final_fraction = final_fraction
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch allows tensors too; raytrain's are floats
        """Return the learning rate of each group at the current step."""
        factor = cosine_factor(
            self.last_epoch,
            warmup_steps=self.warmup_steps,
            total_steps=self.total_steps,
            final_fraction=self.final_fraction,
        )
        return [float(peak) * factor for peak in self.base_lrs]


def check_warmup(warmup_steps: int, total_steps: int) -> None:
    """Refuse a warm-up that leaves no step after it.

    Raises:
        ConfigError: It does.

    >>> check_warmup(10, 10)
    Traceback (most recent call last):
    raytrain.errors.ConfigError: schedule.warmup_steps must be at least 0 and below the run's 10 steps, got 10
    """
    require(
        "schedule.warmup_steps",
        warmup_steps,
        f"at least 0 and below the run's {total_steps} steps",
        holds=0 <= warmup_steps < total_steps,
    )


def check_final_fraction(final_fraction: float) -> None:
    """Refuse a final fraction that is none.

    Raises:
        ConfigError: It is negative or above 1.

    >>> check_final_fraction(1.5)
    Traceback (most recent call last):
    raytrain.errors.ConfigError: schedule.final_fraction must be between 0 and 1, got 1.5
    """
    require("schedule.final_fraction", final_fraction, "between 0 and 1", holds=0 <= final_fraction <= 1)
