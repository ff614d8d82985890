from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch.optim import Optimizer
from torch.optim.lr_scheduler import PolynomialLR

from raytrain.errors import ConfigError
from raytrain.optim import PolynomialLRScheduler


@pytest.mark.parametrize("length", [1, 5, 60])
@pytest.mark.parametrize("power", [0.9, 1.0, 2.0])
@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_is_the_closed_form_and_holds_its_floor(
    optimizer_of: Callable[..., Optimizer],
    follow: Callable[..., list[list[float]]],
    length: int,
    power: float,
    floor: float,
) -> None:
    actual = follow(PolynomialLRScheduler(optimizer_of(0.3), length, power=power, eta_min=floor), 2 * length + 1)
    for step, rates in enumerate(actual):
        left = max(0.0, 1 - step / length) ** power
        assert rates == pytest.approx([floor + (start - floor) * left for start in (0.3, 0.15)], rel=1e-12)
    assert actual[length:] == [[floor, floor]] * (length + 1)


def test_without_a_floor_equals_torchs(
    optimizer_of: Callable[..., Optimizer], follow: Callable[..., list[list[float]]]
) -> None:
    theirs = follow(PolynomialLR(optimizer_of(), total_iters=20, power=0.9), 30)
    for ours, rates in zip(follow(PolynomialLRScheduler(optimizer_of(), 20), 30), theirs, strict=True):
        assert ours == pytest.approx(rates, rel=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"total_iters": 0}, "schedule.total_iters must be at least 1, got 0"),
        ({"total_iters": 3, "power": 0.0}, "schedule.power must be above 0, got 0"),
        ({"total_iters": 3, "eta_min": 1.0}, "schedule.eta_min"),
    ],
)
def test_impossible_values_are_refused(
    optimizer_of: Callable[..., Optimizer], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        PolynomialLRScheduler(optimizer_of(), **settings)
