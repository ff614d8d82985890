from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from raytrain.engine.fit import Run, fit
from raytrain.engine.training import Training
from raytrain.engine.transforms import epoch_generator, transformed
from raytrain.errors import ConfigError
from raytrain.optim.schedule import Schedule
from raytrain.types import Batch, Callback, FitState, Progress

Make = Callable[..., Any]
CPU = torch.device("cpu")


class Noise:
    """Adds noise from the generator and counts how often it is called."""

    def __init__(self, *, in_evaluation: bool) -> None:
        self.in_evaluation = in_evaluation
        self.seen: list[torch.Tensor] = []

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        assert not torch.is_grad_enabled()
        noise = torch.randn(batch.signal.shape, generator=generator)
        self.seen.append(noise)
        return dataclasses.replace(batch, inputs=batch.signal + noise)


class Each(Callback):
    """Does something at a step."""

    def __init__(self, act: Callable[[FitState], None]) -> None:
        self._act = act

    def on_step_end(self, state: FitState) -> None:
        self._act(state)


def test_the_generator_depends_on_seed_and_epoch_only() -> None:
    def draw(**where: int) -> list[float]:
        chosen = {"seed": 1, "epoch": 2} | where
        seed = chosen.pop("seed")
        return torch.rand(3, generator=epoch_generator(seed, **chosen, device=CPU)).tolist()

    assert draw() == draw()
    assert draw() != draw(seed=2)
    assert draw() != draw(epoch=3)


def test_transforms_are_applied_in_order(samples: Make) -> None:
    def add(batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        return dataclasses.replace(batch, inputs=batch.signal + 1)

    def double(batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        return dataclasses.replace(batch, inputs=batch.signal * 2)

    batch = samples(3)
    start, generator = Progress(0, 0, 0.0), epoch_generator(0, epoch=0, device=CPU)
    after = transformed(batch, [add, double], start, generator)  # type: ignore[list-item]
    assert torch.equal(after.signal, (batch.signal + 1) * 2)


def test_training_is_transformed_and_evaluation_only_where_the_transform_says_so(
    training: Make, samples: Make, batches: Make
) -> None:
    augmentation, image = Noise(in_evaluation=False), Noise(in_evaluation=True)
    validation = batches(samples(8, seed=1), [4, 4])
    run = training(epochs=3, validation=validation)
    fit(dataclasses.replace(run, transforms=[augmentation, image]))
    assert len(augmentation.seen) == 3 * 4
    assert len(image.seen) == 3 * (4 + 2)
    # Evaluation draws the same in every epoch, training never.
    assert torch.equal(image.seen[4], image.seen[10])
    assert not torch.equal(image.seen[0], image.seen[6])


def test_a_resumed_run_draws_what_the_whole_run_drew(training: Make) -> None:
    def transforming() -> Training:
        run: Training = training(epochs=4)
        return dataclasses.replace(run, transforms=[Noise(in_evaluation=False)], seed=5)

    whole = Run(transforming())
    halves = Run(transforming())
    for _ in range(2):
        halves.advance()
    resumed = Run(transforming(), resume=halves.snapshot())
    while not whole.finished:
        whole.advance()
    while not resumed.finished:
        resumed.advance()
    assert resumed.state.history == whole.state.history
    weights = whole.state.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in resumed.state.model.state_dict().items())


def test_a_stop_asked_for_in_a_step_ends_the_epoch_there(training: Make, samples: Make, batches: Make) -> None:
    def stop(state: FitState) -> None:
        if state.progress.step == 6:
            state.stop_reason = "enough"

    state = fit(training(epochs=5, validation=batches(samples(4, seed=1), [4]), callbacks=[Each(stop)]))
    assert state.progress.step == 6
    assert state.progress.epoch == 2
    assert "val/loss" in state.history[1]


def test_a_callback_sees_loss_and_gradient_of_the_step(training: Make) -> None:
    seen: list[tuple[float, float]] = []

    def look(state: FitState) -> None:
        assert state.step_loss is not None
        assert state.gradient_norm is not None
        seen.append((float(state.step_loss), float(state.gradient_norm)))

    state = fit(training(epochs=1, max_grad_norm=1.0, callbacks=[Each(look)]))
    assert len(seen) == 4
    assert state.history[0]["train/loss"] == pytest.approx(sum(loss for loss, _ in seen) / 4, rel=1e-6)


def test_the_averaged_model_is_what_is_evaluated(training: Make, samples: Make, batches: Make, network: Make) -> None:
    validation = batches(samples(8, seed=1), [8])
    fixed = network()

    def keep(state: FitState) -> None:
        state.averaged_model = fixed

    state = fit(training(epochs=2, validation=validation, callbacks=[Each(keep)]))
    assert state.history[0]["val/loss"] == state.history[1]["val/loss"]
    stored = state.snapshot()["averaged_model"]
    assert all(torch.equal(value, fixed.state_dict()[name]) for name, value in stored.items())
    assert fit(training(epochs=1)).snapshot()["averaged_model"] is None


def test_a_schedule_in_epochs_is_stepped_once_per_epoch(training: Make) -> None:
    run = training(epochs=3, accumulation_steps=2)
    run = dataclasses.replace(run, schedule=Schedule(StepLR(run.optimizer, 1, gamma=0.5), "epoch"))
    assert [row["train/lr"] for row in fit(run).history] == [0.1, 0.05, 0.025]


def test_a_plateau_is_judged_by_the_reduced_metric(training: Make) -> None:
    run = training(epochs=4)
    plateau = ReduceLROnPlateau(run.optimizer, mode="max", factor=0.5, patience=0)
    run = dataclasses.replace(run, schedule=Schedule(plateau, "epoch", monitor="train/loss"))
    rates = [row["train/lr"] for row in fit(run).history]
    assert rates == [0.1, 0.1, 0.05, 0.025]


def test_a_plateau_that_watches_nothing_reported_is_refused(training: Make) -> None:
    run = training(epochs=1)
    run = dataclasses.replace(run, schedule=Schedule(ReduceLROnPlateau(run.optimizer), "epoch", monitor="train/los"))
    with pytest.raises(ConfigError, match=r"'train/los' is not reported; did you mean 'train/loss'"):
        fit(run)
