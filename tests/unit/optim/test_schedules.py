from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler

from raytrain.errors import ConfigError
from raytrain.optim.build import create_schedule

PEAK = 0.3


def sgd() -> Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=PEAK)


def rates(optimizer: Optimizer, schedule: LRScheduler, steps: int) -> list[float]:
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def warmup_cosine_rates(total_steps: int, steps: int, settings: dict[str, Any]) -> list[float]:
    optimizer = sgd()
    schedule = create_schedule("warmup_cosine", optimizer, total_steps=total_steps, settings=settings)
    return rates(optimizer, schedule, steps)


@pytest.mark.parametrize("total_steps", [1, 2, 7, 100])
@pytest.mark.parametrize("warmup_fraction", [0.0, 0.05, 0.5, 0.95])
def test_warmup_cosine_is_the_closed_form_over_a_whole_run(total_steps: int, warmup_fraction: float) -> None:
    final = 0.1
    warmup = min(round(warmup_fraction * total_steps), total_steps - 1)
    expected = [PEAK * (step + 1) / (warmup + 1) for step in range(warmup)]
    for step in range(warmup, total_steps + 1):
        angle = math.pi * (step - warmup) / (total_steps - warmup)
        expected.append(PEAK * (final + (1 - final) * math.cos(angle / 2) ** 2))
    settings = {"warmup_fraction": warmup_fraction, "final_fraction": final}
    actual = warmup_cosine_rates(total_steps, total_steps + 1, settings)
    assert actual == pytest.approx(expected, rel=1e-12)


def test_warmup_cosine_equals_torchs_linear_and_cosine_schedules() -> None:
    total, warmup = 60, 12
    actual = warmup_cosine_rates(total, total, {"warmup_fraction": 0.2, "final_fraction": 0.05})
    optimizer = sgd()
    rising = rates(optimizer, LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup), warmup)
    optimizer = sgd()
    falling = CosineAnnealingLR(optimizer, T_max=total - warmup, eta_min=0.05 * PEAK)
    assert actual == pytest.approx(rising + rates(optimizer, falling, total - warmup), rel=1e-9)


def test_warmup_cosine_defaults() -> None:
    actual = warmup_cosine_rates(100, 101, {})
    assert actual[:6] == pytest.approx([PEAK * k / 6 for k in (1, 2, 3, 4, 5, 6)])
    assert actual[100] == pytest.approx(0.01 * PEAK)


def test_constant_is_constant() -> None:
    optimizer = sgd()
    schedule = create_schedule("constant", optimizer, total_steps=10, settings={})
    assert rates(optimizer, schedule, 15) == [PEAK] * 15


def test_constant_warms_up_if_asked() -> None:
    optimizer = sgd()
    schedule = create_schedule("constant", optimizer, total_steps=10, settings={"warmup_fraction": 0.3})
    assert rates(optimizer, schedule, 6) == pytest.approx([PEAK * k / 4 for k in (1, 2, 3, 4, 4, 4)])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "constant",
            {"warmup_fraction": 1.0},
            "warmup_fraction must be at least 0 and below 1, got 1",
        ),
        ("warmup_cosine", {"warmup_fraction": -0.1}, "schedule.warmup_fraction"),
        (
            "warmup_cosine",
            {"final_fraction": 1.5},
            "final_fraction must be between 0 and 1, got 1.5",
        ),
        ("cosine_warmup", {}, "schedule.name: there is no schedule 'cosine_warmup'; .*'?warmup_cosine"),
    ],
)
def test_impossible_values_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_schedule(name, sgd(), total_steps=10, settings=settings)
