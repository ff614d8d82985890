"""The optimizers and learning-rate schedules by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from raytrain.errors import ConfigError, nearest
from raytrain.optim.optimizers import adamw, sgd
from raytrain.optim.schedule import RunLength, Schedule
from raytrain.optim.schedules import constant, warmup_cosine

__all__ = ["OPTIMIZERS", "SCHEDULES", "create_optimizer", "create_schedule"]

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adamw": adamw,
    "sgd": sgd,
}
"""Name -> function, called as `create(model, *, settings...)`."""

SCHEDULES: dict[str, Callable[..., LRScheduler]] = {
    "constant": constant,
    "warmup_cosine": warmup_cosine,
}
"""Name -> function, called as `create(optimizer, total_steps, *, settings...)`."""


def create_optimizer(name: str, model: nn.Module, *, settings: Mapping[str, Any]) -> Optimizer:
    """Create the optimizer `name` over the trainable parameters of `model`.

    Raises:
        ConfigError: No optimizer has this name, or a setting is impossible.
    """
    if name not in OPTIMIZERS:
        raise ConfigError(f"optimizer.name: there is no optimizer {name!r}; {nearest(name, OPTIMIZERS)}")
    return OPTIMIZERS[name](model, **settings)


def create_schedule(name: str, optimizer: Optimizer, *, length: RunLength, settings: Mapping[str, Any]) -> Schedule:
    """Create the schedule `name` for a run of the given length.

    To resume, create optimizer and schedule as before, then load both states.

    Raises:
        ConfigError: No schedule has this name, or a setting is impossible.
    """
    if name not in SCHEDULES:
        raise ConfigError(f"schedule.name: there is no schedule {name!r}; {nearest(name, SCHEDULES)}")
    if length.total_steps < 1:
        raise ConfigError(f"a schedule needs at least 1 optimizer step, got {length.total_steps}")
    return Schedule(SCHEDULES[name](optimizer, length.total_steps, **settings), "step")
