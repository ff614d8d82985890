from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from raytrain.errors import ConfigError
from raytrain.models.wdcnn import WDCNN


def test_has_the_parameters_of_the_published_baseline_but_for_240_biases_before_batch_normalisation() -> None:
    assert 54_310 - (16 + 32 + 3 * 64) == 54_070
    assert sum(parameter.numel() for parameter in WDCNN(1, 10).parameters()) == 54_070


def test_blocks_have_the_papers_shapes_at_2048_samples() -> None:
    model = WDCNN(1, 10).eval()
    shapes = []
    signal = torch.randn(2, 1, 2048)
    for layer in model.features:
        signal = layer(signal)
        shapes.append(tuple(signal.shape[1:]))
    # Zhang et al. 2017, table 2: 64, 32, 16, 8 and 3 samples after the poolings.
    assert shapes == [(16, 64), (32, 32), (64, 16), (64, 8), (64, 3), (64, 3), (192,)]


def test_averaging_is_the_identity_at_2048_samples() -> None:
    model = WDCNN(1, 10).eval()
    signal = torch.randn(2, 1, 2048)
    blocks = model.features[:5](signal)
    assert torch.equal(model.features[5](blocks), blocks)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"kernel_size": 5, "first_kernel": 33, "first_stride": 4},
        {"first_kernel": 16, "first_stride": 16, "positions": 1},
    ],
)
def test_minimum_length_is_the_shortest_the_layers_can_take(settings: dict[str, Any]) -> None:
    model = WDCNN(1, 3, **settings).eval()
    model(torch.randn(1, 1, model.minimum_length))
    with pytest.raises(RuntimeError, match=r"(?i)output size"):
        model.features(torch.randn(1, 1, model.minimum_length - 1))


def test_minimum_length_of_the_defaults() -> None:
    assert WDCNN(1, 10).minimum_length == 1024


def test_dropout_acts_on_hidden_units_in_training_only() -> None:
    model = WDCNN(1, 3, dropout=0.5)
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == [0.5]
    hidden = torch.randn(4, 192)
    assert not torch.equal(model.classifier(hidden), model.classifier(hidden))
    model.eval()
    assert torch.equal(model.classifier(hidden), model.classifier(hidden))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "model.width must be a finite number of at least 1, got 0"),
        ({"positions": 0}, "model.positions"),
        ({"hidden": -1}, "model.hidden"),
        ({"first_stride": 0}, "model.first_stride"),
        ({"kernel_size": 4}, "model.kernel_size must be odd.*got 4, try 5"),
        ({"first_kernel": 8}, "model.first_kernel must be at least the stride of 16.*got 8"),
        ({"dropout": 1.0}, "model.dropout must be at least 0 and below 1, got 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WDCNN(1, 10, **settings)


def test_one_class_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model.num_classes must be a finite number of at least 2, got 1"):
        WDCNN(1, 1)
