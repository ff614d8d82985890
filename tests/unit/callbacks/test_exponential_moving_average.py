from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from raytrain.callbacks.exponential_moving_average import ExponentialMovingAverage, decay_at
from raytrain.engine.fit import Run, fit
from raytrain.errors import ConfigError
from raytrain.types import Callback, FitState

Make = Callable[..., Any]


@pytest.mark.parametrize("warmup", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_the_average_is_the_weighted_sum_of_all_weights_so_far(fit_state: Make, decay: float, warmup: bool) -> None:
    weights = np.random.default_rng(0).normal(size=12)
    state = fit_state()
    state.model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    callback = ExponentialMovingAverage(decay=decay, warmup=warmup)
    callback.on_fit_start(state)
    for weight in weights:
        nn.init.constant_(state.model.weight, weight)
        callback.on_step_end(state)
    # Weight k counts (1 - d_k) times the decays of all later updates.
    decays = [0.0, *(min(decay, (1 + n) / (10 + n)) if warmup else decay for n in range(1, 12))]
    shares = [(1 - decays[k]) * np.prod(decays[k + 1 :]) for k in range(12)]
    assert sum(shares) == pytest.approx(1.0)
    assert state.averaged_model.weight.item() == pytest.approx(np.dot(shares, weights), rel=1e-12)


def test_the_share_rises_to_the_decay() -> None:
    shares = [decay_at(update, decay=0.99, warmup=True) for update in range(2000)]
    assert shares == sorted(shares)
    assert shares[-1] == 0.99
    assert decay_at(0, decay=0.99, warmup=False) == 0.0


def test_parity_with_torch_on_a_real_run_with_batch_norm(training: Make) -> None:
    class Reference(Callback):
        def on_fit_start(self, state: FitState) -> None:
            average = get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
            self.model = AveragedModel(state.model, multi_avg_fn=average, use_buffers=True)

        def on_step_end(self, state: FitState) -> None:
            self.model.update_parameters(state.model)

    reference = Reference()
    state = fit(training(lambda _: [reference, ExponentialMovingAverage(decay=0.9, warmup=False)]))
    assert state.averaged_model is not None
    ours, theirs = state.averaged_model.state_dict(), reference.model.module.state_dict()
    assert ours.keys() == theirs.keys() == state.model.state_dict().keys()
    for name, value in ours.items():
        if value.is_floating_point():
            assert torch.equal(value, theirs[name]), name
            assert not torch.equal(value, state.model.state_dict()[name]), name
    # torch's cuts off what is after the point; ours is the count.
    assert ours["2.num_batches_tracked"] == state.model.state_dict()["2.num_batches_tracked"] == 20


def test_other_buffers_are_copied(fit_state: Make) -> None:
    state = fit_state()
    state.model.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    state.model.register_buffer("index", torch.tensor([3, 5]))
    callback = ExponentialMovingAverage(decay=0.9, warmup=False)
    callback.on_fit_start(state)
    for step in range(3):
        state.model.index.fill_(step)
        callback.on_step_end(state)
    assert state.averaged_model.mask.tolist() == [0.0, -torch.inf]
    assert state.averaged_model.index.tolist() == [2, 2]


def test_training_is_unchanged_and_the_average_is_what_is_judged(training: Make) -> None:
    plain = fit(training(lambda _: []))
    averaged = fit(training(lambda _: [ExponentialMovingAverage(decay=0.9)]))
    weights = plain.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in averaged.model.state_dict().items())
    assert [row["train/loss"] for row in averaged.history] == [row["train/loss"] for row in plain.history]
    assert [row["val/loss"] for row in averaged.history] != [row["val/loss"] for row in plain.history]
    assert averaged.averaged_model is not None
    assert not any(weight.requires_grad for weight in averaged.averaged_model.parameters())


def test_a_snapshot_has_the_average_under_the_models_own_names(training: Make) -> None:
    run = Run(training(lambda _: [ExponentialMovingAverage(decay=0.9)]))
    run.advance()
    run.close()
    snapshot = run.snapshot()
    run.training.model.load_state_dict(snapshot["averaged_model"])
    assert snapshot["callbacks"][0]["updates"] == 5


def test_the_same_object_goes_on_where_its_run_is_resumed(training: Make) -> None:
    def run_with(callback: ExponentialMovingAverage, resume: dict[str, Any] | None = None) -> FitState:
        return fit(training(lambda _: [callback], epochs=2 if resume is None else 4), resume=resume)

    whole = fit(training(lambda _: [ExponentialMovingAverage(decay=0.9)], epochs=4))
    callback = ExponentialMovingAverage(decay=0.9)
    resumed = run_with(callback, run_with(callback).snapshot())
    assert whole.averaged_model is not None
    assert resumed.averaged_model is not None
    expected = whole.averaged_model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.averaged_model.state_dict().items())


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_an_impossible_decay_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match=r"^callbacks.ema.decay must be at least 0 and below 1, got "):
        ExponentialMovingAverage(decay=decay)
