"""The optimizers and learning-rate schedules by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import ParamsT

from raytrain.errors import ConfigError, nearest
from raytrain.optim import epoch_schedules, presets, step_schedules
from raytrain.optim.optimizer_config import ALGORITHMS
from raytrain.optim.schedule import RunLength, Schedule
from raytrain.optim.transformer_schedules import get_scheduler

__all__ = ["OPTIMIZERS", "SCHEDULES", "create_optimizer", "create_schedule", "create_scheduler", "get_scheduler"]

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    **ALGORITHMS,
    "default": presets.default,
    "fast_convergence": presets.fast_convergence,
    "sgd_baseline": presets.sgd_baseline,
    "strong_regularization": presets.strong_regularization,
}
"""Name -> function, called as `create(params, *, settings...)`."""

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": step_schedules.constant,
    "cosine": epoch_schedules.cosine,
    "cosine_restarts": epoch_schedules.cosine_restarts,
    "exponential": epoch_schedules.exponential,
    "noam": step_schedules.noam,
    "onecycle": step_schedules.onecycle,
    "plateau": epoch_schedules.plateau,
    "polynomial": epoch_schedules.polynomial,
    "step": epoch_schedules.step,
    "warmup": epoch_schedules.warmup,
    "warmup_cosine": step_schedules.warmup_cosine,
    "warmup_linear": step_schedules.warmup_linear,
}
"""Name -> function, called as `create(optimizer, length, *, settings...)`."""


def create_optimizer(
    name: str,
    params: nn.Module | ParamsT,
    *,
    lr: float | None = None,
    weight_decay: float | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Optimizer:
    """Create the optimizer or preset `name`.

    Args:
        name: One of `OPTIMIZERS`.
        params: A model, whose norms and biases are not decayed; or parameters or groups as torch takes them, used as
            they are.
        lr: Learning rate, the peak of the schedule; the optimizer's default when absent.
        weight_decay: Weight decay; the optimizer's default when absent.
        settings: The optimizer's settings by name, `lr` and `weight_decay` among them where not given above.

    Raises:
        ConfigError: No optimizer has this name, a setting is impossible or given twice, or nothing is optimised.

    >>> optimizer = create_optimizer("adamw", nn.Linear(4, 3).parameters(), lr=1e-3, weight_decay=1e-4)
    >>> type(optimizer).__name__, optimizer.param_groups[0]["betas"]
    ('AdamW', (0.9, 0.999))
    """
    if name not in OPTIMIZERS:
        raise ConfigError(f"optimizer.name: there is no optimizer {name!r}; {nearest(name, OPTIMIZERS)}")
    named = {key: value for key, value in (("lr", lr), ("weight_decay", weight_decay)) if value is not None}
    others = dict(settings or {})
    if twice := sorted(named.keys() & others):
        raise ConfigError(f"optimizer.{twice[0]} is given twice: as an argument and in settings")
    return OPTIMIZERS[name](params, **named, **others)


def create_schedule(
    name: str, optimizer: Optimizer, *, length: RunLength, settings: Mapping[str, Any] | None = None
) -> Schedule:
    """Create the schedule `name`, with its unit, for a run of the given length.

    To resume, create optimizer and schedule as before, then load both states.

    Args:
        name: One of `SCHEDULES`.
        optimizer: Its learning rates are the peaks.
        length: Length of the run.
        settings: The schedule's settings by name.

    Raises:
        ConfigError: No schedule has this name, or a setting is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = create_schedule("cosine", optimizer, length=RunLength(steps_per_epoch=50, epochs=20))
    >>> schedule.unit, schedule.scheduler.T_max
    ('epoch', 20)
    """
    if name not in SCHEDULES:
        raise ConfigError(f"schedule.name: there is no schedule {name!r}; {nearest(name, SCHEDULES)}")
    if length.total_steps < 1:
        raise ConfigError(f"a schedule needs at least 1 optimizer step, got {length.total_steps}")
    return SCHEDULES[name](optimizer, length, **(settings or {}))


def create_scheduler(
    name: str,
    optimizer: Optimizer,
    *,
    epochs: int,
    steps_per_epoch: int = 1,
    settings: Mapping[str, Any] | None = None,
) -> LRScheduler:
    """Create the torch scheduler of the schedule `name`, for a loop of one's own.

    It is stepped once per epoch or once per optimizer step, as the description of `name` says; `plateau` with its
    metric.

    Args:
        name: One of `SCHEDULES`.
        optimizer: Its learning rates are the peaks.
        epochs: Epochs of the run.
        steps_per_epoch: Optimizer steps of each; matters to the schedules that count steps.
        settings: The schedule's settings by name.

    Raises:
        ConfigError: No schedule has this name, or a setting is impossible.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> scheduler = create_scheduler("step", optimizer, epochs=30, settings={"gamma": 0.5})
    >>> scheduler.step_size, scheduler.gamma
    (10, 0.5)
    """
    length = RunLength(steps_per_epoch=steps_per_epoch, epochs=epochs)
    return create_schedule(name, optimizer, length=length, settings=settings).scheduler
