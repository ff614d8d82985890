from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from raytrain.callbacks.gradient_monitor import GradientMonitor, layer_norms
from raytrain.engine.fit import fit
from raytrain.errors import ConfigError
from raytrain.types import Callback, FitState

Make = Callable[..., Any]


def layers(*gradients: list[float] | None) -> Iterator[nn.Parameter]:
    for values in gradients:
        parameter = nn.Parameter(torch.zeros(len(values or [0.0])))
        parameter.grad = None if values is None else torch.tensor(values)
        yield parameter


def test_norms_are_those_of_numpy() -> None:
    drawn = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    a, b, c, d = layers(*drawn.tolist())
    expected = [np.linalg.norm(drawn[:2]), np.linalg.norm(drawn[2:])]
    assert layer_norms({"x": [a, b], "y": [c, d]}).tolist() == pytest.approx(expected, rel=1e-6)


def test_clipping_is_undone() -> None:
    parameters = list(layers([3.0, 4.0], [12.0, 0.0], [84.0, 0.0]))
    named = {name: [parameter] for name, parameter in zip("abc", parameters, strict=True)}
    before = layer_norms(named)
    total = nn.utils.clip_grad_norm_(parameters, 1.0)
    assert layer_norms(named).square().sum().sqrt().item() == pytest.approx(1.0, rel=1e-5)
    assert layer_norms(named, total=total).tolist() == pytest.approx(before.tolist(), rel=1e-5) == [5, 12, 84]


@pytest.mark.parametrize("total", [None, torch.tensor(0.0)])
def test_nothing_to_measure_is_zero(total: torch.Tensor | None) -> None:
    frozen, still = layers(None, [0.0, 0.0])
    assert layer_norms({"frozen": [frozen], "still": [still]}, total=total).tolist() == [0.0, 0.0]
    assert layer_norms({"frozen": [frozen]}, total=total).tolist() == [0.0]


def epoch(monitor: GradientMonitor, state: FitState, norms: list[float]) -> dict[str, float]:
    """Tell an epoch whose gradients have these norms, all in the weight of a linear layer."""
    monitor.on_epoch_start(state)
    weight, bias = state.model.parameters()
    for norm in norms:
        weight.grad, bias.grad = torch.full_like(weight, norm), torch.zeros_like(bias)
        monitor.on_step_end(state)
    state.metrics = {}
    monitor.on_epoch_end(state)
    return state.metrics


@pytest.mark.parametrize(
    ("interval", "mean", "largest"), [(1, 3.0, 5.0), (2, 3.0, 5.0), (3, 2.5, 4.0), (4, 3.0, 5.0), (100, 1.0, 1.0)]
)
def test_it_looks_at_the_first_step_and_every_interval_from_there(
    fit_state: Make, interval: int, mean: float, largest: float
) -> None:
    monitor, state = GradientMonitor(log_interval=interval), fit_state()
    monitor.on_fit_start(state)
    for _ in range(2):
        metrics = epoch(monitor, state, [1.0, 2.0, 3.0, 4.0, 5.0])
        assert metrics == pytest.approx({"gradient/norm": mean, "gradient/norm_max": largest})
    assert monitor.history == [pytest.approx({"Linear": mean})] * 2


def test_each_is_told_once_per_epoch_by_the_writer(fit_state: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="raytrain")
    for is_writer in (False, True):
        monitor, state = GradientMonitor(log_interval=1, alert_threshold=5.0), fit_state(is_writer=is_writer)
        monitor.on_fit_start(state)
        epoch(monitor, state, [1.0, 5.0])
        assert caplog.messages == []
        epoch(monitor, state, [50.0, 60.0, 1e-9])
        epoch(monitor, state, [1e-9, 1e-8])
        epoch(monitor, state, [math.nan, 1.0])
    exploding, vanishing, unknown = caplog.messages
    assert exploding == (
        "epoch 1: gradients explode, their norm before clipping reached 60 (alert_threshold 5); "
        "lower optimizer.lr or max_grad_norm"
    )
    assert vanishing.startswith("epoch 1: gradients vanish, their norm stayed below 1e-07 in Linear; add normalisation")
    assert "gradients explode, their norm before clipping reached nan" in unknown
    assert {record.name for record in caplog.records} == {"raytrain"}


def test_in_a_real_run_norms_are_those_before_clipping(training: Make) -> None:
    class Norms(Callback):
        def __init__(self) -> None:
            self.seen: list[float] = []

        def on_step_end(self, state: FitState) -> None:
            assert state.gradient_norm is not None
            self.seen.append(state.gradient_norm.item())

    monitor, norms = GradientMonitor(log_interval=1), Norms()
    state = fit(training(lambda _: [monitor, norms], epochs=1, max_grad_norm=1e-3))
    assert min(norms.seen) > 0.1
    assert state.metrics["gradient/norm"] == pytest.approx(np.mean(norms.seen), rel=1e-5)
    assert state.metrics["gradient/norm_max"] == pytest.approx(max(norms.seen), rel=1e-5)
    assert list(monitor.history[0]) == ["1", "2", "5"]
    unclipped = fit(training(lambda _: [GradientMonitor(log_interval=1)], epochs=1, max_grad_norm=None))
    assert unclipped.metrics["gradient/norm"] > 0.1


def test_a_shared_weight_counts_once(fit_state: Make) -> None:
    state = fit_state()
    first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    second.weight = first.weight
    state.model = nn.Sequential(first, second)
    first.weight.grad = torch.full((2, 2), 1.5)
    monitor = GradientMonitor()
    monitor.on_fit_start(state)
    monitor.on_epoch_start(state)
    monitor.on_step_end(state)
    monitor.on_epoch_end(state)
    assert monitor.history == [{"0": 3.0}]
    assert state.metrics["gradient/norm"] == 3.0


def test_a_frozen_layer_does_not_vanish(fit_state: Make, caplog: pytest.LogCaptureFixture) -> None:
    state = fit_state()
    state.model = nn.Sequential(nn.Linear(2, 2).requires_grad_(requires_grad=False), nn.Linear(2, 1))
    monitor = GradientMonitor()
    monitor.on_fit_start(state)
    monitor.on_epoch_start(state)
    state.model(torch.ones(1, 2)).sum().backward()
    monitor.on_step_end(state)
    monitor.on_epoch_end(state)
    assert list(monitor.history[0]) == ["1"]
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"log_interval": 0}, "log_interval must be at least 1, got 0"),
        (
            {"vanishing_threshold": -1.0},
            r"vanishing_threshold must be at least 0 and below alert_threshold \(10\)",
        ),
        ({"alert_threshold": 1e-8}, r"below alert_threshold \(1e-08\), got 1e-07$"),
    ],
)
def test_an_impossible_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GradientMonitor(**settings)
