from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import nn

from raytrain.errors import ConfigError
from raytrain.models.cnn1d import CNN1D


def convolutions(model: CNN1D) -> list[nn.Conv1d]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Conv1d)]


def test_depth_width_and_growth_set_the_channels() -> None:
    layers = convolutions(CNN1D(2, 3, depth=3, width=10, growth=1.5))
    assert [(layer.in_channels, layer.out_channels) for layer in layers] == [(2, 10), (10, 15), (15, 22)]


def test_only_the_first_convolution_strides() -> None:
    layers = convolutions(CNN1D(1, 3, depth=3, stride=5, kernel_size=7))
    assert [layer.stride[0] for layer in layers] == [5, 1, 1]
    assert {layer.kernel_size[0] for layer in layers} == {7}


@pytest.mark.parametrize(("depth", "stride", "kernel_size"), [(1, 1, 1), (3, 4, 9), (4, 8, 9), (5, 3, 31)])
def test_minimum_length_is_the_shortest_the_layers_can_take(depth: int, stride: int, kernel_size: int) -> None:
    model = CNN1D(1, 3, depth=depth, stride=stride, kernel_size=kernel_size).eval()
    assert model.features(torch.randn(2, 1, model.minimum_length)).shape[-1] == 1
    with pytest.raises(RuntimeError, match=r"(?i)output size"):
        model.features(torch.randn(2, 1, model.minimum_length - 1))


def test_pooling_is_the_average_the_maximum_or_both_over_time() -> None:
    features = torch.tensor([[[1.0, 2.0, 6.0], [-1.0, -1.0, -4.0]]])
    expected: dict[Literal["average", "max", "both"], list[float]] = {
        "average": [3.0, -2.0],
        "max": [6.0, -1.0],
        "both": [3.0, -2.0, 6.0, -1.0],
    }
    for pooling, values in expected.items():
        assert CNN1D(1, 3, pooling=pooling)._pool(features).tolist() == [values]


def test_parameters_do_not_depend_on_the_window_length() -> None:
    model = CNN1D(1, 3).eval()
    periodic = torch.randn(1, 1, 256).repeat(1, 1, 16)
    short, long = model(periodic[..., :2048]), model(periodic)
    # Of a periodic signal only the padded ends differ, whose share of the average falls with the length.
    torch.testing.assert_close(short, long, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "model.depth must be a finite number of at least 1, got 0"),
        ({"growth": 0.5}, "model.growth must be a finite number of at least 1, got 0.5"),
        ({"growth": float("nan")}, "model.growth"),
        ({"stride": 0}, "model.stride"),
        ({"kernel_size": 8}, "model.kernel_size must be odd.*got 8, try 9"),
        ({"dropout": -0.1}, "model.dropout"),
        ({"pooling": "median"}, "model.pooling must be average, max or both, got 'median'"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CNN1D(1, 3, **settings)
