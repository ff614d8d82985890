from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from monai.networks.nets.resnet import ResNet, ResNetBlock
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.resnet1d import ResNet1D

STAGES: dict[Literal[18, 34], list[int]] = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3]}


def independent(depth: Literal[18, 34], *, width: int) -> ResNet:
    """Return monai's residual network of one dimension, of the shape of the paper's, for 2 channels and 5 classes."""
    return ResNet(
        ResNetBlock,
        STAGES[depth],
        [width, 2 * width, 4 * width, 8 * width],
        spatial_dims=1,
        n_input_channels=2,
        conv1_t_size=7,
        conv1_t_stride=2,
        num_classes=5,
        bias_downsample=False,
    )


def weights_in_order(model: nn.Module) -> dict[str, Tensor]:
    """Return the state of each convolution, normalisation and linear layer, shortcuts last, for a copy by position."""
    shortcut = ("shortcut", "downsample")
    layers = [
        (name, layer) for name, layer in model.named_modules() if not list(layer.children()) and layer.state_dict()
    ]
    ordered = sorted(layers, key=lambda item: any(word in item[0] for word in shortcut))
    return {
        f"{number}.{key}": value
        for number, (_, layer) in enumerate(ordered)
        for key, value in layer.state_dict().items()
    }


@pytest.mark.parametrize("depth", [18, 34])
def test_scores_are_those_of_an_independent_implementation(depth: Literal[18, 34]) -> None:
    torch.manual_seed(0)
    theirs = independent(depth, width=4).double()
    ours = ResNet1D(2, 5, depth=depth, width=4, first_kernel=7, first_stride=2).double()
    given, taken = weights_in_order(theirs), weights_in_order(ours)
    assert {key: value.shape for key, value in given.items()} == {key: value.shape for key, value in taken.items()}
    for key, value in taken.items():
        value.copy_(given[key])
    signal = torch.randn(3, 2, 513, dtype=torch.float64)
    torch.testing.assert_close(ours(signal), theirs(signal), rtol=1e-10, atol=1e-12)  # batch statistics
    torch.testing.assert_close(ours.eval()(signal), theirs.eval()(signal), rtol=1e-10, atol=1e-12)  # running ones


def counted(depth: Literal[18, 34], *, channels: int, classes: int, width: int, first: int, kernel: int) -> int:
    """Return the parameters by hand: each convolution's weights, two for each normalised channel."""
    total = channels * width * first + 2 * width
    before = width
    for stage, blocks in enumerate(STAGES[depth]):
        after = width * 2**stage
        total += before * after * kernel + (2 * blocks - 1) * after * after * kernel + 4 * blocks * after
        total += before * after + 2 * after if stage else 0
        before = after
    return total + before * classes + classes


@pytest.mark.parametrize("depth", [18, 34])
def test_parameters_are_as_counted_by_hand(depth: Literal[18, 34]) -> None:
    model = ResNet1D(3, 7, depth=depth, width=6, first_kernel=9, kernel_size=5)
    expected = counted(depth, channels=3, classes=7, width=6, first=9, kernel=5)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_has_the_parameters_that_its_documentation_states() -> None:
    assert sum(parameter.numel() for parameter in ResNet1D(1, 10).parameters()) == 243_546


@pytest.mark.parametrize("depth", [18, 34])
def test_depth_counts_the_layers_with_weights_without_shortcuts(depth: Literal[18, 34]) -> None:
    layers = [name for name, layer in ResNet1D(1, 3, depth=depth, width=2).named_modules() if hasattr(layer, "weight")]
    weighted = [name for name in layers if "shortcut" not in name]
    normalised = 1 + 2 * sum(STAGES[depth])
    assert len(weighted) - normalised == depth


@pytest.mark.parametrize("first_stride", [1, 3, 4])
def test_two_samples_are_left_of_the_shortest_window(first_stride: int) -> None:
    model = ResNet1D(1, 3, width=2, first_stride=first_stride)

    def left(samples: int) -> int:
        return int(model.stages(model.stem(torch.zeros(2, 1, samples))).shape[-1])

    assert left(model.minimum_length) == 2
    assert left(model.minimum_length - 1) == 1


def test_initial_weights_keep_the_variance_of_gradients() -> None:
    torch.manual_seed(0)
    model = ResNet1D(1, 3, width=32)
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d):
            spread = float(layer.weight.detach().std())
            assert spread == pytest.approx((2 / (layer.out_channels * layer.kernel_size[0])) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 50}, "model.depth must be 18 or 34, got 50"),
        ({"width": 0}, "model.width must be a finite number of at least 1, got 0"),
        ({"first_stride": 0}, "model.first_stride"),
        ({"first_kernel": 8}, "model.first_kernel must be odd.*got 8, try 9"),
        ({"first_kernel": 3}, "model.first_kernel must be at least the stride of 4 samples.*got 3"),
        ({"kernel_size": 2}, "model.kernel_size must be odd"),
        ({"dropout": 1.0}, "model.dropout must be at least 0 and below 1, got 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ResNet1D(1, 3, **settings)
