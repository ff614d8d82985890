from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from raytrain.errors import ConfigError
from raytrain.optim import create_onecycle_scheduler, create_rmsprop_optimizer

Follow = Callable[..., list[list[float]]]
Make = Callable[..., Optimizer]


def anneal(start: float, end: float, share: float, strategy: str) -> float:
    if strategy == "linear":
        return start + (end - start) * share
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize(("total", "rise"), [(20, 0.3), (4, 0.3), (50, 0.5), (33, 0.9)])
def test_is_the_closed_form_and_holds_its_end(
    optimizer_of: Make, follow: Follow, total: int, rise: float, strategy: Literal["cos", "linear"]
) -> None:
    """With the peak at step `rise * total - 1`, as torch counts, and momentum the other way."""
    top, last = rise * total - 1, total - 1
    optimizer = optimizer_of()
    settings: dict[str, Any] = {"pct_start": rise, "anneal_strategy": strategy}
    scheduler = create_onecycle_scheduler(
        optimizer, [0.4, 0.2], total_steps=total, div_factor=10.0, final_div_factor=100.0, **settings
    )
    for step in range(total + 10):
        at = min(step, last)
        up = at <= top
        share = at / top if up else (at - top) / (last - top)
        factor = anneal(0.1, 1.0, share, strategy) if up else anneal(1.0, 0.001, share, strategy)
        momentum = anneal(0.95, 0.85, share, strategy) if up else anneal(0.85, 0.95, share, strategy)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.4 * factor, 0.2 * factor])
        assert [group["momentum"] for group in optimizer.param_groups] == pytest.approx([momentum] * 2)
        follow(scheduler, 1)


def test_torchs_own_raises_past_its_end(optimizer_of: Make, follow: Follow) -> None:
    """Why it is not used as it is; until there the two are equal."""
    theirs, ours = (
        OneCycleLR(optimizer_of(), 0.4, total_steps=12),
        create_onecycle_scheduler(optimizer_of(), 0.4, total_steps=12),
    )
    assert follow(ours, 12) == follow(theirs, 12)
    with pytest.raises(ValueError, match="Tried to step 13 times"):
        follow(theirs, 1)
    assert follow(ours, 5) == [[0.4 / 25 / 1e4] * 2] * 5


def test_leaves_momentum_alone_if_asked(optimizer_of: Make, follow: Follow) -> None:
    optimizer = optimizer_of()
    follow(create_onecycle_scheduler(optimizer, 0.4, total_steps=10, cycle_momentum=False), 10)
    assert [group["momentum"] for group in optimizer.param_groups] == [0.5, 0.5]


def test_does_not_switch_momentum_on() -> None:
    optimizer = create_rmsprop_optimizer([torch.zeros(1)])
    with pytest.raises(ConfigError, match=r"schedule.cycle_momentum needs an optimizer with momentum"):
        create_onecycle_scheduler(optimizer, 0.4, total_steps=10)
    create_onecycle_scheduler(optimizer, 0.4, total_steps=10, cycle_momentum=False)
    assert optimizer.param_groups[0]["momentum"] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_lr": 0.0}, "schedule.max_lr must be above 0, got 0"),
        ({"max_lr": [0.1, -1.0]}, r"schedule.max_lr must be above 0, got \[0.1, -1.0\]"),
        ({"pct_start": 1.0}, "schedule.pct_start must be above 0 and below 1, got 1"),
        ({"pct_start": 0.1}, "schedule.pct_start: 0.1 of 10 steps leaves none to rise"),
        ({"total_steps": 3}, "schedule.pct_start: 0.3 of 3 steps leaves none to rise"),
        ({"div_factor": 0.5}, "schedule.div_factor must be at least 1, got 0.5"),
        ({"final_div_factor": 0.0}, "schedule.final_div_factor must be at least 1, got 0"),
    ],
)
def test_impossible_values_are_refused(optimizer_of: Make, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_onecycle_scheduler(optimizer_of(), **({"max_lr": 0.4, "total_steps": 10} | settings))
