"""What every schedule of the table keeps."""

from __future__ import annotations

import inspect
import io
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.errors import ConfigError
from raytrain.optim.build import OPTIMIZERS, SCHEDULES, create_optimizer, create_schedule, create_scheduler
from raytrain.optim.schedule import RunLength, Schedule

PEAK = 0.1
EPOCHS, STEPS_PER_EPOCH = 12, 5
LENGTH = RunLength(steps_per_epoch=STEPS_PER_EPOCH, epochs=EPOCHS)
LOSSES = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0, 2.0, 2.0, 2.0, 0.5, 0.6, 0.7]

pytestmark = pytest.mark.parametrize("name", sorted(SCHEDULES))


def two_groups() -> Optimizer:
    weights, biases = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    groups: list[dict[str, Any]] = [{"params": [weights]}, {"params": [biases], "lr": PEAK / 2}]
    return torch.optim.SGD(groups, lr=PEAK)


def create(name: str, *, length: RunLength = LENGTH) -> tuple[Optimizer, Schedule]:
    optimizer = two_groups()
    return optimizer, create_schedule(name, optimizer, length=length)


def run(
    optimizer: Optimizer, schedule: Schedule, epochs: int, *, first: int = 0, steps_per_epoch: int = STEPS_PER_EPOCH
) -> list[list[float]]:
    """Return the learning rates of each optimizer step of the next epochs, per group, as the engine has them."""
    rates = []
    for epoch in range(first, first + epochs):
        for _ in range(steps_per_epoch):
            rates.append([float(group["lr"]) for group in optimizer.param_groups])
            optimizer.step()
            schedule.after_step()
        schedule.after_epoch({"val/loss": LOSSES[epoch % EPOCHS]})
    return rates


def test_every_setting_is_keyword_only_annotated_and_has_a_default(name: str) -> None:
    parameters = list(inspect.signature(SCHEDULES[name]).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["optimizer", "length"]
    for parameter in parameters[2:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty


def test_the_description_states_the_unit_and_explains_every_setting(name: str) -> None:
    text = inspect.getdoc(SCHEDULES[name])
    assert text is not None
    _, schedule = create(name)
    assert text.splitlines()[0].endswith(f"; per {schedule.unit}.")
    for setting in inspect.signature(SCHEDULES[name]).parameters:
        assert f"\n    {setting}: " in text


@pytest.mark.parametrize(("epochs", "steps"), [(1, 4), (2, 2), (3, 7), (EPOCHS, STEPS_PER_EPOCH), (100, 1)])
def test_every_step_moves_and_none_exceeds_the_peak(name: str, epochs: int, steps: int) -> None:
    optimizer, schedule = create(name, length=RunLength(steps_per_epoch=steps, epochs=epochs))
    rates = [first for first, _ in run(optimizer, schedule, epochs, steps_per_epoch=steps)]
    assert all(0 < rate <= PEAK for rate in rates)
    assert max(rates) == pytest.approx(PEAK, rel=1e-12 if name != "onecycle" else 0.3)  # its peak may lie between steps


def test_a_run_of_one_step_has_a_schedule_or_says_why_not(name: str) -> None:
    length = RunLength(steps_per_epoch=1, epochs=1)
    if name == "onecycle":
        with pytest.raises(ConfigError, match="leaves none to rise"):
            create(name, length=length)
    else:
        optimizer, schedule = create(name, length=length)
        assert run(optimizer, schedule, 1, steps_per_epoch=1) == [[PEAK, PEAK / 2]]


def test_groups_keep_their_ratio(name: str) -> None:
    for first, second in run(*create(name), EPOCHS):
        assert second == pytest.approx(first / 2, rel=1e-12)


def test_does_not_rise_past_the_planned_end(name: str) -> None:
    rates = [first for first, _ in run(*create(name), 3 * EPOCHS)]
    after = rates[EPOCHS * STEPS_PER_EPOCH :]
    if name == "cosine_restarts":  # begins again for as long as it is stepped, as its name says
        assert max(after) == PEAK
        return
    assert after[0] <= rates[EPOCHS * STEPS_PER_EPOCH - 1]
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize("done", [0, 1, 4, 11, 12])
def test_a_resumed_run_has_exactly_the_same_rates(name: str, done: int) -> None:
    whole = run(*create(name), EPOCHS + 3)
    optimizer, schedule = create(name)
    run(optimizer, schedule, done)
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)

    optimizer, schedule = create(name)
    optimizer.load_state_dict(saved["optimizer"])
    schedule.load_state_dict(saved["schedule"])
    assert run(optimizer, schedule, EPOCHS + 3 - done, first=done) == whole[done * STEPS_PER_EPOCH :]


@pytest.mark.parametrize("optimizer_name", sorted(OPTIMIZERS))
def test_goes_with_every_optimizer(name: str, optimizer_name: str) -> None:
    model = nn.Linear(2, 2)
    optimizer = create_optimizer(optimizer_name, model)
    before = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    schedule = create_schedule(name, optimizer, length=LENGTH)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    run(optimizer, schedule, 4)
    for group, settings in zip(optimizer.param_groups, before, strict=True):
        changed = {key for key, value in settings.items() if group[key] != value}
        assert changed <= {"lr"}  # what else the optimizer was set to is its own


def test_the_factory_of_plain_schedulers_makes_the_same(name: str) -> None:
    optimizer, schedule = create(name)
    other = two_groups()
    plain = create_scheduler(name, other, epochs=EPOCHS, steps_per_epoch=STEPS_PER_EPOCH)
    assert type(plain) is type(schedule.scheduler)
    assert run(other, Schedule(plain, schedule.unit, schedule.monitor), EPOCHS) == run(optimizer, schedule, EPOCHS)


def test_a_run_without_steps_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="at least 1 optimizer step, got 0"):
        create(name, length=RunLength(steps_per_epoch=5, epochs=0))
