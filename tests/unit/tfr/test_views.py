from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ConfigDict, TypeAdapter
from torch import Tensor

from raytrain.config.parts import settings_of
from raytrain.errors import ConfigError
from raytrain.tfr import IMAGES, Cwt, Stft, Views, Wvd, create_transform
from raytrain.types import FINAL, Batch, Progress

RATE_HZ = 12_000.0
ALL: dict[str, dict[str, Any]] = {
    "stft": {"hop": 64},
    "cwt": {"frequency_bins": 5, "low_hz": 500.0},
    "wvd": {"frequency_bins": 32},
    "smoothed_pseudo_wvd": {"frequency_bins": 128},
}


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(3))


def test_each_view_is_what_its_transform_makes() -> None:
    signal = noise(3, 2, 1500)
    images = Views(RATE_HZ, **ALL).transform(signal)
    assert list(images) == list(ALL) == ["stft", "cwt", "wvd", "smoothed_pseudo_wvd"]
    for name, image in images.items():
        assert torch.equal(image, IMAGES[name](RATE_HZ, **ALL[name]).transform(signal))


def test_row_i_of_every_view_is_of_window_i() -> None:
    signal, order = noise(6, 1, 1024, dtype=torch.float64), torch.tensor([4, 0, 5, 2, 2, 1])
    views = Views(RATE_HZ)
    whole = views.transform(signal)
    batch = Batch(signal[order], torch.arange(6)[order])
    shuffled = views(batch, FINAL, torch.Generator()).inputs
    assert isinstance(shuffled, dict)
    for row, window in enumerate(order.tolist()):
        alone = views.transform(signal[window : window + 1])
        for name in views.transforms:
            torch.testing.assert_close(shuffled[name][row], whole[name][window], rtol=0, atol=0)
            torch.testing.assert_close(shuffled[name][row], alone[name][0], rtol=1e-10, atol=1e-10)


def test_by_default_there_are_three_views_at_their_own_defaults() -> None:
    views = create_transform("views", sample_rate_hz=RATE_HZ, settings={})
    assert isinstance(views, Views)
    assert [type(transform) for transform in views.transforms.values()] == [Stft, Cwt, Wvd]
    assert views.output_shapes(2048) == {"stft": (65, 65), "cwt": (64, 64), "wvd": (128, 64)}
    assert views.view_weights == {"stft": 1.0, "cwt": 1.0, "wvd": 1.0}
    assert views.in_evaluation


@pytest.mark.parametrize("samples", [1024, 2049])
def test_shapes_are_those_announced(samples: int) -> None:
    views = Views(RATE_HZ, **ALL)
    images = views.transform(noise(2, 3, samples))
    assert {name: tuple(image.shape[2:]) for name, image in images.items()} == views.output_shapes(samples)
    assert all(image.shape[:2] == (2, 3) for image in images.values())


def test_a_batch_gets_the_views_and_keeps_everything_else() -> None:
    signal = noise(2, 1, 1024)
    batch = Batch(signal, torch.tensor([0, 1]), {"load": torch.zeros(2)}, waveform=signal)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    result = Views(RATE_HZ)(batch, Progress(0, 0, 0.0), generator)
    assert torch.equal(generator.get_state(), before)
    assert result.targets is batch.targets
    assert result.conditions is batch.conditions
    assert result.measured is signal


def test_weights_are_carried_as_they_are_given() -> None:
    weights = {"wvd": 3.0, "stft": 1, "cwt": 0.5}
    assert Views(RATE_HZ, weights=weights).view_weights == {"stft": 1.0, "cwt": 0.5, "wvd": 3.0}


def test_settings_come_from_yaml_as_they_are_written() -> None:
    settings = settings_of(Views)
    assert list(settings) == ["stft", "cwt", "wvd", "smoothed_pseudo_wvd", "weights"]
    for name in ("stft", "wvd"):
        adapter = TypeAdapter(settings[name].annotation, config=ConfigDict(strict=True))
        assert adapter.validate_json('{"hop": 64}') == {"hop": 64}
        assert adapter.validate_json("null") is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stft": None, "cwt": None, "wvd": None}, "tfr: views needs at least one view, and all are null"),
        ({"stft": {"hopp": 3}}, r"tfr.stft.hopp: 'stft' has no such setting; did you mean 'hop'\?"),
        ({"wvd": {"hop": 0}}, "view wvd: tfr.hop must be a finite number of at least 1, got 0"),
        ({"weights": {"sftf": 1.0}}, r"tfr.weights.sftf: there is no such view; did you mean 'stft'\?"),
        ({"wvd": None, "weights": {"wvd": 1.0}}, r"tfr.weights.wvd: there is no such view; valid: cwt, stft"),
        ({"weights": {"stft": 0.0}}, "tfr.weights.stft must be positive and finite, got 0; null leaves a view out"),
        ({"weights": {"stft": float("nan")}}, "tfr.weights.stft must be positive and finite, got nan"),
        ({"weights": {"stft": 1.0}}, "tfr.weights must weigh every view or none; cwt, wvd has no weight"),
    ],
)
def test_what_is_impossible_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Views(RATE_HZ, **settings)


def test_windows_too_short_for_a_view_are_refused() -> None:
    with pytest.raises(ConfigError, match="windows of 489 samples are too short"):
        Views(RATE_HZ).output_shapes(489)
