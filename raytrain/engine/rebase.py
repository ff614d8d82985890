"""A snapshot of a run, made to go on under other settings: what population based training does between two epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from raytrain.engine.training import Training
from raytrain.errors import RunError

__all__ = ["rebase"]

_GIVEN_BY_THE_LENGTH = ("total_steps", "_schedule_phases")
"""What torch's one-cycle keeps in its state of how long the run is; other schedules that count steps keep nothing."""


def rebase(snapshot: Mapping[str, Any], training: Training, *, lr_factor: float) -> dict[str, Any]:
    """Return `snapshot` as a run of `training` goes on from: its weights and moments, the settings of `training`.

    A snapshot holds the hyperparameters it was made with inside the optimizer's and the schedule's state, so loading it
    as it is undoes the new ones (Jaderberg et al. 2017, "Population based training of neural networks", change
    them after the weights are copied). Here

    - each group's learning rate, at its place in the schedule, is multiplied by `lr_factor`, and what the schedule
      counts from (`initial_lr`, `max_lr`, `base_lrs`, ...) is that of `training`: later rates are `lr_factor` times
      what they would have been, but for a floor that the schedule has;
    - weight decay, momentum, betas and all else in the groups are those of `training`, group by group, so parameters
      that are not decayed stay so; only a momentum that the schedule moves stays where it is;
    - a schedule that counts steps goes on at the same share of the run where the batches have another size.

    Nothing else changes, and nothing at all where the settings are equal.

    Args:
        snapshot: Of `Run.snapshot`, between two epochs.
        training: The new run's parts, as they were built: not trained, nothing loaded. Its schedule may be moved.
        lr_factor: The new learning rate over the old one.

    Raises:
        RunError: The snapshot is within an epoch, or its optimizer has other groups of parameters.
    """
    if snapshot["running"] is not None:
        raise RunError("settings change between two epochs, and this snapshot is within one; take one after an epoch")
    old, new = snapshot["optimizer"], training.optimizer.state_dict()
    if [len(group["params"]) for group in old["param_groups"]] != [len(one["params"]) for one in new["param_groups"]]:
        raise RunError("the snapshot's optimizer has other parameters than the run; only settings that keep the model")
    step = snapshot["epoch"] * math.ceil(len(training.train) / training.accumulation_steps)
    groups = [_group(*pair, lr_factor) for pair in zip(old["param_groups"], new["param_groups"], strict=True)]
    schedule = snapshot["schedule"]
    if training.schedule is not None:
        schedule = _schedule(schedule, training.schedule.state_dict(), lr_factor)
        if training.schedule.unit == "step" and step != snapshot["step"]:
            schedule = _moved(schedule, groups, training, steps=(snapshot["step"], step))
    return {
        **snapshot,
        "optimizer": {**old, "param_groups": groups, "state": _moments(old["state"], groups, training.optimizer)},
        "schedule": schedule,
        "step": step,
    }


def _group(old: Mapping[str, Any], new: Mapping[str, Any], lr_factor: float) -> dict[str, Any]:
    group = {**new, "lr": old["lr"] * lr_factor, "params": old["params"]}
    if "base_momentum" in new:  # one-cycle moves the momentum too
        moved = "betas" if "betas" in new else "momentum"
        group[moved] = (old["betas"][0], *new["betas"][1:]) if moved == "betas" else old["momentum"]
    return group


def _schedule(old: Mapping[str, Any], new: Mapping[str, Any], lr_factor: float) -> dict[str, Any]:
    state = {**old, "_last_lr": [rate * lr_factor for rate in old["_last_lr"]]}
    state |= {name: list(new[name]) for name in ("base_lrs", "peaks") if name in new}
    if state.get("base") is not None:
        state["base"] = _schedule(old["base"], new["base"], lr_factor)
    return state


def _moved(
    state: dict[str, Any], groups: list[dict[str, Any]], training: Training, *, steps: tuple[int, int]
) -> dict[str, Any]:
    """Put a schedule that has counted `steps[0]` where it is after `steps[1]` longer or shorter ones."""
    before, after = steps
    if before == 0 or training.schedule is None:
        return state
    scheduler = training.schedule.scheduler
    lengths = {name: getattr(scheduler, name) for name in _GIVEN_BY_THE_LENGTH if hasattr(scheduler, name)}
    position = round(state["last_epoch"] * after / before)
    scheduler.load_state_dict({**state, **lengths, "last_epoch": position - 1})
    scheduler.step()  # schedules that count steps know their rate from the count alone
    for group, placed in zip(groups, training.optimizer.param_groups, strict=True):
        group["lr"] = placed["lr"]
        if "base_momentum" in placed:
            group |= {name: placed[name] for name in ("betas", "momentum") if name in placed}
    return scheduler.state_dict()


def _moments(
    state: Mapping[int, Mapping[str, Any]], groups: list[dict[str, Any]], optimizer: torch.optim.Optimizer
) -> dict[int, Mapping[str, Any]]:
    """Return the optimizer's state, with a momentum at rest where RMSprop, which expects one, had none before."""
    moving = {index for group in groups if group.get("momentum", 0) > 0 for index in group["params"]}
    if not isinstance(optimizer, torch.optim.RMSprop):
        return dict(state)
    return {
        index: {"momentum_buffer": torch.zeros_like(one["square_avg"]), **one} if index in moving else one
        for index, one in state.items()
    }
