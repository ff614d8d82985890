"""The schedules of the Transformers: linear warm-up, then a decay; all count optimizer steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from raytrain.errors import ConfigError, nearest
from raytrain.optim.factors import cosine_factor, counted_from_one, linear_factor, noam_factor, warmup_factor
from raytrain.optim.rules import require
from raytrain.optim.warmup_cosine import check_final_fraction, check_warmup

__all__ = [
    "create_noam_schedule",
    "create_warmup_cosine_schedule",
    "create_warmup_linear_schedule",
    "get_scheduler",
]


def create_warmup_cosine_schedule(
    optimizer: Optimizer, *, num_warmup_steps: int, num_training_steps: int, final_fraction: float = 0.0
) -> LRScheduler:
    """Create linear warm-up, then half a cosine (Loshchilov & Hutter 2017); step it once per optimizer step.

    The curve is that of transformers' `get_cosine_schedule_with_warmup`: with warm-up the very first step has
    learning rate 0. Past the end it stays at its last value, where that one rises again.

    Args:
        optimizer: Its learning rates are the peaks.
        num_warmup_steps: Steps from 0 to the peak.
        num_training_steps: Steps of the run, warm-up included.
        final_fraction: Share of the peak that is left at the end.

    Raises:
        ConfigError: The warm-up is as long as the run, or a value is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = create_warmup_cosine_schedule(optimizer, num_warmup_steps=2, num_training_steps=6)
    >>> rates = []
    >>> for _ in range(8):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.0, 0.05, 0.1, 0.0854, 0.05, 0.0146, 0.0, 0.0]
    """
    check_warmup(num_warmup_steps, num_training_steps)
    check_final_fraction(final_fraction)
    factor = partial(
        cosine_factor,
        warmup_steps=num_warmup_steps,
        total_steps=num_training_steps,
        final_fraction=final_fraction,
    )
    return LambdaLR(optimizer, factor)


def create_warmup_linear_schedule(
    optimizer: Optimizer, *, num_warmup_steps: int, num_training_steps: int
) -> LRScheduler:
    """Create linear warm-up followed by a straight line to 0 (Devlin et al. 2019); step it once per optimizer step.

    The curve is that of transformers' `get_linear_schedule_with_warmup`: with warm-up the very first step has
    learning rate 0.

    Args:
        optimizer: Its learning rates are the peaks.
        num_warmup_steps: Steps from 0 to the peak.
        num_training_steps: Steps of the run, warm-up included.

    Raises:
        ConfigError: The warm-up is as long as the run.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = create_warmup_linear_schedule(optimizer, num_warmup_steps=2, num_training_steps=4)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates.append(optimizer.param_groups[0]["lr"])
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.0, 0.05, 0.1, 0.05, 0.0]
    """
    check_warmup(num_warmup_steps, num_training_steps)
    factor = partial(linear_factor, warmup_steps=num_warmup_steps, total_steps=num_training_steps)
    return LambdaLR(optimizer, factor)


def create_noam_schedule(optimizer: Optimizer, *, d_model: int, warmup_steps: int) -> LRScheduler:
    """Create the schedule of "Attention Is All You Need" (Vaswani et al. 2017, section 5.3), per optimizer step.

    The learning rate of step s, counted from 1, is the optimizer's own learning rate times
    `d_model^-0.5 min(s^-0.5, s warmup_steps^-1.5)`: create the optimizer with `lr=1` for the paper's values. (The
    schedule `noam` of a configuration divides by the peak instead, so there `optimizer.lr` is the peak, as always.)

    Args:
        optimizer: Its learning rates are the factors.
        d_model: Width of the model.
        warmup_steps: Steps up to the peak, at least 1.

    Raises:
        ConfigError: A value is below 1.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> schedule = create_noam_schedule(optimizer, d_model=64, warmup_steps=4)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 4))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.0156, 0.0312, 0.0469, 0.0625, 0.0559]
    """
    require("schedule.d_model", d_model, "at least 1", holds=d_model >= 1)
    require("schedule.warmup_steps", warmup_steps, "at least 1", holds=warmup_steps >= 1)
    peak = (d_model * warmup_steps) ** -0.5
    return LambdaLR(optimizer, counted_from_one(lambda step: peak * noam_factor(step, warmup_steps=warmup_steps)))


def get_scheduler(name: str, optimizer: Optimizer, *, num_warmup_steps: int, num_training_steps: int) -> LRScheduler:
    """Create one of the Transformers' schedules, each with linear warm-up; step it once per optimizer step.

    `cosine`, `linear` and `constant_with_warmup` are transformers' of these names (Wolf et al. 2020), `noam` is that of
    Vaswani et al. 2017 over its peak: the optimizer's learning rate is the peak of all four.

    Args:
        name: `constant_with_warmup`, `cosine`, `linear` or `noam`.
        optimizer: Its learning rates are the peaks.
        num_warmup_steps: Steps from 0 to the peak; at least 1 for `noam`.
        num_training_steps: Steps of the run, warm-up included.

    Raises:
        ConfigError: No schedule has this name, or the warm-up is as long as the run.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = get_scheduler("linear", optimizer, num_warmup_steps=2, num_training_steps=4)
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.05]
    """
    check_warmup(num_warmup_steps, num_training_steps)
    if name == "noam":
        require("schedule.warmup_steps", num_warmup_steps, "at least 1", holds=num_warmup_steps >= 1)
    factors: dict[str, Callable[[int], float]] = {
        "constant_with_warmup": partial(warmup_factor, warmup_steps=num_warmup_steps),
        "cosine": partial(
            cosine_factor, total_steps=num_training_steps, warmup_steps=num_warmup_steps, final_fraction=0.0
        ),
        "linear": partial(linear_factor, total_steps=num_training_steps, warmup_steps=num_warmup_steps),
        "noam": counted_from_one(partial(noam_factor, warmup_steps=num_warmup_steps)),
    }
    if name not in factors:
        raise ConfigError(f"there is no schedule {name!r}; {nearest(name, factors)}")
    return LambdaLR(optimizer, factors[name])
