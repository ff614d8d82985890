from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.models.ticnn import TICNN, DisturbedConv1d, drop_weights


def test_blocks_have_the_papers_shapes_at_2048_samples() -> None:
    model = TICNN(1, 10).eval()
    shapes = []
    signal = torch.randn(2, 1, 2048)
    for layer in model.features:
        signal = layer(signal)
        shapes.append(tuple(signal.shape[1:]))
    # Zhang et al. 2018: six poolings leave 128, 64, 32, 16, 8 and 3 samples.
    assert shapes == [(16, 128), (32, 64), (64, 32), (64, 16), (64, 8), (64, 3), (64, 3), (192,)]


def test_parameters_are_as_counted_by_hand() -> None:
    convolutions = [(1, 16, 64), (16, 32, 3), (32, 64, 3), (64, 64, 3), (64, 64, 3), (64, 64, 3)]
    expected = sum(before * after * kernel + 2 * after for before, after, kernel in convolutions)
    expected += 192 * 100 + 100 + 100 * 10 + 10
    assert sum(parameter.numel() for parameter in TICNN(1, 10).parameters()) == expected == 66_486


def test_only_the_first_kernel_is_disturbed() -> None:
    model = TICNN(1, 10)
    assert [name for name, layer in model.named_modules() if isinstance(layer, DisturbedConv1d)] == ["features.0.0"]


def test_evaluation_is_a_plain_convolution() -> None:
    layer = DisturbedConv1d(2, 4, 16, stride=4, padding=6, least=0.1, most=0.9).eval()
    signal = torch.randn(3, 2, 100)
    assert torch.equal(layer(signal), functional.conv1d(signal, layer.weight, stride=4, padding=6))


def test_one_kernel_serves_all_samples_of_a_step_and_another_the_next() -> None:
    torch.manual_seed(0)
    layer = DisturbedConv1d(1, 4, 16, stride=4, padding=6, least=0.1, most=0.9)
    same = torch.randn(1, 1, 100).expand(5, 1, 100)
    first, second = layer(same), layer(same)
    torch.testing.assert_close(first, first[:1].expand_as(first))
    assert not torch.allclose(first, second)


def test_the_rate_is_uniform_between_its_bounds() -> None:
    torch.manual_seed(0)
    layer = DisturbedConv1d(1, 64, 64, stride=64, padding=0, least=0.1, most=0.9)
    nn.init.ones_(layer.weight)
    impulses = torch.eye(64)[:, None]  # the response to the k-th is the k-th weight of each kernel
    rates = torch.stack([(layer(impulses) == 0).float().mean() for _ in range(400)])
    assert 0.08 < rates.min() < 0.13
    assert 0.87 < rates.max() < 0.92
    assert float(rates.mean()) == pytest.approx(0.5, abs=0.04)
    assert float(rates.std()) == pytest.approx(0.8 / 12**0.5, abs=0.02)


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_dropped_weights_keep_the_expectation_of_their_squares(rate: float) -> None:
    torch.manual_seed(0)
    dropped = drop_weights(torch.full((100_000,), 3.0, dtype=torch.float64), torch.tensor(rate, dtype=torch.float64))
    assert dropped.dtype == torch.float64
    assert float((dropped == 0).double().mean()) == pytest.approx(rate, abs=0.005)
    assert float(dropped.square().mean()) == pytest.approx(9.0, rel=0.03)
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 3 / (1 - rate) ** 0.5))


def test_running_statistics_of_training_hold_in_evaluation_where_the_input_is_noise() -> None:
    torch.manual_seed(0)
    layer = DisturbedConv1d(1, 16, 64, stride=8, padding=28, least=0.1, most=0.9)
    noise = torch.randn(8, 1, 2048)
    disturbed = torch.stack([layer(noise).detach().var(dim=(0, 2)) for _ in range(300)]).mean(dim=0)
    undisturbed = layer.eval()(noise).detach().var(dim=(0, 2))
    torch.testing.assert_close(disturbed, undisturbed, rtol=0.1, atol=0)


def test_the_gradient_reaches_the_weights_that_were_kept_only() -> None:
    torch.manual_seed(0)
    weight = torch.ones(1000, requires_grad=True)
    dropped = drop_weights(weight, torch.tensor(0.5))
    torch.autograd.backward(dropped.sum())
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, dropped.detach())


def test_no_interference_is_a_plain_network() -> None:
    torch.manual_seed(0)
    model = TICNN(1, 3, least_interference=0.0, most_interference=0.0)
    signal = torch.randn(4, 1, 2048)
    torch.testing.assert_close(model(signal), model(signal), rtol=0, atol=0)


@pytest.mark.parametrize(
    "settings",
    [{}, {"kernel_size": 5, "first_kernel": 33, "first_stride": 4}, {"first_kernel": 16, "first_stride": 16}],
)
def test_minimum_length_is_the_shortest_the_layers_can_take(settings: dict[str, Any]) -> None:
    model = TICNN(1, 3, **settings).eval()
    model(torch.randn(1, 1, model.minimum_length))
    with pytest.raises(RuntimeError, match=r"(?i)output size"):
        model.features(torch.randn(1, 1, model.minimum_length - 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "model.width must be a finite number of at least 1, got 0"),
        ({"positions": 0}, "model.positions"),
        ({"kernel_size": 4}, "model.kernel_size must be odd.*got 4, try 5"),
        ({"first_kernel": 7}, "model.first_kernel must be at least the stride of 8 samples.*got 7"),
        ({"most_interference": 1.0}, "0 <= least <= most < 1, got 0.1 and 1"),
        ({"least_interference": 0.95}, "0 <= least <= most < 1, got 0.95 and 0.9"),
        ({"dropout": 1.0}, "model.dropout must be at least 0 and below 1, got 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TICNN(1, 10, **settings)
