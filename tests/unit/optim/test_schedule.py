"""A schedule's unit, as the engine honours it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ExponentialLR, ReduceLROnPlateau

from raytrain.engine.fit import Run, fit
from raytrain.engine.precision import Precision
from raytrain.engine.training import Training
from raytrain.errors import ConfigError
from raytrain.objectives.supervised import Supervised
from raytrain.optim import RunLength, Schedule, WarmupScheduler, create_schedule
from raytrain.types import Batch, Callback, FitState

CPU = torch.device("cpu")
EPOCHS, BATCHES, ACCUMULATION, STEPS = 6, 7, 2, 4  # 7 batches, 2 to a step: the last step of an epoch has one
LENGTH = RunLength(steps_per_epoch=STEPS, epochs=EPOCHS)


class SevenBatches:
    """Seven batches of three random samples, the same in every epoch."""

    global_sizes = (3,) * BATCHES

    def set_epoch(self, epoch: int) -> None:
        pass

    def __len__(self) -> int:
        return BATCHES

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(0)
        for _ in range(BATCHES):
            yield Batch(torch.randn(3, 1, 4, generator=generator), torch.tensor([0, 1, 1]))


class Rates(Callback):
    """Records the learning rate that each optimizer step was taken with."""

    def __init__(self) -> None:
        self.of_steps: list[float] = []

    def on_fit_start(self, state: FitState) -> None:
        self._hook = state.optimizer.register_step_pre_hook(self._record)

    def on_fit_end(self, state: FitState) -> None:
        self._hook.remove()

    def _record(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        self.of_steps.append(float(optimizer.param_groups[0]["lr"]))


def make(name: str, settings: dict[str, Any] | None = None) -> tuple[Training, Rates]:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rates = Rates()
    run = Training(
        model=model,
        objective=Supervised(nn.CrossEntropyLoss()),
        train=SevenBatches(),
        validation=None,
        optimizer=optimizer,
        schedule=create_schedule(name, optimizer, length=LENGTH, settings=settings),
        precision=Precision("fp32", CPU),
        device=CPU,
        epochs=EPOCHS,
        num_classes=2,
        num_recordings=0,
        accumulation_steps=ACCUMULATION,
        callbacks=[rates],
    )
    return run, rates


def alone(name: str, count: int) -> list[float]:
    """Return the rates of a schedule that no engine steps."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    scheduler = create_schedule(name, optimizer, length=LENGTH).scheduler
    rates = []
    for _ in range(count):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("name", ["warmup_cosine", "warmup_linear", "noam", "onecycle"])
def test_the_engine_steps_by_optimizer_steps_what_counts_steps(name: str) -> None:
    run, rates = make(name)
    fit(run)
    assert rates.of_steps == alone(name, EPOCHS * STEPS)
    assert len(set(rates.of_steps)) > EPOCHS  # within an epoch it changes


@pytest.mark.parametrize("name", ["cosine", "cosine_restarts", "step", "exponential", "polynomial"])
def test_the_engine_steps_by_epochs_what_counts_epochs(name: str) -> None:
    run, rates = make(name)
    fit(run)
    assert rates.of_steps == [rate for rate in alone(name, EPOCHS) for _ in range(STEPS)]
    assert len(set(rates.of_steps)) > 1


def test_the_engine_steps_a_plateau_with_its_metric_once_an_epoch() -> None:
    """A training loss that falls by less than the threshold is no improvement, so the rate falls by the rule."""
    run, rates = make("plateau", {"monitor": "train/loss", "factor": 0.5, "patience": 1, "threshold": 0.999})
    fit(run)
    assert rates.of_steps == [rate for rate in [0.1, 0.1, 0.1, 0.05, 0.05, 0.025] for _ in range(STEPS)]


def test_the_engine_steps_a_plateau_after_a_warmup() -> None:
    run, rates = make("constant")
    plateau = ReduceLROnPlateau(run.optimizer, factor=0.5, patience=0, threshold=0.999)
    scheduler = WarmupScheduler(run.optimizer, 2, plateau)
    fit(replace(run, schedule=Schedule(scheduler, "epoch", monitor="train/loss")))
    assert rates.of_steps[::STEPS] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.1, 0.05, 0.025])
    assert rates.of_steps == [rate for rate in rates.of_steps[::STEPS] for _ in range(STEPS)]


@pytest.mark.parametrize("name", ["onecycle", "cosine", "exponential", "warmup_linear", "cosine_restarts"])
def test_a_run_resumed_in_the_middle_ends_in_the_same_weights(name: str) -> None:
    whole, _ = make(name)
    fit(whole)
    first, rates = make(name)
    run = Run(first)
    for _ in range(3):
        run.advance()
    snapshot = copy.deepcopy(run.snapshot())
    second, more = make(name)
    fit(second, resume=snapshot)
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert len(rates.of_steps + more.of_steps) == EPOCHS * STEPS


def test_a_metric_that_is_not_reported_is_named() -> None:
    run, _ = make("plateau", {"monitor": "train/los"})
    message = r"schedule.monitor: 'train/los' is not reported; did you mean 'train/loss'\?"
    with pytest.raises(ConfigError, match=message):
        fit(run)


@pytest.mark.parametrize(("unit", "monitor"), [("epoch", None), ("step", "val/loss")])
def test_a_plateau_without_its_metric_is_refused(unit: Literal["step", "epoch"], monitor: str | None) -> None:
    scheduler = ReduceLROnPlateau(torch.optim.SGD([torch.zeros(1)]))
    with pytest.raises(ConfigError, match="ReduceLROnPlateau counts epochs and watches a metric"):
        Schedule(scheduler, unit, monitor)


@pytest.mark.parametrize("unit", ["step", "epoch"])
def test_a_schedule_moves_in_its_own_unit_only(unit: Literal["step", "epoch"]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = Schedule(ExponentialLR(optimizer, 0.5), unit)
    optimizer.step()
    schedule.after_step()
    assert schedule.state_dict()["last_epoch"] == (unit == "step")
    schedule.after_epoch({})
    assert schedule.state_dict()["last_epoch"] == 1
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_the_steps_of_a_run() -> None:
    assert LENGTH.total_steps == EPOCHS * STEPS
