from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import ExponentialLR, LRScheduler, ReduceLROnPlateau

from raytrain.callbacks.learning_rate import LearningRateMonitor, LearningRateScheduler
from raytrain.errors import ConfigError
from raytrain.types import FitState

Make = Callable[..., Any]


def rate(state: FitState) -> float:
    return float(state.optimizer.param_groups[0]["lr"])


def told_steps(callback: LearningRateScheduler, state: FitState, metrics: list[dict[str, float]]) -> list[float]:
    """Tell epochs of two steps each; return the rate every step was taken with."""
    rates = []
    callback.on_fit_start(state)
    for row in metrics:
        callback.on_epoch_start(state)
        for _ in range(2):
            rates.append(rate(state))
            state.optimizer.step()
            callback.on_step_end(state)
        state.metrics = dict(row)
        callback.on_epoch_end(state)
    return rates


def test_epochs_are_counted_by_default(fit_state: Make) -> None:
    state = fit_state()
    callback = LearningRateScheduler(ExponentialLR(state.optimizer, 0.5))
    rates = told_steps(callback, state, [{}] * 3)
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025])


def test_steps_are_counted_where_asked(fit_state: Make) -> None:
    state = fit_state()
    callback = LearningRateScheduler(ExponentialLR(state.optimizer, 0.5), unit="step")
    assert told_steps(callback, state, [{}] * 3) == pytest.approx([0.1 * 0.5**step for step in range(6)])


@pytest.mark.parametrize(("monitor", "key"), [("val_loss", "val/loss"), ("train/loss", "train/loss")])
def test_a_plateau_is_found_in_the_monitored_metric(fit_state: Make, monitor: str, key: str) -> None:
    state = fit_state()
    plateau = ReduceLROnPlateau(state.optimizer, factor=0.1, patience=1)
    losses = [3.0, 2.0, 2.0, 2.0, 2.0, 1.0]
    rates = told_steps(LearningRateScheduler(plateau, monitor=monitor), state, [{key: loss} for loss in losses])
    # The second epoch in a row without improvement, the fourth, is one more than the patience.
    assert rates[::2] == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_a_metric_that_is_not_reported_is_told(fit_state: Make) -> None:
    state = fit_state()
    callback = LearningRateScheduler(ReduceLROnPlateau(state.optimizer), monitor="val_los")
    with pytest.raises(ConfigError, match=r"^monitor: 'val_los' is not reported; did you mean 'val/loss'\?$"):
        told_steps(callback, state, [{"val/loss": 1.0}])


def test_state_is_the_schedulers(fit_state: Make) -> None:
    state = fit_state()
    callback = LearningRateScheduler(ExponentialLR(state.optimizer, 0.5))
    told_steps(callback, state, [{}] * 3)
    assert callback.state_dict()["last_epoch"] == 3
    other = LearningRateScheduler(ExponentialLR(fit_state().optimizer, 0.5))
    other.load_state_dict(callback.state_dict())
    assert other.state_dict() == callback.state_dict()


def test_a_scheduler_of_another_optimizer_is_refused(fit_state: Make) -> None:
    callback = LearningRateScheduler(ExponentialLR(SGD([torch.zeros(1)], lr=0.1), 0.5))
    with pytest.raises(ConfigError, match=r"^scheduler is of another optimizer than the run's; make it with"):
        callback.on_fit_start(fit_state())


def test_a_plateau_in_steps_is_refused(fit_state: Make) -> None:
    with pytest.raises(ConfigError, match=r"^unit must be epoch for ReduceLROnPlateau, whose metric is of an epoch"):
        LearningRateScheduler(ReduceLROnPlateau(fit_state().optimizer), unit="step")


@pytest.mark.parametrize("scheduler_first", [True, False])
def test_the_monitor_tells_the_rate_of_each_groups_first_step(fit_state: Make, scheduler_first: bool) -> None:
    state = fit_state()
    state.optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 0.8})
    scheduler: LRScheduler = ExponentialLR(state.optimizer, 0.5)
    callbacks = [LearningRateScheduler(scheduler), LearningRateMonitor()]
    seen = []
    for _ in range(3):
        state.metrics = {}
        for callback in callbacks:
            callback.on_epoch_start(state)
        state.optimizer.step()
        for callback in callbacks if scheduler_first else reversed(callbacks):
            callback.on_epoch_end(state)
        seen.append(state.metrics)
    assert seen == [{"lr/group_0": 0.1 * 0.5**epoch, "lr/group_1": 0.8 * 0.5**epoch} for epoch in range(3)]
