"""Refusing impossible settings, all in the same words."""

from __future__ import annotations

from raytrain.errors import ConfigError

__all__ = ["require"]


def require(setting: str, value: object, rule: str, *, holds: bool) -> None:
    """Refuse `value` for a setting unless its rule holds.

    Raises:
        ConfigError: It does not.

    >>> require("schedule.gamma", 1.5, "above 0 and at most 1", holds=0 < 1.5 <= 1)
    Traceback (most recent call last):
    raytrain.errors.ConfigError: schedule.gamma must be above 0 and at most 1, got 1.5
    """
    if not holds:
        shown = f"{value:g}" if isinstance(value, int | float) else str(value)
        raise ConfigError(f"{setting} must be {rule}, got {shown}")
