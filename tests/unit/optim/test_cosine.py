from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from raytrain.errors import ConfigError
from raytrain.optim import create_cosine_scheduler

Follow = Callable[..., list[list[float]]]
Make = Callable[..., Optimizer]


@pytest.mark.parametrize("length", [1, 2, 7, 100])
@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_is_the_closed_form_and_holds_its_floor(optimizer_of: Make, follow: Follow, length: int, floor: float) -> None:
    actual = follow(create_cosine_scheduler(optimizer_of(0.3), length, eta_min=floor), 3 * length)
    for step, rates in enumerate(actual):
        share = (1 + math.cos(math.pi * min(step, length) / length)) / 2
        assert rates == pytest.approx([floor + (start - floor) * share for start in (0.3, 0.15)], rel=1e-9, abs=1e-15)
    assert actual[length:] == [[floor, floor]] * (2 * length)


def test_torchs_own_would_rise_again(optimizer_of: Make, follow: Follow) -> None:
    """Why it is not used as it is."""
    theirs = follow(CosineAnnealingLR(optimizer_of(0.3), T_max=10), 21)
    ours = follow(create_cosine_scheduler(optimizer_of(0.3), T_max=10), 21)
    assert ours[:11] == theirs[:11]
    assert theirs[20] == pytest.approx([0.3, 0.15])
    assert ours[20] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("length", "settings", "message"),
    [
        (0, {}, "schedule.T_max must be at least 1, got 0"),
        (5, {"eta_min": -1e-3}, "schedule.eta_min must be at least 0 and at most the learning rate 0.15, got -0.001"),
        (5, {"eta_min": 0.2}, "schedule.eta_min"),
        (5, {"eta_min": math.nan}, "schedule.eta_min"),
    ],
)
def test_impossible_values_are_refused(optimizer_of: Make, length: int, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_cosine_scheduler(optimizer_of(0.3), length, **settings)
