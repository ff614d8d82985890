"""Several time-frequency images of each window, by name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from raytrain.errors import ConfigError, nearest
from raytrain.tfr.short_time_fourier import Stft
from raytrain.tfr.smoothed_wigner_ville import SmoothedPseudoWvd
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.tfr.wavelet import Cwt
from raytrain.tfr.wigner_ville import Wvd
from raytrain.types import Batch, Progress

__all__ = ["Views"]


class Views:
    """Several time-frequency images of each window, by name, for a model that weighs what it sees in each.

    A `raytrain.types.BatchTransform` that also runs in evaluation: the batch's signal `[B, C, T]` becomes a mapping of
    images `[B, C, F, T']`. Row i of every image is of window i, since all are made of the same batch.

    At their defaults windows of 2048 samples take 52 us (stft), 2300 us (cwt), 110 us (wvd) and 650 us
    (smoothed_pseudo_wvd) on one core of a CPU, once where images are kept (`CachedImages`); `cwt: {frequency_bins: 32}`
    halves its time.

    Source: each view names its own; of weighing them, M. Stone, "The opinion pool", Annals of Mathematical
    Statistics 32(4), 1961.

    >>> views = Views(12_000, stft={"hop": 64}, cwt=None, weights={"stft": 2.0, "wvd": 1.0})
    >>> views.output_shapes(2048), views.view_weights
    ({'stft': (65, 33), 'wvd': (128, 64)}, {'stft': 2.0, 'wvd': 1.0})
    >>> batch = Batch(torch.zeros(3, 1, 2048), torch.zeros(3, dtype=torch.int64))
    >>> images = views(batch, Progress(0, 0, 0.0), torch.Generator()).inputs
    >>> {name: tuple(image.shape) for name, image in images.items()}
    {'stft': (3, 1, 65, 33), 'wvd': (3, 1, 128, 64)}

    Args:
        sample_rate_hz: Samples per second of the signals.
        stft: Settings of the short-time Fourier transform; null for none of it.
        cwt: Settings of the wavelet transform; null for none of it.
        wvd: Settings of the Wigner-Ville distribution; null for none of it.
        smoothed_pseudo_wvd: Settings of its smoothed variant; null for none of it.
        weights: How much each view counts, positive, of any sum; all views alike where empty.

    Attributes:
        in_evaluation: True.
        transforms: The transform of each view.
        view_weights: The weight of each view as given, 1 where none were.
        worth_keeping: Whether one of the views is better kept than made anew in every epoch.

    Raises:
        ConfigError: There is no view, a setting is unknown or impossible, or weights are not one for each view.
    """

    in_evaluation: bool = True

    def __init__(
        self,
        sample_rate_hz: float,
        *,
        stft: Mapping[str, Any] | None = {},
        cwt: Mapping[str, Any] | None = {},
        wvd: Mapping[str, Any] | None = {},
        smoothed_pseudo_wvd: Mapping[str, Any] | None = None,
        weights: Mapping[str, float] = {},
    ) -> None:
        asked = {
            "stft": (Stft, stft),
            "cwt": (Cwt, cwt),
            "wvd": (Wvd, wvd),
            "smoothed_pseudo_wvd": (SmoothedPseudoWvd, smoothed_pseudo_wvd),
        }
        self.sample_rate_hz = float(sample_rate_hz)
        self.transforms: dict[str, TimeFrequencyTransform] = {
            name: _created(name, kind, sample_rate_hz, settings)
            for name, (kind, settings) in asked.items()
            if settings is not None
        }
        if not self.transforms:
            raise ConfigError("tfr: views needs at least one view, and all are null")
        self.view_weights = _checked_weights(weights, self.transforms)
        self.worth_keeping = any(transform.worth_keeping for transform in self.transforms.values())

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch with its signal replaced by the views; nothing is drawn."""
        return replace(batch, inputs=self.transform(batch.signal))

    def transform(self, signal: Tensor) -> dict[str, Tensor]:
        """Return the images `[B, C, F, T']` of signals `[B, C, T]`, by the name of the view.

        Raises:
            ConfigError: T is too short for a view.
            DataError: It is no such tensor of float32 or float64.
        """
        return {name: transform.transform(signal) for name, transform in self.transforms.items()}

    def output_shapes(self, samples: int) -> dict[str, tuple[int, int]]:
        """Return the rows F and columns T' of each view of a window of `samples`.

        Raises:
            ConfigError: The window is too short for a view.
        """
        return {name: transform.output_shape(samples) for name, transform in self.transforms.items()}


def _created(
    view: str, kind: type[TimeFrequencyTransform], sample_rate_hz: float, settings: Mapping[str, Any]
) -> TimeFrequencyTransform:
    known = list(inspect.signature(kind).parameters)[1:]
    for setting in settings:
        if setting not in known:
            raise ConfigError(f"tfr.{view}.{setting}: {view!r} has no such setting; {nearest(setting, known)}")
    try:
        return kind(sample_rate_hz, **settings)
    except ConfigError as error:
        raise ConfigError(f"view {view}: {error}") from error


def _checked_weights(weights: Mapping[str, float], views: Mapping[str, TimeFrequencyTransform]) -> dict[str, float]:
    for name, weight in weights.items():
        if name not in views:
            raise ConfigError(f"tfr.weights.{name}: there is no such view; {nearest(name, views)}")
        if not (math.isfinite(weight) and weight > 0):
            raise ConfigError(f"tfr.weights.{name} must be positive and finite, got {weight:g}; null leaves a view out")
    if missing := [name for name in views if weights and name not in weights]:
        raise ConfigError(f"tfr.weights must weigh every view or none; {', '.join(missing)} has no weight")
    return {name: float(weights.get(name, 1.0)) for name in views}
