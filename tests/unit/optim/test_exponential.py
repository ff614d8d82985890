from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from torch.optim import Optimizer

from raytrain.errors import ConfigError
from raytrain.optim import create_exponential_scheduler


@pytest.mark.parametrize("gamma", [0.5, 0.95, 1.0])
def test_is_the_closed_form_over_a_whole_run(
    optimizer_of: Callable[..., Optimizer], follow: Callable[..., list[list[float]]], gamma: float
) -> None:
    actual = follow(create_exponential_scheduler(optimizer_of(0.3), gamma), 100)
    for step, rates in enumerate(actual):
        assert rates == pytest.approx([0.3 * gamma**step, 0.15 * gamma**step], rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 1.01, math.nan])
def test_an_impossible_gamma_is_refused(optimizer_of: Callable[..., Optimizer], gamma: float) -> None:
    with pytest.raises(ConfigError, match=f"schedule.gamma must be above 0 and at most 1, got {gamma:g}"):
        create_exponential_scheduler(optimizer_of(), gamma)
