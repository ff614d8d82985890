from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.models.cnn2d import standardised
from raytrain.models.resnet2d import ResNet2D


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(4))


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def reference(model: ResNet2D, image: Tensor, *, depth: int) -> Tensor:
    """He et al. 2016 written down from the weights in the order of the state: evaluation mode, plain functions."""
    state: Iterator[Tensor] = iter(
        [value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")]
    )

    def normalised(features: Tensor) -> Tensor:
        gain, offset, mean, variance = (next(state)[:, None, None] for _ in range(4))
        return (features - mean) / torch.sqrt(variance + 1e-5) * gain + offset

    def block(features: Tensor, *, stride: int, projected: bool) -> Tensor:
        residual = functional.relu(normalised(functional.conv2d(features, next(state), stride=stride, padding=1)))
        residual = normalised(functional.conv2d(residual, next(state), padding=1))
        shortcut = normalised(functional.conv2d(features, next(state), stride=stride)) if projected else features
        return functional.relu(residual + shortcut)

    features = functional.relu(normalised(functional.conv2d(image, next(state), stride=2, padding=1)))
    for stage, blocks in enumerate({18: [2, 2, 2, 2], 34: [3, 4, 6, 3]}[depth]):
        for number in range(blocks):
            first = stage > 0 and number == 0
            features = block(features, stride=2 if first else 1, projected=first)
    return functional.linear(features.mean(dim=(2, 3)), next(state), next(state))


@pytest.mark.parametrize("depth", [18, 34])
def test_scores_are_those_of_the_paper_written_down(depth: Literal[18, 34]) -> None:
    model = ResNet2D(2, 3, depth=depth, width=4).double()
    model(images(4, 2, 33, 40).double())  # moves the running statistics
    model.eval()
    batch = images(3, 2, 41, 35).double()
    torch.testing.assert_close(model(batch), reference(model, standardised(batch), depth=depth), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("depth", "published"), [(18, 11_689_512), (34, 21_797_672)])
def test_has_the_published_parameters_but_for_the_stem(depth: Literal[18, 34], published: int) -> None:
    with torch.device("meta"):
        model = ResNet2D(3, 1000, depth=depth, width=64)
    assert count(model) == published - 64 * 3 * 7 * 7 + 64 * 3 * 3 * 3


def test_has_the_parameters_that_its_documentation_states() -> None:
    assert count(ResNet2D(1, 10)) == 701_178


@pytest.mark.parametrize("first_stride", [1, 2, 3])
def test_images_of_the_minimum_size_leave_one_row_and_two_columns(first_stride: int) -> None:
    model = ResNet2D(1, 3, width=2, first_stride=first_stride).eval()
    rows, columns = model.minimum_frequencies, model.minimum_times
    assert model.features(images(1, 1, rows, columns)).shape[-2:] == (1, 2)
    assert model.features(images(1, 1, rows, columns - 1)).shape[-2:] == (1, 1)


def test_scores_do_not_depend_on_the_unit_of_the_image() -> None:
    model = ResNet2D(1, 3, width=4).eval()
    batch = images(2, 1, 33, 33)
    torch.testing.assert_close(model(40 * batch - 30), model(batch), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 50}, "model.depth must be 18 or 34, got 50"),
        ({"width": 0}, "model.width must be a finite number of at least 1, got 0"),
        ({"first_stride": 0}, "model.first_stride must be a finite number of at least 1, got 0"),
        ({"first_stride": 4}, "model.first_stride must be at most 3, .* got 4"),
        ({"dropout": 1.0}, "model.dropout must be at least 0 and below 1, got 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ResNet2D(1, 3, **settings)


def test_too_small_images_are_refused_with_what_would_work() -> None:
    with pytest.raises(ConfigError, match=r"65 frequencies and 16 times .* at least 16 and 17; lower tfr.hop"):
        ResNet2D(1, 3)(images(2, 1, 65, 16))
