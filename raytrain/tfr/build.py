"""The time-frequency transforms by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raytrain.errors import ConfigError, nearest
from raytrain.tfr.short_time_fourier import Stft
from raytrain.tfr.smoothed_wigner_ville import SmoothedPseudoWvd
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.tfr.wavelet import Cwt
from raytrain.tfr.wigner_ville import Wvd

__all__ = ["TRANSFORMS", "create_transform"]

TRANSFORMS: dict[str, type[TimeFrequencyTransform]] = {
    "cwt": Cwt,
    "smoothed_pseudo_wvd": SmoothedPseudoWvd,
    "stft": Stft,
    "wvd": Wvd,
}
"""Name -> class, called as `cls(sample_rate_hz, *, settings...)`."""


def create_transform(name: str, *, sample_rate_hz: float, settings: Mapping[str, Any]) -> TimeFrequencyTransform:
    """Create the transform `name` for signals of `sample_rate_hz`.

    >>> create_transform("stft", sample_rate_hz=12_000, settings={"hop": 64}).output_shape(2048)
    (65, 33)

    Raises:
        ConfigError: No transform has this name, or a setting is impossible.
    """
    if name not in TRANSFORMS:
        raise ConfigError(f"tfr.name: there is no transform {name!r}; {nearest(name, TRANSFORMS)}")
    return TRANSFORMS[name](sample_rate_hz, **settings)
