"""The time-frequency transforms by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raytrain.errors import ConfigError, nearest
from raytrain.tfr.cache import Images
from raytrain.tfr.short_time_fourier import Stft
from raytrain.tfr.smoothed_wigner_ville import SmoothedPseudoWvd
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.tfr.views import Views
from raytrain.tfr.wavelet import Cwt
from raytrain.tfr.wigner_ville import Wvd

__all__ = ["IMAGES", "TRANSFORMS", "create_transform"]

IMAGES: dict[str, type[TimeFrequencyTransform]] = {
    "cwt": Cwt,
    "smoothed_pseudo_wvd": SmoothedPseudoWvd,
    "stft": Stft,
    "wvd": Wvd,
}
"""What makes one image: name -> class, called as `cls(sample_rate_hz, *, settings...)`."""

TRANSFORMS: dict[str, type[TimeFrequencyTransform | Views]] = {**IMAGES, "views": Views}
"""What makes one image or several: name -> class, called as `cls(sample_rate_hz, *, settings...)`."""


def create_transform(name: str, *, sample_rate_hz: float, settings: Mapping[str, Any]) -> Images:
    """Create the transform `name` for signals of `sample_rate_hz`.

    >>> create_transform("stft", sample_rate_hz=12_000, settings={"hop": 64}).output_shape(2048)
    (65, 33)

    Raises:
        ConfigError: No transform has this name, or a setting is impossible.
    """
    if name not in TRANSFORMS:
        raise ConfigError(f"tfr.name: there is no transform {name!r}; {nearest(name, TRANSFORMS)}")
    return TRANSFORMS[name](sample_rate_hz, **settings)
