"""The schedules of a configuration that count optimizer steps: closed forms over a whole run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR

from raytrain.errors import ConfigError
from raytrain.optim import RunLength, create_onecycle_scheduler, create_schedule

Follow = Callable[..., list[list[float]]]
Make = Callable[..., Optimizer]
PEAK = 0.3


@pytest.fixture
def rates(optimizer_of: Make, follow: Follow) -> Callable[..., list[float]]:
    """Follow a schedule of the table; the rates of the first group, of which the second has half."""

    def rates_of(name: str, total_steps: int, steps: int, settings: dict[str, Any]) -> list[float]:
        length = RunLength(steps_per_epoch=total_steps, epochs=1)
        schedule = create_schedule(name, optimizer_of(PEAK), length=length, settings=settings)
        assert schedule.unit == "step"
        followed = follow(schedule.scheduler, steps)
        assert all(second == pytest.approx(first / 2) for first, second in followed)
        return [first for first, _ in followed]

    return rates_of


@pytest.mark.parametrize("total", [1, 2, 7, 100])
@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.5, 0.95])
def test_warmup_cosine(rates: Callable[..., list[float]], total: int, fraction: float) -> None:
    final = 0.1
    warmup = min(round(fraction * total), total - 1)
    expected = [PEAK * (step + 1) / (warmup + 1) for step in range(warmup)]
    for step in range(warmup, total + 1):
        angle = math.pi * (step - warmup) / (total - warmup)
        expected.append(PEAK * (final + (1 - final) * math.cos(angle / 2) ** 2))
    actual = rates("warmup_cosine", total, total + 1, {"warmup_fraction": fraction, "final_fraction": final})
    assert actual == pytest.approx(expected, rel=1e-12)


def test_warmup_cosine_equals_torchs_linear_and_cosine_schedules(
    rates: Callable[..., list[float]], optimizer_of: Make, follow: Follow
) -> None:
    total, warmup = 60, 12
    actual = rates("warmup_cosine", total, total, {"warmup_fraction": 0.2, "final_fraction": 0.0})
    rising = follow(LinearLR(optimizer_of(PEAK), 1 / (warmup + 1), total_iters=warmup), warmup)
    falling = follow(CosineAnnealingLR(optimizer_of(PEAK), T_max=total - warmup), total - warmup)
    assert actual == pytest.approx([first for first, _ in rising + falling], rel=1e-9)


@pytest.mark.parametrize("total", [1, 2, 7, 100])
@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.5, 0.95])
def test_warmup_linear(rates: Callable[..., list[float]], total: int, fraction: float) -> None:
    warmup = min(round(fraction * total), total - 1)
    expected = [PEAK * (step + 1) / (warmup + 1) for step in range(warmup)]
    expected += [PEAK * (total - step) / (total - warmup) for step in range(warmup, total + 1)]
    assert rates("warmup_linear", total, total + 1, {"warmup_fraction": fraction}) == pytest.approx(expected)


@pytest.mark.parametrize("total", [1, 2, 7, 100])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5])
def test_noam_has_the_shape_of_the_paper_and_the_peak_of_the_optimizer(
    rates: Callable[..., list[float]], total: int, fraction: float
) -> None:
    warmup = min(round(fraction * total), total - 1) + 1  # the step, from 1, that has the peak
    shape = [min(step**-0.5, step * warmup**-1.5) for step in range(1, total + 1)]
    actual = rates("noam", total, total, {"warmup_fraction": fraction})
    assert actual == pytest.approx([PEAK * value / shape[warmup - 1] for value in shape], rel=1e-12)
    assert max(actual) == actual[warmup - 1] == PEAK


def test_onecycle_rises_to_the_learning_rate_of_each_group(
    rates: Callable[..., list[float]], optimizer_of: Make, follow: Follow
) -> None:
    settings: dict[str, Any] = {"pct_start": 0.5, "div_factor": 10.0, "anneal_strategy": "linear"}
    expected = follow(create_onecycle_scheduler(optimizer_of(1.0), [PEAK, PEAK / 2], total_steps=20, **settings), 30)
    actual = rates("onecycle", 20, 30, settings)
    assert actual == [first for first, _ in expected]
    assert actual[9] == pytest.approx(PEAK)


def test_onecycle_leaves_momentum_to_the_optimizer_unless_asked(optimizer_of: Make) -> None:
    length = RunLength(steps_per_epoch=5, epochs=4)
    momenta = []
    for settings in ({}, {"cycle_momentum": True}):
        optimizer = optimizer_of()
        create_schedule("onecycle", optimizer, length=length, settings=settings)
        momenta.append(optimizer.param_groups[0]["momentum"])
    assert momenta == [0.5, 0.95]


def test_constant(rates: Callable[..., list[float]]) -> None:
    assert rates("constant", 10, 15, {}) == [PEAK] * 15
    expected = [PEAK * k / 4 for k in (1, 2, 3, 4, 4, 4)]
    assert rates("constant", 10, 6, {"warmup_fraction": 0.3}) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("warmup_cosine", [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1], 0.01),
        ("warmup_linear", [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1], 0.0),
        ("noam", [1 / 11, 2 / 11, 3 / 11], (11 / 101) ** 0.5),
        ("onecycle", [1 / 25], 1 / 25e4),
    ],
)
def test_defaults(rates: Callable[..., list[float]], name: str, first: list[float], last: float) -> None:
    actual = rates(name, 100, 101, {})
    assert actual[: len(first)] == pytest.approx([PEAK * share for share in first])
    assert actual[100] == pytest.approx(PEAK * last)


@pytest.mark.parametrize("name", ["constant", "noam", "warmup_cosine", "warmup_linear"])
@pytest.mark.parametrize("fraction", [-0.1, 1.0, math.nan])
def test_an_impossible_warmup_is_refused(rates: Callable[..., list[float]], name: str, fraction: float) -> None:
    message = f"schedule.warmup_fraction must be at least 0 and below 1, got {fraction:g}"
    with pytest.raises(ConfigError, match=message):
        rates(name, 10, 1, {"warmup_fraction": fraction})


def test_an_impossible_final_fraction_is_refused(rates: Callable[..., list[float]]) -> None:
    with pytest.raises(ConfigError, match=r"schedule.final_fraction must be between 0 and 1, got 1.5"):
        rates("warmup_cosine", 10, 1, {"final_fraction": 1.5})
