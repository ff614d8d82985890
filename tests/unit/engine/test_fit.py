from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from raytrain.engine.fit import Run, fit
from raytrain.engine.training import Training
from raytrain.errors import RunError
from raytrain.types import Batch, Callback, FitState, Progress, StepLoss

Make = Callable[..., Any]


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


class Spy(Callback):
    """Writes down every hook, with the progress it saw."""

    def __init__(self, name: str = "", log: list[str] | None = None) -> None:
        self.name = name
        self.log: list[str] = [] if log is None else log

    def _note(self, hook: str, state: FitState) -> None:
        self.log.append(f"{self.name}{hook} {state.progress.epoch}/{state.progress.step}")

    def on_fit_start(self, state: FitState) -> None:
        self._note("fit_start", state)

    def on_epoch_start(self, state: FitState) -> None:
        self._note("epoch_start", state)

    def on_step_end(self, state: FitState) -> None:
        self._note("step_end", state)

    def on_epoch_end(self, state: FitState) -> None:
        self._note("epoch_end", state)

    def on_checkpoint(self, state: FitState) -> None:
        self._note("checkpoint", state)

    def on_fit_end(self, state: FitState) -> None:
        self._note("fit_end", state)


class Failing(Callback):
    """Fails in one hook."""

    def __init__(self, hook: str) -> None:
        setattr(self, hook, lambda _state: 1 / 0)


class Stop(Callback):
    """Asks for a stop in a given epoch, counted from 0."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_epoch_end(self, state: FitState) -> None:
        if state.progress.epoch == self.epoch:
            state.stop_reason = "enough"


def test_hooks_come_in_the_documented_order(training: Make) -> None:
    spy = Spy()
    fit(training(epochs=2, accumulation_steps=2, callbacks=[spy]))
    assert spy.log == [
        "fit_start 0/0",
        "epoch_start 0/0",
        "step_end 0/1",
        "step_end 0/2",
        "epoch_end 0/2",
        "checkpoint 1/2",
        "epoch_start 1/2",
        "step_end 1/3",
        "step_end 1/4",
        "epoch_end 1/4",
        "checkpoint 2/4",
        "fit_end 2/4",
    ]


def test_callbacks_are_called_in_their_order(training: Make) -> None:
    log: list[str] = []
    fit(training(epochs=1, accumulation_steps=4, callbacks=[Spy("a ", log), Spy("b ", log)]))
    hooks = ["fit_start", "epoch_start", "step_end", "epoch_end", "checkpoint", "fit_end"]
    assert [line.rpartition(" ")[0] for line in log] == [f"{name} {hook}" for hook in hooks for name in "ab"]


@pytest.mark.parametrize("hook", ["on_fit_start", "on_epoch_start", "on_step_end", "on_epoch_end", "on_checkpoint"])
def test_fit_end_also_comes_after_an_error(training: Make, hook: str) -> None:
    log: list[str] = []
    with pytest.raises(ZeroDivisionError):
        fit(training(callbacks=[Spy("a ", log), Failing(hook), Spy("b ", log)]))
    assert [line.rpartition(" ")[0] for line in log][-2:] == ["a fit_end", "b fit_end"]


def test_one_callback_that_fails_to_end_does_not_keep_the_others_from_it(training: Make) -> None:
    spy = Spy()
    with pytest.raises(ZeroDivisionError):
        fit(training(callbacks=[Failing("on_fit_end"), spy]))
    assert spy.log[-1].startswith("fit_end")


def test_a_callback_stops_the_run_after_its_epoch(training: Make) -> None:
    spy = Spy()
    state = fit(training(epochs=5, callbacks=[Stop(1), spy]))
    assert state.stop_reason == "enough"
    assert state.progress.epoch == len(state.history) == 2
    assert [line for line in spy.log if line.startswith("checkpoint")] == ["checkpoint 1/4", "checkpoint 2/8"]


def test_a_run_to_its_last_epoch_has_no_stop_reason(training: Make) -> None:
    state = fit(training(epochs=3))
    assert state.stop_reason is None
    assert (state.progress.epoch, state.progress.step, state.progress.fraction) == (3, 12, 1.0)


def test_a_metric_a_callback_adds_is_in_the_history(training: Make) -> None:
    class Add(Callback):
        def on_epoch_end(self, state: FitState) -> None:
            state.metrics["mine"] = 10.0 + state.progress.epoch

    assert [row["mine"] for row in fit(training(callbacks=[Add()])).history] == [10.0, 11.0]


def test_run_advances_one_epoch_at_a_time(training: Make) -> None:
    run = Run(training(epochs=2))
    assert not run.finished
    assert run.advance().progress.epoch == 1
    assert not run.finished
    assert run.advance() is run.state
    assert run.finished


def by_hand(model: nn.Module, steps: Iterable[Iterable[Batch]], *, lr: float, decay: float) -> list[float]:
    """Train with plain SGD, each step on the mean over all samples of its batches; return the loss of each sample."""
    losses: list[float] = []
    for done, batches in enumerate(steps):
        whole = list(batches)
        inputs = torch.cat([batch.inputs for batch in whole if isinstance(batch.inputs, Tensor)])
        loss = functional.cross_entropy(model(inputs), torch.cat([batch.targets for batch in whole]), reduction="none")
        losses += loss.tolist()
        gradients = torch.autograd.grad(loss.mean(), list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter.sub_(gradient, alpha=lr * decay**done)
    return losses


def test_each_step_is_plain_gradient_descent_and_the_schedule_moves_once_per_step(
    training: Make, network: Make, samples: Make, batches: Make
) -> None:
    # 3 batches a window, 7 batches: windows of 3, 3 and 1 batches, the last scaled by its own size.
    model = network(dtype=torch.float64)
    loader = batches(samples(29, dtype=torch.float64), [4, 5, 3, 4, 5, 3, 5])
    parts = list(loader)
    expected = copy.deepcopy(model)
    losses = by_hand(expected, [parts[:3], parts[3:6], parts[6:]] * 2, lr=0.1, decay=0.97)

    state = fit(training(model=model, train=loader, accumulation_steps=3, epochs=2))

    torch.testing.assert_close(weights(model), weights(expected), rtol=1e-12, atol=1e-12)
    assert [row["train/loss"] for row in state.history] == pytest.approx(
        [sum(losses[:29]) / 29, sum(losses[29:]) / 29], rel=1e-12
    )
    assert [row["train/lr"] for row in state.history] == pytest.approx([0.1 * 0.97**2, 0.1 * 0.97**5], rel=1e-12)
    assert state.progress.step == 6


@settings(max_examples=25)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_accumulated_batches_are_one_large_batch(
    training: Make, network: Make, samples: Make, batches: Make, sizes: list[int]
) -> None:
    data = samples(sum(sizes), dtype=torch.float64)

    def trained(sizes: list[int]) -> tuple[Tensor, float]:
        run = training(
            model=network(dtype=torch.float64),
            train=batches(data, sizes),
            accumulation_steps=len(sizes),
            epochs=3,
        )
        history = fit(run).history
        return weights(run.model), history[-1]["train/loss"]

    (small, small_loss), (large, large_loss) = trained(sizes), trained([sum(sizes)])
    torch.testing.assert_close(small, large, rtol=1e-6, atol=1e-6)
    assert small_loss == pytest.approx(large_loss, rel=1e-6)


def test_metrics_are_means_over_samples_however_they_are_batched(
    training: Make, network: Make, samples: Make, batches: Make
) -> None:
    model = network(dtype=torch.float64)
    data, unseen = samples(13, dtype=torch.float64), samples(11, seed=1, dtype=torch.float64)
    frozen = training(
        model=model,
        train=batches(data, [1, 8, 4]),
        validation=batches(unseen, [7, 1, 3]),
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.0),
        epochs=1,
    )
    (row,) = fit(frozen).history
    for part, batch in (("train", data), ("val", unseen)):
        scores = model(batch.inputs).detach()
        hits = (scores.argmax(dim=1) == batch.targets).double().mean()
        assert row[f"{part}/loss"] == pytest.approx(float(functional.cross_entropy(scores, batch.targets)), rel=1e-12)
        assert row[f"{part}/accuracy"] == pytest.approx(float(hits), rel=1e-12)


def test_the_applied_gradient_is_no_longer_than_max_grad_norm(
    training: Make, network: Make, samples: Make, batches: Make
) -> None:
    def trained(max_grad_norm: float | None) -> tuple[Tensor, list[float]]:
        norms: list[float] = []

        class Norm(Callback):
            def on_step_end(self, state: FitState) -> None:
                gradients = [one.grad.flatten() for one in state.model.parameters() if one.grad is not None]
                norms.append(float(torch.cat(gradients).norm()))

        model = network(dtype=torch.float64)
        loader = batches(samples(16, dtype=torch.float64), [4] * 4)
        fit(training(model=model, train=loader, max_grad_norm=max_grad_norm, epochs=1, callbacks=[Norm()]))
        return weights(model) - weights(network(dtype=torch.float64)), norms

    free, free_norms = trained(None)
    clipped, clipped_norms = trained(0.05)
    loose, _ = trained(1e6)
    assert min(free_norms) > 0.1
    assert clipped_norms == pytest.approx([0.05] * 4, rel=1e-4)
    assert float(clipped.norm()) <= 4 * 0.1 * 0.05
    assert torch.equal(loose, free)


def test_the_clipped_gradient_keeps_its_direction(training: Make, network: Make, samples: Make, batches: Make) -> None:
    def step(max_grad_norm: float | None) -> Tensor:
        model = network(dtype=torch.float64)
        loader = batches(samples(8, dtype=torch.float64), [8])
        fit(training(model=model, train=loader, max_grad_norm=max_grad_norm, epochs=1))
        return weights(model) - weights(network(dtype=torch.float64))

    assert float(functional.cosine_similarity(step(None), step(0.05), dim=0)) == pytest.approx(1, rel=1e-9)


def test_clipping_acts_on_the_accumulated_gradient(training: Make, network: Make, samples: Make, batches: Make) -> None:
    def trained(sizes: list[int]) -> Tensor:
        model = network(dtype=torch.float64)
        loader = batches(samples(12, dtype=torch.float64), sizes)
        fit(training(model=model, train=loader, max_grad_norm=0.05, accumulation_steps=len(sizes)))
        return weights(model)

    torch.testing.assert_close(trained([5, 1, 6]), trained([12]), rtol=1e-9, atol=1e-9)


def explode(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=float("inf"))


def test_a_loss_that_is_no_number_ends_the_run_and_says_what_to_do(training: Make) -> None:
    spy = Spy()
    message = r"^train/loss is (nan|inf) in epoch 1; lower optimizer\.lr or max_grad_norm$"
    with pytest.raises(RunError, match=message):
        fit(training(optimizer=explode, callbacks=[spy]))
    assert [line.split()[0] for line in spy.log[-2:]] == ["step_end", "fit_end"]


def test_a_model_broken_by_the_last_step_of_an_epoch_is_found_by_its_validation(
    training: Make, samples: Make, batches: Make
) -> None:
    # The training loss was taken before the step, and is finite.
    spy = Spy()
    run = training(
        train=batches(samples(4), [4]), validation=batches(samples(4), [4]), optimizer=explode, callbacks=[spy]
    )
    with pytest.raises(RunError, match=r"^val/loss is (nan|inf) in epoch 1; lower optimizer\.lr"):
        fit(run)
    assert not any(line.startswith(("epoch_end", "checkpoint")) for line in spy.log)


def test_training_resumes_in_the_mode_it_needs_after_each_evaluation(training: Make, network: Make) -> None:
    modes: list[bool] = []

    class Mode(Callback):
        def on_step_end(self, state: FitState) -> None:
            modes.append(all(module.training for module in state.model.modules()))

    run = training()
    fit(training(model=network(norm=True).eval(), validation=run.train, callbacks=[Mode()]))
    assert modes == [True] * 8


def test_each_epoch_has_its_own_order(training: Make, samples: Make, batches: Make) -> None:
    seen: list[list[int]] = []

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x[:, 0, 0].tolist())
            return super().forward(x[:, 0])

    data = samples(8)
    fit(training(model=Watched(6, 3), train=batches(data, [8], seed=1), epochs=2))
    first, second = seen
    assert first != second
    assert sorted(first) == sorted(second) == sorted(data.inputs[:, 0, 0].tolist())


def test_progress_is_told_to_the_objective(training: Make) -> None:
    steps: list[tuple[int, int, float]] = []
    run: Training = training(epochs=2, accumulation_steps=2)
    supervised = run.objective

    def watched(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        steps.append((progress.epoch, progress.step, progress.fraction))
        return supervised(model, batch, progress)

    fit(dataclasses.replace(run, objective=watched))
    # The two batches of one step are at the same point of the run.
    assert steps == [(0, 0, 0.0)] * 2 + [(0, 1, 0.25)] * 2 + [(1, 2, 0.5)] * 2 + [(1, 3, 0.75)] * 2
