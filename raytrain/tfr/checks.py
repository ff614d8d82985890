"""Rules that transform settings and signals share, each with an error that says what would work."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from raytrain.errors import ConfigError, DataError

__all__ = ["check_at_least", "check_odd", "check_sample_rate", "check_samples", "check_signal"]


def check_at_least(minimum: float, values: Mapping[str, float]) -> None:
    """Raise ConfigError if a named setting is below `minimum` or not finite.

    >>> check_at_least(1, {"hop": 0})
    Traceback (most recent call last):
    ...
    raytrain.errors.ConfigError: tfr.hop must be a finite number of at least 1, got 0
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value >= minimum):
            raise ConfigError(f"tfr.{name} must be a finite number of at least {minimum:g}, got {value:g}")


def check_odd(values: Mapping[str, int]) -> None:
    """Raise ConfigError unless each named window is of an odd number of samples, which gives it a middle."""
    for name, value in values.items():
        if value < 1 or value % 2 == 0:
            raise ConfigError(f"tfr.{name} must be odd and at least 1, got {value}; try {max(1, value + 1)}")


def check_sample_rate(sample_rate_hz: float) -> None:
    """Raise ConfigError unless the sample rate is positive and finite."""
    if not (math.isfinite(sample_rate_hz) and sample_rate_hz > 0):
        raise ConfigError(f"sample_rate_hz must be a positive finite number, got {sample_rate_hz:g}")


def check_samples(samples: int, minimum: int, *, remedy: str) -> None:
    """Raise ConfigError if windows of `samples` are shorter than a transform needs."""
    if samples < minimum:
        raise ConfigError(
            f"windows of {samples} samples are too short: this transform needs at least {minimum}; "
            f"raise windows.length, or {remedy}"
        )


def check_signal(signal: Tensor) -> None:
    """Raise DataError unless `signal` is `[B, C, T]`, T > 0, of a precision that Fourier transforms have everywhere."""
    if signal.ndim != 3 or not signal.shape[-1] or signal.dtype not in (torch.float32, torch.float64):
        raise DataError(
            "time-frequency transforms take signals [batch, channels, samples] of float32 or float64, "
            f"got {list(signal.shape)} of {str(signal.dtype).removeprefix('torch.')}"
        )
