"""Checks of settings that many augmentations share; each returns the value, so that it can be stored at once."""

from __future__ import annotations

from raytrain.errors import ConfigError

__all__ = ["check_above_zero", "check_not_negative", "check_share"]


def check_share(name: str, value: float) -> float:
    """Return `value`, the setting `name`, if it is in [0, 1]; else raise ConfigError."""
    if not 0 <= value <= 1:
        raise ConfigError(f"augmentation.{name} must be from 0 to 1, got {value:g}")
    return value


def check_above_zero(name: str, value: float) -> float:
    """Return `value`, the setting `name`, if it is above 0 and finite; else raise ConfigError."""
    if not 0 < value < float("inf"):
        raise ConfigError(f"augmentation.{name} must be above 0 and finite, got {value:g}")
    return value


def check_not_negative(name: str, value: float) -> float:
    """Return `value`, the setting `name`, if it is at least 0 and finite; else raise ConfigError."""
    if not 0 <= value < float("inf"):
        raise ConfigError(f"augmentation.{name} must be at least 0 and finite, got {value:g}")
    return value
