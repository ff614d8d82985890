from __future__ import annotations

import pytest

from raytrain.errors import ConfigError
from raytrain.tfr.build import IMAGES, TRANSFORMS, create_transform
from raytrain.tfr.views import Views
from raytrain.tfr.wavelet import Cwt


def test_the_tables_name_the_four_transforms_and_their_views() -> None:
    assert sorted(IMAGES) == ["cwt", "smoothed_pseudo_wvd", "stft", "wvd"]
    assert list(TRANSFORMS) == [*IMAGES, "views"]
    assert TRANSFORMS["views"] is Views


def test_settings_and_sample_rate_reach_the_transform() -> None:
    transform = create_transform("cwt", sample_rate_hz=800.0, settings={"frequency_bins": 7, "high_hz": 200.0})
    assert isinstance(transform, Cwt)
    assert transform.sample_rate_hz == 800
    assert transform.output_shape(2048)[0] == 7
    assert transform.frequencies_hz[-1].item() == pytest.approx(200)


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"tfr.name: there is no transform 'sftf'; did you mean 'stft'\?"):
        create_transform("sftf", sample_rate_hz=1.0, settings={})
