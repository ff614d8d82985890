from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.engine.fit import Run
from raytrain.engine.rebase import rebase
from raytrain.engine.training import Training
from raytrain.errors import RunError
from raytrain.optim.build import create_optimizer, create_schedule
from raytrain.optim.schedule import RunLength
from raytrain.types import Batch, Loader

EPOCHS = 6
SCHEDULES: dict[str, dict[str, Any]] = {
    "constant": {"warmup_fraction": 0.2},
    "cosine": {},
    "cosine_restarts": {"T_0": 2},
    "exponential": {"gamma": 0.7},
    "noam": {},
    "onecycle": {},
    "plateau": {"patience": 0, "threshold": 10.0, "factor": 0.5},  # no improvement is enough: it falls every epoch
    "polynomial": {},
    "step": {"step_size": 2, "gamma": 0.3},
    "warmup": {"warmup_epochs": 3, "base": "cosine"},
    "warmup_cosine": {},
    "warmup_linear": {},
}


@pytest.fixture
def make(
    training: Callable[..., Training],
    samples: Callable[..., Batch],
    batches: Callable[..., Loader],
    network: Callable[..., nn.Module],
) -> Callable[..., Training]:
    """Make a run of six epochs of four batches, with dropout, by the names of optimizer and schedule."""

    def build(
        optimizer: str = "adamw",
        schedule: str = "constant",
        *,
        sizes: tuple[int, ...] = (4, 4, 4, 4),
        schedule_settings: dict[str, Any] | None = None,
        **settings: float | tuple[float, float] | bool,
    ) -> Training:
        model = network(dropout=0.2)
        made = create_optimizer(optimizer, model, settings={"lr": 0.01, **settings})
        length = RunLength(len(sizes), EPOCHS)
        chosen = SCHEDULES[schedule] if schedule_settings is None else schedule_settings
        parts = training(
            model=model, train=batches(samples(16), sizes, seed=1), validation=batches(samples(8, seed=5), [8])
        )
        return replace(
            parts,
            optimizer=made,
            schedule=create_schedule(schedule, made, length=length, settings=chosen),
            epochs=EPOCHS,
        )

    return build


def trained(parts: Training, *, epochs: int, resume: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a copy of the snapshot after `epochs` more epochs."""
    torch.manual_seed(3)
    run = Run(parts, resume=copy.deepcopy(resume))  # a run's optimizer takes over the tensors that it is given
    for _ in range(epochs):
        run.advance()
    run.close()
    return copy.deepcopy(run.snapshot())


def rates(parts: Training, snapshot: dict[str, Any]) -> list[float]:
    """Return the learning rate of every later optimizer step, from that of the snapshot on."""
    seen: list[float] = []
    run = Run(parts, resume=copy.deepcopy(snapshot))
    parts.optimizer.register_step_pre_hook(
        lambda optimizer, *_: seen.extend(one["lr"] for one in optimizer.param_groups)
    )
    while not run.finished:
        run.advance()
    return seen


def same(left: object, right: object) -> bool:
    """Return whether two nested states are equal bit for bit."""
    if isinstance(left, Tensor):
        return isinstance(right, Tensor) and torch.equal(left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return isinstance(right, list | tuple) and len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_the_same_settings_change_nothing(make: Callable[..., Training], optimizer: str, schedule: str) -> None:
    snapshot = trained(make(optimizer, schedule), epochs=2)
    untouched = copy.deepcopy(snapshot)
    rebased = rebase(snapshot, make(optimizer, schedule), lr_factor=1.0)
    assert same(rebased, untouched)
    assert same(snapshot, untouched)
    before = trained(make(optimizer, schedule), epochs=4, resume=snapshot)
    assert same(trained(make(optimizer, schedule), epochs=4, resume=rebased), before)
    assert not same(before["model"], untouched["model"])


@pytest.mark.parametrize("epochs", [1, 2, 4])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_guarantee_03_twice_the_learning_rate_is_exactly_twice_every_later_one(
    make: Callable[..., Training], schedule: str, epochs: int
) -> None:
    snapshot = trained(make("adamw", schedule), epochs=epochs)
    undisturbed = rates(make("adamw", schedule), snapshot)
    doubled = make("adamw", schedule, lr=0.02)
    assert rates(doubled, rebase(snapshot, doubled, lr_factor=2.0)) == [2 * rate for rate in undisturbed]
    assert len(undisturbed) == 2 * 4 * (EPOCHS - epochs)
    if schedule not in {"constant", "step"}:  # else the factor alone would do
        assert len(set(undisturbed)) > 1


def test_loading_as_it_is_would_undo_the_new_rate(make: Callable[..., Training]) -> None:
    snapshot = trained(make("adamw", "cosine"), epochs=2)
    assert rates(make("adamw", "cosine", lr=0.02), snapshot) == rates(make("adamw", "cosine"), snapshot)


def test_a_rate_that_is_no_power_of_two_is_the_schedules_own_from_the_next_step_on(
    make: Callable[..., Training],
) -> None:
    snapshot = trained(make("adamw", "warmup_cosine"), epochs=2)
    whole = rates(make("adamw", "warmup_cosine", lr=0.013), trained(make("adamw", "warmup_cosine", lr=0.013), epochs=2))
    changed = make("adamw", "warmup_cosine", lr=0.013)
    found = rates(changed, rebase(snapshot, changed, lr_factor=0.013 / 0.01))
    assert found[2:] == whole[2:]
    assert found[:2] == pytest.approx(whole[:2], rel=1e-15)


def test_other_settings_are_the_new_ones_and_what_is_not_decayed_stays_so(make: Callable[..., Training]) -> None:
    snapshot = trained(make("adamw", weight_decay=0.1), epochs=1)
    changed = make("adamw", weight_decay=0.3, betas=(0.8, 0.9))
    run = Run(changed, resume=rebase(snapshot, changed, lr_factor=1.0))
    assert [group["weight_decay"] for group in changed.optimizer.param_groups] == [0.3, 0.0]
    assert {group["betas"] for group in changed.optimizer.param_groups} == {(0.8, 0.9)}
    loaded = changed.optimizer.state_dict()["state"]
    assert same(loaded, snapshot["optimizer"]["state"])  # the moments are those of the snapshot
    run.advance()


@pytest.mark.parametrize(("optimizer", "settings"), [("adamw", {"betas": (0.7, 0.5)}), ("sgd", {"momentum": 0.7})])
def test_a_momentum_that_one_cycle_moves_stays_where_it_is(
    make: Callable[..., Training], optimizer: str, settings: dict[str, Any]
) -> None:
    cycling = {"cycle_momentum": True}
    snapshot = trained(make(optimizer, "onecycle", schedule_settings=cycling), epochs=2)
    changed = make(optimizer, "onecycle", schedule_settings=cycling, **settings)
    group = rebase(snapshot, changed, lr_factor=1.0)["optimizer"]["param_groups"][0]
    old = snapshot["optimizer"]["param_groups"][0]
    if optimizer == "adamw":
        assert group["betas"] == (old["betas"][0], 0.5)
    else:
        assert group["momentum"] == old["momentum"] != 0.7


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_momentum_can_begin_in_the_middle(make: Callable[..., Training], optimizer: str) -> None:
    still = {"momentum": 0.0} | ({"nesterov": False} if optimizer == "sgd" else {})
    snapshot = trained(make(optimizer, **still), epochs=1)
    moving = make(optimizer, **(still | {"momentum": 0.9}))
    assert trained(moving, epochs=1, resume=rebase(snapshot, moving, lr_factor=1.0))["epoch"] == 2
    for one in moving.optimizer.state_dict()["state"].values():
        assert one["momentum_buffer"].abs().max() > 0


@pytest.mark.parametrize("schedule", ["constant", "noam", "onecycle", "warmup_cosine", "warmup_linear"])
def test_batches_of_another_size_go_on_at_the_same_share_of_the_run(
    make: Callable[..., Training], schedule: str
) -> None:
    small = (2,) * 8
    snapshot = trained(make("adamw", schedule), epochs=3)
    changed = make("adamw", schedule, sizes=small)
    rebased = rebase(snapshot, changed, lr_factor=1.0)
    assert (snapshot["step"], rebased["step"]) == (12, 24)
    expected = rates(make("adamw", schedule, sizes=small), trained(make("adamw", schedule, sizes=small), epochs=3))
    changed = make("adamw", schedule, sizes=small)
    assert rates(changed, rebased) == expected
    assert len(expected) == 2 * 8 * 3


def test_a_schedule_of_epochs_does_not_mind_the_size_of_batches(make: Callable[..., Training]) -> None:
    snapshot = trained(make("adamw", "cosine"), epochs=3)
    rebased = rebase(snapshot, make("adamw", "cosine", sizes=(8, 8)), lr_factor=1.0)
    assert same(rebased["schedule"], snapshot["schedule"])
    assert rebased["step"] == 6
    changed = make("adamw", "cosine", sizes=(8, 8))
    run = Run(changed, resume=rebased)
    assert run.state.progress.step == 6
    run.advance()
    assert math.isclose(run.state.progress.fraction, 4 / 6)


def test_a_plateau_keeps_what_it_has_seen(make: Callable[..., Training]) -> None:
    snapshot = trained(make("adamw", "plateau"), epochs=3)
    changed = make("adamw", "plateau", lr=0.03)
    state = rebase(snapshot, changed, lr_factor=3.0)["schedule"]
    kept = {name: value for name, value in state.items() if name != "_last_lr"}
    assert same(kept, {name: value for name, value in snapshot["schedule"].items() if name != "_last_lr"})


def test_what_cannot_be_rebased_is_refused(make: Callable[..., Training], network: Callable[..., nn.Module]) -> None:
    snapshot = trained(make(), epochs=1)
    with pytest.raises(RunError, match="within one"):
        rebase({**snapshot, "running": {}}, make(), lr_factor=1.0)
    model = network(norm=True)
    other = replace(make(), model=model, optimizer=create_optimizer("adamw", model))
    with pytest.raises(RunError, match="other parameters"):
        rebase(snapshot, other, lr_factor=1.0)
