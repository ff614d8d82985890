from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch.optim import Optimizer

from raytrain.errors import ConfigError
from raytrain.optim import create_step_scheduler


@pytest.mark.parametrize("size", [1, 3, 10])
@pytest.mark.parametrize("gamma", [0.1, 0.7, 1.0])
def test_is_the_closed_form_over_a_whole_run(
    optimizer_of: Callable[..., Optimizer], follow: Callable[..., list[list[float]]], size: int, gamma: float
) -> None:
    actual = follow(create_step_scheduler(optimizer_of(0.3), size, gamma=gamma), 35)
    for step, rates in enumerate(actual):
        assert rates == pytest.approx([start * gamma ** (step // size) for start in (0.3, 0.15)], rel=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step_size": 0}, "schedule.step_size must be at least 1, got 0"),
        ({"step_size": 2, "gamma": 0.0}, "schedule.gamma must be above 0 and at most 1, got 0"),
        ({"step_size": 2, "gamma": 1.1}, "schedule.gamma"),
    ],
)
def test_impossible_values_are_refused(
    optimizer_of: Callable[..., Optimizer], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        create_step_scheduler(optimizer_of(), **settings)
