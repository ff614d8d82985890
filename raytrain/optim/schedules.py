"""Learning-rate schedules, stepped once per optimizer step.

Each is a factor of the optimizer's learning rate that depends on the number of steps done and on nothing
else, so a resumed run continues exactly. This is why they are `LambdaLR`: torch's chained schedulers compute
each rate from the one before, which drifts by rounding and rises again past the planned end.
"""

from __future__ import annotations

import math
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from raytrain.errors import ConfigError

__all__ = ["constant", "cosine_factor", "warmup_cosine", "warmup_factor"]


def warmup_factor(step: int, *, warmup_steps: int) -> float:
    """Return the linear warm-up `(step + 1) / (warmup_steps + 1)`, and 1 from step `warmup_steps` on.

    The first step, number 0, already moves the weights (Goyal et al. 2017, section 2.2).

    >>> [warmup_factor(step, warmup_steps=3) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return min(1.0, (step + 1) / (warmup_steps + 1))


def cosine_factor(step: int, *, total_steps: int, warmup_steps: int, final_fraction: float) -> float:
    """Return warm-up, then half a cosine from 1 to `final_fraction` at `total_steps`, constant from there.

    After warm-up `f + (1 - f) (1 + cos(pi t)) / 2`, with f the final fraction and t the share of the steps
    after warm-up that are done (Loshchilov & Hutter 2017, without restarts).

    >>> settings = dict(total_steps=4, warmup_steps=0, final_fraction=0.0)
    >>> [round(cosine_factor(step, **settings), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    if step < warmup_steps:
        return warmup_factor(step, warmup_steps=warmup_steps)
    done = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * done)) / 2


def constant(optimizer: Optimizer, total_steps: int, *, warmup_fraction: float = 0.0) -> LRScheduler:
    """Return a constant learning rate, after linear warm-up if asked.

    Args:
        optimizer: Its learning rate is the constant.
        total_steps: Optimizer steps of the run.
        warmup_fraction: Share of the steps that warm up, in [0, 1).
    """
    warmup_steps = _count_warmup_steps(total_steps, warmup_fraction)
    return LambdaLR(optimizer, partial(warmup_factor, warmup_steps=warmup_steps))


def warmup_cosine(
    optimizer: Optimizer, total_steps: int, *, warmup_fraction: float = 0.05, final_fraction: float = 0.01
) -> LRScheduler:
    """Return linear warm-up followed by cosine decay.

    Args:
        optimizer: Its learning rate is the peak.
        total_steps: Optimizer steps of the run.
        warmup_fraction: Share of the steps that warm up, in [0, 1).
        final_fraction: Share of the peak that is left at the end, in [0, 1].

    Raises:
        ConfigError: A value is impossible.
    """
    if not 0 <= final_fraction <= 1:
        raise ConfigError(f"schedule.final_fraction must be between 0 and 1, got {final_fraction:g}")
    factor = partial(
        cosine_factor,
        total_steps=total_steps,
        warmup_steps=_count_warmup_steps(total_steps, warmup_fraction),
        final_fraction=final_fraction,
    )
    return LambdaLR(optimizer, factor)


def _count_warmup_steps(total_steps: int, warmup_fraction: float) -> int:
    if not 0 <= warmup_fraction < 1:
        raise ConfigError(f"schedule.warmup_fraction must be at least 0 and below 1, got {warmup_fraction:g}")
    return min(round(warmup_fraction * total_steps), total_steps - 1)
