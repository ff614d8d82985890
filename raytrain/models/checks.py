"""Rules that model settings and model inputs share, each with an error that says what would work."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from raytrain.errors import ConfigError

__all__ = ["check_at_least", "check_dropout", "check_image", "check_no_gaps", "check_odd", "check_signal"]


def check_at_least(minimum: float, values: Mapping[str, float]) -> None:
    """Raise ConfigError if a named value is below `minimum` or not finite.

    >>> check_at_least(1, {"width": 0})
    Traceback (most recent call last):
    ...
    raytrain.errors.ConfigError: model.width must be a finite number of at least 1, got 0
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value >= minimum):
            raise ConfigError(f"model.{name} must be a finite number of at least {minimum:g}, got {value:g}")


def check_dropout(dropout: float) -> None:
    """Raise ConfigError unless `dropout` is a probability below one."""
    if not 0 <= dropout < 1:
        raise ConfigError(f"model.dropout must be at least 0 and below 1, got {dropout:g}")


def check_no_gaps(name: str, kernel: int, *, stride: int) -> None:
    """Raise ConfigError if `kernel` is shorter than the stride it moves by: the samples between would not be seen."""
    if kernel < stride:
        raise ConfigError(
            f"model.{name} must be at least the stride of {stride} samples, or samples are skipped; got {kernel}"
        )


def check_odd(name: str, value: int) -> None:
    """Raise ConfigError unless `value` is odd, which lets padding keep the length and the alignment."""
    if value % 2 == 0:
        raise ConfigError(f"model.{name} must be odd, so that padding keeps the length; got {value}, try {value + 1}")


def check_signal(signal: Tensor, *, in_channels: int, minimum_length: int) -> None:
    """Raise ConfigError unless `signal` is `[B, in_channels, T]` with `T >= minimum_length` samples."""
    shape = tuple(signal.shape)
    if len(shape) != 3 or shape[1] != in_channels:
        raise ConfigError(f"this model takes signals [batch, {in_channels}, samples], got {list(shape)}")
    if shape[2] < minimum_length:
        raise ConfigError(
            f"windows of {shape[2]} samples are too short: this model needs at least {minimum_length}; "
            "raise windows.length, or lower the model's stride or depth"
        )


def check_image(image: Tensor, *, in_channels: int, minimum_frequencies: int, minimum_times: int) -> None:
    """Raise ConfigError unless `image` is `[B, in_channels, F, T']` with at least the given rows and columns."""
    shape = tuple(image.shape)
    if len(shape) != 4 or shape[1] != in_channels:
        raise ConfigError(
            f"this model takes images [batch, {in_channels}, frequencies, times], got {list(shape)}; "
            "a time-frequency transform (tfr) makes them of signals"
        )
    if shape[2] < minimum_frequencies or shape[3] < minimum_times:
        raise ConfigError(
            f"images of {shape[2]} frequencies and {shape[3]} times are too small: this model needs at least "
            f"{minimum_frequencies} and {minimum_times}; lower tfr.hop or the model's depth, or raise the transform's "
            "frequencies or windows.length"
        )
