from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.engine.fit import fit
from raytrain.engine.precision import Precision
from raytrain.engine.step import Step, optimizer_step
from raytrain.engine.sums import EpochSums
from raytrain.engine.training import Training
from raytrain.optim.build import OPTIMIZERS, create_optimizer
from raytrain.types import Batch, Mixture, Progress, StepLoss

Make = Callable[..., Any]
CPU = torch.device("cpu")
START = Progress(epoch=0, step=0, fraction=0.0)


def scaled(init_scale: float = 2.0**10) -> Precision:
    """Return float32 with a gradient scaler, which float16 has on a GPU only."""
    precision = Precision("fp32", CPU)
    precision.scaler = torch.amp.GradScaler("cpu", init_scale=init_scale)
    return precision


def take_step(training: Training) -> tuple[Step, EpochSums]:
    sums = EpochSums(CPU)
    batches = list(training.train)
    parameters = list(training.model.parameters())
    step = optimizer_step(training, training.model, batches, progress=START, sums=sums, parameters=parameters)
    return step, sums


def state(training: Training) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in training.model.state_dict().items()}


def with_infinite_gradient(training: Training) -> Training:
    """Return the run with an objective whose value is finite and whose gradient is not, as after an overflow."""
    objective = training.objective

    def overflowing(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        loss = objective(model, batch, progress)
        # sqrt has the value 0 and an infinite slope at 0.
        return StepLoss(loss.total + (loss.total - loss.total.detach()).sqrt(), loss.logits)

    return dataclasses.replace(training, objective=overflowing)


def test_means_are_over_samples(training: Make, samples: Make, batches: Make) -> None:
    run = training(train=batches(samples(9), [2, 7]))
    scores = run.model(run.train.samples.inputs).detach()
    targets = run.train.samples.targets
    step, sums = take_step(run)
    assert step.taken
    loss = nn.functional.cross_entropy(scores, targets)
    hits = (scores.argmax(dim=1) == targets).double().mean()
    assert float(step.loss) == pytest.approx(float(loss), rel=1e-6)
    assert sums.metrics() == pytest.approx({"train/loss": float(loss), "train/accuracy": float(hits)}, rel=1e-6)


def test_a_mixed_sample_counts_by_the_share_of_its_classes(samples: Make) -> None:
    batch = samples(4)
    mixture = Mixture(targets=(batch.targets + 1) % 3, weight=torch.tensor([0.25, 0.5, 0.75, 1.0]))
    logits = nn.functional.one_hot(torch.stack([batch.targets, mixture.targets])[[0, 1, 0, 1], range(4)], 3).float()
    sums = EpochSums(CPU)
    sums.add(StepLoss(logits.sum(), logits), dataclasses.replace(batch, mixture=mixture))
    assert sums.metrics()["train/accuracy"] == (0.25 + 0.5 + 0.75 + 0.0) / 4


def test_terms_are_means_over_samples(training: Make, samples: Make, batches: Make) -> None:
    run = training(train=batches(samples(6), [2, 4]))
    values = iter([torch.tensor(1.0), torch.tensor(4.0)])
    objective = run.objective

    def with_term(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        loss = objective(model, batch, progress)
        return StepLoss(loss.total, loss.logits, {"data": next(values)})

    _, sums = take_step(dataclasses.replace(run, objective=with_term))
    assert sums.metrics()["train/data"] == (2 * 1.0 + 4 * 4.0) / 6


def test_the_gradient_norm_is_that_before_clipping(training: Make) -> None:
    run = training(max_grad_norm=1e-3)
    step, _ = take_step(run)
    clipped = torch.linalg.vector_norm(torch.cat([one.grad.flatten() for one in run.model.parameters()]))
    assert float(clipped) == pytest.approx(1e-3, rel=1e-4)
    assert step.gradient_norm is not None
    unclipped, _ = take_step(training(max_grad_norm=1e6))
    assert float(step.gradient_norm) == float(unclipped.gradient_norm) > 1e-2  # type: ignore[arg-type]
    assert take_step(training(max_grad_norm=None))[0].gradient_norm is None


def test_gradients_of_the_step_before_are_gone(training: Make) -> None:
    first, second = training(), training()
    for parameter in second.model.parameters():
        parameter.grad = torch.full_like(parameter, 1e3)
    take_step(first)
    take_step(second)
    assert all(torch.equal(value, state(second)[name]) for name, value in state(first).items())


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_the_scale_of_the_scaler_changes_no_step(training: Make, optimizer: str) -> None:
    # A power of two scales without rounding, and clipping sees unscaled gradients.
    def trained(precision: Precision) -> dict[str, Tensor]:
        run = training(
            optimizer=lambda model: create_optimizer(optimizer, model, settings={}),
            precision=precision,
            max_grad_norm=0.3,
        )
        fit(run)
        return state(run)

    plain, amplified = trained(Precision("fp32", CPU)), trained(scaled())
    assert all(torch.equal(value, amplified[name]) for name, value in plain.items())


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_a_step_with_infinite_gradients_is_skipped_with_its_schedule(training: Make, optimizer: str) -> None:
    run = training(
        optimizer=lambda model: create_optimizer(optimizer, model, settings={}), precision=scaled(), max_grad_norm=1.0
    )
    before, rate = state(run), run.optimizer.param_groups[0]["lr"]
    step, sums = take_step(with_infinite_gradient(run))
    assert not step.taken
    assert all(torch.equal(value, state(run)[name]) for name, value in before.items())
    assert run.optimizer.param_groups[0]["lr"] == rate
    assert run.precision.scaler.get_scale() == 2.0**9
    assert math.isfinite(sums.metrics()["train/loss"])
    assert take_step(run)[0].taken
    assert run.optimizer.param_groups[0]["lr"] != rate


def test_skipped_steps_are_reported_where_there_is_a_scaler(training: Make) -> None:
    run = with_infinite_gradient(training(precision=scaled(), epochs=2))
    assert [row["train/skipped_steps"] for row in fit(run).history] == [4.0, 8.0]
    assert "train/skipped_steps" not in fit(training()).history[0]


def test_bf16_trains_and_keeps_weights_gradients_and_loss_in_float32(training: Make) -> None:
    seen: set[torch.dtype] = set()
    run = training(precision=Precision("bf16", CPU), epochs=6)
    run.model.register_forward_hook(lambda _model, _inputs, scores: seen.add(scores.dtype))
    history = fit(run).history
    assert seen == {torch.bfloat16}
    assert {parameter.dtype for parameter in run.model.parameters()} == {torch.float32}
    assert history[-1]["train/loss"] < history[0]["train/loss"]
    single = fit(training(epochs=6)).history
    assert history[-1]["train/loss"] != single[-1]["train/loss"]
    assert history[-1]["train/loss"] == pytest.approx(single[-1]["train/loss"], rel=0.02)
