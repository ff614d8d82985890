"""The time-frequency transforms by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raytrain.errors import ConfigError, nearest
from raytrain.tfr.cache import CachedImages, ImageLoader, Images
from raytrain.tfr.short_time_fourier import Stft
from raytrain.tfr.smoothed_wigner_ville import SmoothedPseudoWvd
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.tfr.views import Views
from raytrain.tfr.wavelet import Cwt
from raytrain.tfr.wigner_ville import Wvd
from raytrain.types import Loader

__all__ = ["IMAGES", "TRANSFORMS", "create_transform", "with_images"]

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


def with_images(
    loader: Loader, transform: Images, *, count: int, limit_mb: float, keep_waveform: bool = False
) -> ImageLoader:
    """Return a loader of images, each made once where all of them may be kept, for a run that changes no signals.

    Args:
        loader: Batches of signals that say which windows they have.
        transform: What makes the images.
        count: Windows of the loader.
        limit_mb: Mebibytes that the images may take; where they would take more, they are made in every epoch.
        keep_waveform: Whether batches keep the signal as `Batch.waveform`.

    >>> from raytrain.types import Batch
    >>> with_images([], Wvd(12_000), count=1000, limit_mb=256).images.caching is None  # till the first batch
    True
    """
    images = CachedImages(transform, count=count, limit_mb=limit_mb)
    return ImageLoader(loader, images, keep_waveform=keep_waveform)
