"""How command-line options become settings."""

from __future__ import annotations

from collections.abc import Sequence

from raytrain.errors import ConfigError

__all__ = ["parse_where"]


def parse_where(conditions: Sequence[str]) -> dict[str, list[str | float]]:
    """Turn `field=value,value` options into allowed values by field; a repeated field adds values.

    >>> parse_where(["severity=7, 14", "fault_type=ball", "severity=21"])
    {'severity': ['7', '14', '21'], 'fault_type': ['ball']}

    Raises:
        ConfigError: A field or its values are missing.
    """
    where: dict[str, list[str | float]] = {}
    for condition in conditions:
        field, _, text = condition.partition("=")
        values = [value.strip() for value in text.split(",") if value.strip()]
        if not field.strip() or not values:
            raise ConfigError(f"--where {condition}: expected field=value,value, for example severity=7,14")
        where.setdefault(field.strip(), []).extend(values)
    return where
