"""The schedules of a configuration that count epochs: what they hand on, and what follows from the run's length."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from raytrain.errors import ConfigError
from raytrain.optim import RunLength, Schedule, WarmupScheduler, create_plateau_scheduler, create_schedule

Make = Callable[..., Optimizer]
EPOCHS = 21
PEAK = 0.3


def create(
    optimizer: Optimizer, name: str, *, epochs: int = EPOCHS, settings: dict[str, Any] | None = None
) -> Schedule:
    return create_schedule(name, optimizer, length=RunLength(steps_per_epoch=7, epochs=epochs), settings=settings)


def cosine(epoch: int, length: int) -> float:
    return (1 + math.cos(math.pi * epoch / length)) / 2


@pytest.mark.parametrize(
    ("name", "settings", "factor"),
    [
        ("cosine", {}, lambda epoch: cosine(epoch, EPOCHS)),
        ("cosine", {"T_max": 10}, lambda epoch: cosine(min(epoch, 10), 10)),
        ("cosine", {"eta_min": 0.1}, lambda epoch: (1 + 2 * cosine(epoch, EPOCHS)) / 3),
        ("cosine_restarts", {}, lambda epoch: cosine(*next_cycle(epoch, [3, 6, 12]))),
        ("cosine_restarts", {"T_mult": 1}, lambda epoch: cosine(epoch % 7, 7)),
        ("cosine_restarts", {"T_0": 4, "T_mult": 1}, lambda epoch: cosine(epoch % 4, 4)),
        ("cosine_restarts", {"eta_min": 0.1}, lambda epoch: (1 + 2 * cosine(*next_cycle(epoch, [3, 6, 12]))) / 3),
        ("exponential", {}, lambda epoch: 0.01 ** (epoch / EPOCHS)),
        ("exponential", {"gamma": 0.9}, lambda epoch: 0.9**epoch),
        ("step", {}, lambda epoch: 0.1 ** (epoch // 7)),
        ("step", {"step_size": 4, "gamma": 0.5}, lambda epoch: 0.5 ** (epoch // 4)),
        ("polynomial", {}, lambda epoch: (1 - epoch / EPOCHS) ** 0.9),
        ("polynomial", {"power": 2.0, "eta_min": 0.1}, lambda epoch: (1 + 2 * (1 - epoch / EPOCHS) ** 2) / 3),
    ],
)
def test_is_the_closed_form_over_a_whole_run(
    optimizer_of: Make,
    follow: Callable[..., list[list[float]]],
    name: str,
    settings: dict[str, Any],
    factor: Callable[[int], float],
) -> None:
    schedule = create(optimizer_of(PEAK), name, settings=settings)
    assert (schedule.unit, schedule.monitor) == ("epoch", None)
    actual = [first for first, _ in follow(schedule.scheduler, EPOCHS)]
    assert actual == pytest.approx([PEAK * factor(epoch) for epoch in range(EPOCHS)], rel=1e-9)


def next_cycle(epoch: int, lengths: list[int]) -> tuple[int, int]:
    """Return the epoch within its cycle, and the length of that."""
    for length in lengths:
        if epoch < length:
            return epoch, length
        epoch -= length
    raise AssertionError(epoch)


def test_plateau_watches_a_metric_with_a_patience_of_a_tenth_of_the_run(optimizer_of: Make) -> None:
    schedule = create(optimizer_of(), "plateau", epochs=30)
    scheduler = schedule.scheduler
    assert isinstance(scheduler, ReduceLROnPlateau)
    assert (schedule.unit, schedule.monitor) == ("epoch", "val/loss")
    assert (scheduler.mode, scheduler.factor, scheduler.patience, scheduler.cooldown) == ("min", 0.1, 3, 0)
    short = create(optimizer_of(), "plateau", epochs=1).scheduler
    assert isinstance(short, ReduceLROnPlateau)
    assert short.patience == 1


def test_plateau_hands_its_settings_on(optimizer_of: Make) -> None:
    settings: dict[str, Any] = {
        "mode": "max",
        "factor": 0.5,
        "patience": 0,
        "threshold": 0.1,
        "cooldown": 2,
        "min_lr": 1e-3,
    }
    schedule = create(optimizer_of(), "plateau", settings={"monitor": "val/macro_f1", **settings})
    assert schedule.monitor == "val/macro_f1"
    expected = create_plateau_scheduler(optimizer_of(), **settings).state_dict()
    assert schedule.scheduler.state_dict() == expected


@pytest.mark.parametrize("base", ["cosine", "cosine_restarts", "exponential", "plateau", "polynomial", "step"])
@pytest.mark.parametrize("settings", [{}, {"warmup_epochs": 5}])
def test_warmup_leaves_its_base_the_rest_of_the_run(
    optimizer_of: Make, follow: Callable[..., list[list[float]]], base: str, settings: dict[str, int]
) -> None:
    warmup = settings.get("warmup_epochs", 2)
    schedule = create(optimizer_of(PEAK), "warmup", settings={"base": base, **settings})
    after = create(optimizer_of(PEAK), base, epochs=EPOCHS - warmup)
    assert (schedule.unit, schedule.monitor) == ("epoch", after.monitor)
    assert isinstance(schedule.scheduler, WarmupScheduler)
    metrics = None if after.monitor is None else [1.0] * EPOCHS
    expected = [[PEAK * k / (warmup + 1), PEAK / 2 * k / (warmup + 1)] for k in range(1, warmup + 1)]
    actual = follow(schedule.scheduler, EPOCHS, metrics)
    assert actual[:warmup] == [pytest.approx(rates) for rates in expected]
    assert actual[warmup:] == follow(after.scheduler, EPOCHS - warmup, metrics)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cosine", {"T_max": 0}, "schedule.T_max must be at least 1, got 0"),
        ("cosine_restarts", {"T_mult": 0}, "schedule.T_mult must be at least 1, got 0"),
        ("step", {"step_size": 0}, "schedule.step_size must be at least 1, got 0"),
        ("warmup", {"warmup_epochs": EPOCHS}, "schedule.warmup_epochs must be at least 0 and below the run's 21, got"),
        ("warmup", {"warmup_epochs": -1}, "schedule.warmup_epochs"),
        ("warmup", {"base": "cosines"}, r"schedule.base: there is no base 'cosines'; did you mean 'cosine'\?"),
    ],
)
def test_impossible_values_are_refused(optimizer_of: Make, name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create(optimizer_of(), name, settings=settings)
