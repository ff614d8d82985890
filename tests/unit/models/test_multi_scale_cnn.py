from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from raytrain.errors import ConfigError
from raytrain.models.multi_scale_cnn import MultiScaleCNN, coarse_grained


@pytest.mark.parametrize("scale", [1, 2, 3, 7])
@pytest.mark.parametrize("samples", [21, 100])
def test_coarse_grained_as_numpy_averages(scale: int, samples: int) -> None:
    signal = np.random.default_rng(0).normal(size=(2, 3, samples))
    kept = signal[..., : samples // scale * scale]
    expected = kept.reshape(2, 3, samples // scale, scale).mean(axis=-1)
    np.testing.assert_allclose(coarse_grained(torch.from_numpy(signal), scale).numpy(), expected, rtol=1e-12)


def test_a_tone_whose_period_is_the_scale_vanishes() -> None:
    tone = torch.sin(2 * torch.pi * torch.arange(300, dtype=torch.float64) / 3)[None, None]
    assert coarse_grained(tone, 3).abs().max() < 1e-12
    assert coarse_grained(tone, 2).abs().max() > 0.1


def test_each_branch_sees_its_own_scale() -> None:
    torch.manual_seed(0)
    model = MultiScaleCNN(2, 3, scales=3, width=4).double().eval()
    signal = torch.randn(3, 2, 600, dtype=torch.float64)
    grained = [signal, signal.unfold(-1, 2, 2).mean(-1), signal.unfold(-1, 3, 3).mean(-1)]
    expected = [branch(one).mean(dim=-1) for branch, one in zip(model.branches, grained, strict=True)]
    torch.testing.assert_close(model.embed(signal), torch.cat(expected, dim=1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scales", [1, 3, 4])
def test_parameters_are_as_counted_by_hand(scales: int) -> None:
    channels = [2, 10, 15, 22]
    branch = sum(before * after * 9 + 2 * after for before, after in pairwise(channels))
    model = MultiScaleCNN(2, 5, scales=scales, width=10, growth=1.5)
    assert sum(parameter.numel() for parameter in model.parameters()) == scales * branch + (scales * 22 + 1) * 5


def test_has_the_parameters_that_its_documentation_states() -> None:
    assert sum(parameter.numel() for parameter in MultiScaleCNN(1, 10).parameters()) == 72_154


@pytest.mark.parametrize(("scales", "depth", "stride"), [(1, 1, 1), (3, 3, 4), (5, 2, 3)])
def test_minimum_length_is_the_shortest_the_coarsest_branch_can_take(scales: int, depth: int, stride: int) -> None:
    model = MultiScaleCNN(1, 3, scales=scales, depth=depth, stride=stride, width=2).eval()

    def coarsest(samples: int) -> int:
        return int(model.branches[-1](coarse_grained(torch.zeros(1, 1, samples), scales)).shape[-1])

    assert coarsest(model.minimum_length) == 1
    with pytest.raises(RuntimeError, match=r"(?i)output size"):
        coarsest(model.minimum_length - 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scales": 0}, "model.scales must be a finite number of at least 1, got 0"),
        ({"depth": 0}, "model.depth"),
        ({"width": 0}, "model.width"),
        ({"growth": float("inf")}, "model.growth"),
        ({"kernel_size": 8}, "model.kernel_size must be odd.*got 8, try 9"),
        ({"kernel_size": 3}, "model.kernel_size must be at least the stride of 4 samples.*got 3"),
        ({"dropout": 2.0}, "model.dropout must be at least 0 and below 1, got 2"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiScaleCNN(1, 3, **settings)
