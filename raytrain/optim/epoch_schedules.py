"""The schedules that count epochs, as a configuration names them.

Lengths that are left out follow from that of the run. An impossible value raises `ConfigError`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from torch.optim import Optimizer

from raytrain.errors import ConfigError, nearest
from raytrain.optim.cosine import create_cosine_scheduler
from raytrain.optim.exponential import create_exponential_scheduler
from raytrain.optim.plateau import create_plateau_scheduler
from raytrain.optim.polynomial import PolynomialLRScheduler
from raytrain.optim.rules import require
from raytrain.optim.schedule import RunLength, Schedule
from raytrain.optim.step_decay import create_step_scheduler
from raytrain.optim.warm_restarts import create_cosine_warmrestarts_scheduler
from raytrain.optim.warmup import WarmupScheduler

__all__ = ["cosine", "cosine_restarts", "exponential", "plateau", "polynomial", "step", "warmup"]

_CYCLES = 3


def cosine(
    optimizer: Optimizer,
    length: RunLength,
    *,
    T_max: int | None = None,  # noqa: N803 - torch's and the paper's name
    eta_min: float = 0.0,
) -> Schedule:
    """Cosine annealing to a floor, and no rise after it (Loshchilov & Hutter 2017); per epoch.

    Args:
        optimizer: Its learning rate is the start.
        length: Length of the run.
        T_max: Epochs to the floor; all of the run when absent.
        eta_min: The floor, a learning rate.
    """
    epochs = length.epochs if T_max is None else T_max
    return Schedule(create_cosine_scheduler(optimizer, T_max=epochs, eta_min=eta_min), "epoch")


def cosine_restarts(
    optimizer: Optimizer,
    length: RunLength,
    *,
    T_0: int | None = None,  # noqa: N803 - torch's and the paper's name
    T_mult: int = 2,  # noqa: N803 - torch's and the paper's name
    eta_min: float = 0.0,
) -> Schedule:
    """Cosine annealing with warm restarts (Loshchilov & Hutter 2017); per epoch.

    Args:
        optimizer: Its learning rate is the top of each cycle.
        length: Length of the run.
        T_0: Epochs of the first cycle; when absent, so many that the run ends with the third.
        T_mult: Length of each cycle over that of the one before.
        eta_min: The floor, a learning rate.
    """
    first = math.ceil(length.epochs / sum(T_mult**cycle for cycle in range(_CYCLES))) if T_0 is None else T_0
    scheduler = create_cosine_warmrestarts_scheduler(optimizer, T_0=first, T_mult=T_mult, eta_min=eta_min)
    return Schedule(scheduler, "epoch")


def step(optimizer: Optimizer, length: RunLength, *, step_size: int | None = None, gamma: float = 0.1) -> Schedule:
    """Decay in stairs (He et al. 2016); per epoch.

    Args:
        optimizer: Its learning rate is the start.
        length: Length of the run.
        step_size: Epochs of each stair; a third of the run when absent.
        gamma: Each stair over the one before, above 0 and at most 1.
    """
    epochs = math.ceil(length.epochs / 3) if step_size is None else step_size
    return Schedule(create_step_scheduler(optimizer, step_size=epochs, gamma=gamma), "epoch")


def exponential(optimizer: Optimizer, length: RunLength, *, gamma: float | None = None) -> Schedule:
    """Exponential decay; per epoch.

    Args:
        optimizer: Its learning rate is the start.
        length: Length of the run.
        gamma: Each epoch's learning rate over the one before; when absent, so that a hundredth is left at the end.
    """
    factor = 0.01 ** (1 / length.epochs) if gamma is None else gamma
    return Schedule(create_exponential_scheduler(optimizer, gamma=factor), "epoch")


def plateau(
    optimizer: Optimizer,
    length: RunLength,
    *,
    monitor: str = "val/loss",
    mode: Literal["min", "max"] = "min",
    factor: float = 0.1,
    patience: int | None = None,
    threshold: float = 1e-4,
    cooldown: int = 0,
    min_lr: float = 0.0,
) -> Schedule:
    """Decay when a metric stops improving; per epoch.

    Args:
        optimizer: Its learning rate is the start.
        length: Length of the run.
        monitor: Key of the metric, as the run reports it.
        mode: Whether the metric should fall or rise.
        factor: Each learning rate over the one before.
        patience: Epochs without improvement that are forgiven; a tenth of the run when absent.
        threshold: Relative improvement that counts.
        cooldown: Epochs after a reduction in which nothing is counted.
        min_lr: The floor, a learning rate.
    """
    scheduler = create_plateau_scheduler(
        optimizer,
        mode=mode,
        factor=factor,
        patience=max(1, length.epochs // 10) if patience is None else patience,
        threshold=threshold,
        cooldown=cooldown,
        min_lr=min_lr,
    )
    return Schedule(scheduler, "epoch", monitor)


def polynomial(optimizer: Optimizer, length: RunLength, *, power: float = 0.9, eta_min: float = 0.0) -> Schedule:
    """Polynomial decay over the run (Chen et al. 2018); per epoch.

    Args:
        optimizer: Its learning rate is the start.
        length: Length of the run.
        power: Exponent; 1 is a straight line.
        eta_min: The floor, a learning rate.
    """
    scheduler = PolynomialLRScheduler(optimizer, total_iters=length.epochs, power=power, eta_min=eta_min)
    return Schedule(scheduler, "epoch")


def warmup(
    optimizer: Optimizer,
    length: RunLength,
    *,
    warmup_epochs: int | None = None,
    base: Literal["cosine", "cosine_restarts", "exponential", "plateau", "polynomial", "step"] = "plateau",
) -> Schedule:
    """Linear warm-up over the first epochs, then another schedule over the rest (Goyal et al. 2017); per epoch.

    Args:
        optimizer: Its learning rate is warmed up to.
        length: Length of the run.
        warmup_epochs: Epochs below that learning rate; a tenth of the run when absent.
        base: What comes after, with its own defaults.
    """
    if base not in _BASES:
        raise ConfigError(f"schedule.base: there is no base {base!r}; {nearest(base, _BASES)}")
    epochs = length.epochs // 10 if warmup_epochs is None else warmup_epochs
    rule = f"at least 0 and below the run's {length.epochs}"
    require("schedule.warmup_epochs", epochs, rule, holds=0 <= epochs < length.epochs)
    after = _BASES[base](optimizer, replace(length, epochs=length.epochs - epochs))
    return replace(after, scheduler=WarmupScheduler(optimizer, epochs, after.scheduler))


_BASES: dict[str, Callable[[Optimizer, RunLength], Schedule]] = {
    "cosine": cosine,
    "cosine_restarts": cosine_restarts,
    "exponential": exponential,
    "plateau": plateau,
    "polynomial": polynomial,
    "step": step,
}
