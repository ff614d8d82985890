"""What every schedule of the table keeps."""

from __future__ import annotations

import inspect
import io
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from raytrain.errors import ConfigError
from raytrain.optim.build import SCHEDULES, create_schedule

PEAK = 0.1
STEPS = 40

pytestmark = pytest.mark.parametrize("name", sorted(SCHEDULES))


def create(
    name: str, *, total_steps: int = STEPS, settings: dict[str, Any] | None = None
) -> tuple[Optimizer, LRScheduler]:
    weights, biases = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    groups: list[dict[str, Any]] = [{"params": [weights]}, {"params": [biases], "lr": PEAK / 2}]
    optimizer = torch.optim.SGD(groups, lr=PEAK)
    return optimizer, create_schedule(name, optimizer, total_steps=total_steps, settings=settings or {})


def run(optimizer: Optimizer, schedule: LRScheduler, steps: int) -> list[list[float]]:
    """Return the learning rates of each of the next steps, per group."""
    rates = []
    for _ in range(steps):
        rates.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return rates


def test_every_setting_is_keyword_only_annotated_and_has_a_default(name: str) -> None:
    parameters = list(inspect.signature(SCHEDULES[name]).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["optimizer", "total_steps"]
    for parameter in parameters[2:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty


@pytest.mark.parametrize("total_steps", [1, 2, 3, STEPS])
def test_every_step_moves_and_none_exceeds_the_peak(name: str, total_steps: int) -> None:
    rates = [first for first, _ in run(*create(name, total_steps=total_steps), total_steps)]
    assert all(0 < rate <= PEAK for rate in rates)
    assert max(rates) == PEAK


def test_groups_keep_their_ratio(name: str) -> None:
    for first, second in run(*create(name), STEPS):
        assert second == pytest.approx(first / 2, rel=1e-15)


def test_does_not_rise_past_the_planned_end(name: str) -> None:
    rates = [first for first, _ in run(*create(name), 3 * STEPS)]
    assert rates[STEPS:] == [rates[STEPS]] * (2 * STEPS)
    assert rates[STEPS] <= rates[STEPS - 1]


@pytest.mark.parametrize("done", [0, 1, 5, 20, 39, 45])
def test_a_resumed_run_has_exactly_the_same_rates(name: str, done: int) -> None:
    settings = {"warmup_fraction": 0.25}
    whole = run(*create(name, settings=settings), STEPS + 10)
    optimizer, schedule = create(name, settings=settings)
    run(optimizer, schedule, done)
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)

    optimizer, schedule = create(name, settings=settings)
    optimizer.load_state_dict(saved["optimizer"])
    schedule.load_state_dict(saved["schedule"])
    assert run(optimizer, schedule, STEPS + 10 - done) == whole[done:]


def test_a_run_without_steps_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="at least 1 optimizer step, got 0"):
        create(name, total_steps=0)
