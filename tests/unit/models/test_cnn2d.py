from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from raytrain.errors import ConfigError
from raytrain.models.cnn2d import CNN2D, standardised


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def test_has_the_parameters_that_its_documentation_states() -> None:
    assert sum(parameter.numel() for parameter in CNN2D(1, 10).parameters()) == 25_154


def test_depth_width_growth_and_kernel_size_set_the_convolutions() -> None:
    model = CNN2D(2, 3, depth=3, width=10, growth=1.5, kernel_size=5)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in layers] == [(2, 10), (10, 15), (15, 22)]
    assert {layer.kernel_size for layer in layers} == {(5, 5)}


@pytest.mark.parametrize(("depth", "kernel_size"), [(1, 1), (3, 3), (4, 7)])
def test_minimum_size_is_the_smallest_the_layers_can_take(depth: int, kernel_size: int) -> None:
    model = CNN2D(1, 3, depth=depth, kernel_size=kernel_size).eval()
    rows, columns = model.minimum_frequencies, model.minimum_times
    assert model.features(images(2, 1, rows, columns)).shape[-2:] == (1, 1)
    for smaller in [(rows - 1, columns), (rows, columns - 1)]:
        with pytest.raises(RuntimeError, match=r"(?i)(output|kernel) size|non-zero|0 sample"):
            model.features(images(2, 1, *smaller))


def test_standardised_as_numpy_does() -> None:
    batch = 5 + 3 * images(4, 2, 7, 9)
    array = batch.double().numpy()
    expected = [(image - image.mean()) / np.std(image) for image in array]
    np.testing.assert_allclose(standardised(batch.double()).numpy(), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(standardised(batch).double(), torch.as_tensor(np.array(expected)), rtol=1e-5, atol=1e-5)


def test_channels_of_one_image_keep_their_ratio() -> None:
    batch = images(3, 2, 20, 20) * torch.tensor([1.0, 4.0])[:, None, None]
    deviations = standardised(batch).std(dim=(2, 3))
    torch.testing.assert_close(
        deviations[:, 1] / deviations[:, 0], batch.std(dim=(2, 3))[:, 1] / batch.std(dim=(2, 3))[:, 0]
    )


@pytest.mark.parametrize(("gain", "offset"), [(1e-4, 0.0), (1e3, 0.0), (1.0, -30.0)])
def test_scores_do_not_depend_on_the_unit_of_the_image(gain: float, offset: float) -> None:
    model = CNN2D(1, 3).eval()
    batch = images(2, 1, 32, 32)
    torch.testing.assert_close(model(batch * gain + offset), model(batch), rtol=1e-3, atol=1e-4)


def test_a_silent_image_gives_finite_scores_and_gradients() -> None:
    silent = torch.full((2, 1, 16, 16), -100.0, requires_grad=True)
    scores = CNN2D(1, 3).eval()(silent)
    scores.sum().backward()
    assert torch.isfinite(scores).all()
    assert silent.grad is not None
    assert torch.isfinite(silent.grad).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "model.depth must be a finite number of at least 1, got 0"),
        ({"width": 0}, "model.width"),
        ({"growth": 0.5}, "model.growth must be a finite number of at least 1, got 0.5"),
        ({"kernel_size": 4}, "model.kernel_size must be odd.*got 4, try 5"),
        ({"dropout": 1.0}, "model.dropout must be at least 0 and below 1, got 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CNN2D(1, 3, **settings)


def test_too_small_images_are_refused_with_what_would_work() -> None:
    with pytest.raises(ConfigError, match=r"images of 16 frequencies and 9 times .* at least 16 and 16; lower tfr.hop"):
        CNN2D(1, 3)(images(2, 1, 16, 9))
