from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch.optim import Optimizer

from raytrain.errors import ConfigError
from raytrain.optim import create_cosine_warmrestarts_scheduler


@pytest.mark.parametrize(("first", "factor"), [(1, 1), (5, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_is_the_closed_form_cycle_by_cycle(
    optimizer_of: Callable[..., Optimizer],
    follow: Callable[..., list[list[float]]],
    first: int,
    factor: int,
    floor: float,
) -> None:
    expected = []
    for length in (first * factor**cycle for cycle in range(4)):
        for step in range(length):
            share = (1 + math.cos(math.pi * step / length)) / 2
            expected.append([floor + (top - floor) * share for top in (0.3, 0.15)])
    scheduler = create_cosine_warmrestarts_scheduler(optimizer_of(0.3), first, T_mult=factor, eta_min=floor)
    actual = follow(scheduler, len(expected) + 1)
    for rates, wanted in zip(actual, [*expected, [0.3, 0.15]], strict=True):
        assert rates == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"T_0": 0}, "schedule.T_0 must be at least 1, got 0"),
        ({"T_0": 2, "T_mult": 0}, "schedule.T_mult must be at least 1, got 0"),
        ({"T_0": 2, "eta_min": 1.0}, "schedule.eta_min"),
    ],
)
def test_impossible_values_are_refused(
    optimizer_of: Callable[..., Optimizer], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        create_cosine_warmrestarts_scheduler(optimizer_of(), **settings)
