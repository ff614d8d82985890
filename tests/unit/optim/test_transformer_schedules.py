"""Against transformers, the library whose names these schedules have."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import optimization

from raytrain.errors import ConfigError
from raytrain.optim import (
    WarmupCosineScheduler,
    create_noam_schedule,
    create_warmup_cosine_schedule,
    create_warmup_linear_schedule,
    get_scheduler,
)

Follow = Callable[..., list[list[float]]]
Make = Callable[..., Optimizer]
LENGTHS = pytest.mark.parametrize(("warmup", "total"), [(0, 1), (0, 50), (1, 50), (7, 50), (49, 50)])


def assert_equal(ours: list[list[float]], theirs: list[list[float]]) -> None:
    for mine, rates in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(rates, rel=1e-12, abs=1e-18)


@LENGTHS
@pytest.mark.parametrize("name", ["constant_with_warmup", "cosine", "linear"])
def test_equals_transformers_over_a_whole_run(
    optimizer_of: Make, follow: Follow, name: str, warmup: int, total: int
) -> None:
    lengths = {"num_warmup_steps": warmup, "num_training_steps": total}
    theirs = follow(optimization.get_scheduler(name, optimizer_of(), **lengths), total + 1)
    assert_equal(follow(get_scheduler(name, optimizer_of(), **lengths), total + 1), theirs)


@LENGTHS
def test_each_by_its_own_function_is_the_same(optimizer_of: Make, follow: Follow, warmup: int, total: int) -> None:
    lengths = {"num_warmup_steps": warmup, "num_training_steps": total}
    cosine = follow(get_scheduler("cosine", optimizer_of(), **lengths), total + 9)
    assert follow(create_warmup_cosine_schedule(optimizer_of(), **lengths), total + 9) == cosine
    stateful = WarmupCosineScheduler(optimizer_of(), warmup_steps=warmup, total_steps=total)
    assert follow(stateful, total + 9) == cosine
    linear = follow(get_scheduler("linear", optimizer_of(), **lengths), total + 9)
    assert follow(create_warmup_linear_schedule(optimizer_of(), **lengths), total + 9) == linear
    assert cosine[total:] == linear[total:] == [[0.0, 0.0]] * 9


def test_a_final_fraction_equals_transformers_least_rate(optimizer_of: Make, follow: Follow) -> None:
    theirs = follow(
        optimization.get_cosine_with_min_lr_schedule_with_warmup(
            optimizer_of(), num_warmup_steps=5, num_training_steps=40, min_lr_rate=0.1
        ),
        41,
    )
    ours = create_warmup_cosine_schedule(optimizer_of(), num_warmup_steps=5, num_training_steps=40, final_fraction=0.1)
    assert_equal(follow(ours, 41), theirs)
    stateful = WarmupCosineScheduler(optimizer_of(), warmup_steps=5, total_steps=40, final_fraction=0.1)
    assert_equal(follow(stateful, 41), theirs)


@pytest.mark.parametrize("warmup", [1, 10])
def test_noam_over_its_peak_is_transformers_inverse_square_root_one_step_on(
    optimizer_of: Make, follow: Follow, warmup: int
) -> None:
    theirs = follow(optimization.get_inverse_sqrt_schedule(optimizer_of(), num_warmup_steps=warmup), 101)
    ours = get_scheduler("noam", optimizer_of(), num_warmup_steps=warmup, num_training_steps=100)
    assert_equal(follow(ours, 100), theirs[1:])


@pytest.mark.parametrize(("width", "warmup"), [(512, 40), (64, 1)])
def test_noam_is_the_papers_formula(optimizer_of: Make, follow: Follow, width: int, warmup: int) -> None:
    actual = follow(create_noam_schedule(optimizer_of(2.0), d_model=width, warmup_steps=warmup), 200)
    for step, rates in enumerate(actual, start=1):
        paper = width**-0.5 * min(step**-0.5, step * warmup**-1.5)
        assert rates == pytest.approx([2.0 * paper, paper], rel=1e-12)
    assert max(actual) == actual[warmup - 1]
    assert actual[warmup - 1][1] == pytest.approx(1 / math.sqrt(width * warmup))


@pytest.mark.parametrize("name", ["cosine", "linear", "constant_with_warmup", "noam"])
@pytest.mark.parametrize("done", [0, 1, 20, 50])
def test_a_resumed_run_has_exactly_the_same_rates(optimizer_of: Make, follow: Follow, name: str, done: int) -> None:
    def make() -> LRScheduler:
        return get_scheduler(name, optimizer_of(), num_warmup_steps=10, num_training_steps=50)

    whole = follow(make(), 60)
    scheduler = make()
    follow(scheduler, done)
    resumed = make()
    resumed.optimizer.load_state_dict(saved(scheduler.optimizer.state_dict()))
    resumed.load_state_dict(saved(scheduler.state_dict()))
    assert follow(resumed, 60 - done) == whole[done:]


def saved(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def test_the_stateful_class_goes_on_with_the_lengths_it_was_started_with(optimizer_of: Make, follow: Follow) -> None:
    started = WarmupCosineScheduler(optimizer_of(), warmup_steps=10, total_steps=50, final_fraction=0.2)
    whole = follow(WarmupCosineScheduler(optimizer_of(), warmup_steps=10, total_steps=50, final_fraction=0.2), 60)
    follow(started, 20)
    other = WarmupCosineScheduler(optimizer_of(), warmup_steps=1, total_steps=1000)
    other.optimizer.load_state_dict(saved(started.optimizer.state_dict()))
    other.load_state_dict(saved(started.state_dict()))
    assert follow(other, 40) == whole[20:]


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (
            create_warmup_cosine_schedule,
            {"num_warmup_steps": 10, "num_training_steps": 10},
            "schedule.warmup_steps must be at least 0 and below the run's 10 steps, got 10",
        ),
        (
            create_warmup_cosine_schedule,
            {"num_warmup_steps": 1, "num_training_steps": 10, "final_fraction": 1.5},
            "schedule.final_fraction must be between 0 and 1, got 1.5",
        ),
        (create_warmup_linear_schedule, {"num_warmup_steps": -1, "num_training_steps": 10}, "schedule.warmup_steps"),
        (WarmupCosineScheduler, {"warmup_steps": 5, "total_steps": 4}, "schedule.warmup_steps"),
        (WarmupCosineScheduler, {"warmup_steps": 1, "total_steps": 4, "final_fraction": -1.0}, "final_fraction"),
        (create_noam_schedule, {"d_model": 0, "warmup_steps": 4}, "schedule.d_model must be at least 1, got 0"),
        (create_noam_schedule, {"d_model": 8, "warmup_steps": 0}, "schedule.warmup_steps must be at least 1, got 0"),
    ],
)
def test_impossible_values_are_refused(
    optimizer_of: Make, make: Callable[..., LRScheduler], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(optimizer_of(), **settings)


@pytest.mark.parametrize(
    ("name", "warmup", "message"),
    [
        ("cosin", 1, r"there is no schedule 'cosin'; did you mean 'cosine'\?"),
        ("noam", 0, "schedule.warmup_steps must be at least 1, got 0"),
        ("linear", 10, "schedule.warmup_steps"),
    ],
)
def test_get_scheduler_refuses(optimizer_of: Make, name: str, warmup: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get_scheduler(name, optimizer_of(), num_warmup_steps=warmup, num_training_steps=10)
