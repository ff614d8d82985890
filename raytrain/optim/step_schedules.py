"""The schedules that count optimizer steps, as a configuration names them.

`optimizer.lr` is the peak of each. Steps are counted from 1, so that the first one moves the weights.
An impossible value raises `ConfigError`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from raytrain.optim.factors import cosine_factor, counted_from_one, linear_factor, noam_factor, warmup_factor
from raytrain.optim.one_cycle import create_onecycle_scheduler
from raytrain.optim.rules import require
from raytrain.optim.schedule import RunLength, Schedule
from raytrain.optim.warmup_cosine import check_final_fraction

__all__ = ["constant", "noam", "onecycle", "warmup_cosine", "warmup_linear"]


def constant(optimizer: Optimizer, length: RunLength, *, warmup_fraction: float = 0.0) -> Schedule:
    """Constant learning rate, after linear warm-up if asked; per step.

    Args:
        optimizer: Its learning rate is the constant.
        length: Length of the run.
        warmup_fraction: Share of the steps that warm up, in [0, 1).
    """
    warmup = _warmup_steps(length, warmup_fraction)
    return _by_factor(optimizer, partial(warmup_factor, warmup_steps=warmup + 1))


def warmup_cosine(
    optimizer: Optimizer, length: RunLength, *, warmup_fraction: float = 0.05, final_fraction: float = 0.01
) -> Schedule:
    """Linear warm-up, then cosine decay (Loshchilov & Hutter 2017); per step.

    Args:
        optimizer: Its learning rate is the peak.
        length: Length of the run.
        warmup_fraction: Share of the steps that warm up, in [0, 1).
        final_fraction: Share of the peak that is left at the end, in [0, 1].
    """
    check_final_fraction(final_fraction)
    factor = partial(
        cosine_factor,
        total_steps=length.total_steps + 1,
        warmup_steps=_warmup_steps(length, warmup_fraction) + 1,
        final_fraction=final_fraction,
    )
    return _by_factor(optimizer, factor)


def warmup_linear(optimizer: Optimizer, length: RunLength, *, warmup_fraction: float = 0.05) -> Schedule:
    """Linear warm-up, then linear decay to zero (Devlin et al. 2019); per step.

    Args:
        optimizer: Its learning rate is the peak.
        length: Length of the run.
        warmup_fraction: Share of the steps that warm up, in [0, 1).
    """
    warmup = _warmup_steps(length, warmup_fraction)
    factor = partial(linear_factor, total_steps=length.total_steps + 1, warmup_steps=warmup + 1)
    return _by_factor(optimizer, factor)


def noam(optimizer: Optimizer, length: RunLength, *, warmup_fraction: float = 0.1) -> Schedule:
    """Linear warm-up, then decay with the root of the steps (Vaswani et al. 2017); per step.

    The paper's curve over its own peak, so that the peak is `optimizer.lr` and the width of the model cancels.

    Args:
        optimizer: Its learning rate is the peak.
        length: Length of the run.
        warmup_fraction: Share of the steps that warm up, in [0, 1).
    """
    return _by_factor(optimizer, partial(noam_factor, warmup_steps=_warmup_steps(length, warmup_fraction) + 1))


def onecycle(
    optimizer: Optimizer,
    length: RunLength,
    *,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    cycle_momentum: bool = False,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """One-cycle policy: up to the learning rate and down to almost nothing (Smith & Topin 2019); per step.

    Args:
        optimizer: Its learning rate is the peak.
        length: Length of the run.
        pct_start: Share of the steps that rise.
        anneal_strategy: Along a cosine or a straight line.
        cycle_momentum: Move momentum (or Adam's beta1) the other way, between 0.95 and 0.85, instead of the
            optimizer's own; off, so that the optimizer's setting means what it says.
        div_factor: The peak over the first learning rate.
        final_div_factor: The first learning rate over the last.
    """
    scheduler = create_onecycle_scheduler(
        optimizer,
        [group["lr"] for group in optimizer.param_groups],
        total_steps=length.total_steps,
        pct_start=pct_start,
        anneal_strategy=anneal_strategy,
        cycle_momentum=cycle_momentum,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
    )
    return Schedule(scheduler, "step")


def _by_factor(optimizer: Optimizer, factor: Callable[[int], float]) -> Schedule:
    return Schedule(LambdaLR(optimizer, counted_from_one(factor)), "step")


def _warmup_steps(length: RunLength, warmup_fraction: float) -> int:
    """Return the steps below the peak; the next one has it."""
    require("schedule.warmup_fraction", warmup_fraction, "at least 0 and below 1", holds=0 <= warmup_fraction < 1)
    return min(round(warmup_fraction * length.total_steps), length.total_steps - 1)
