"""Choosing among recordings by what is known of them, and among their channels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TypeAlias

from raytrain.data.recording import Recording
from raytrain.errors import ConfigError, DataError, nearest

__all__ = ["check_datasets", "common_channels", "matches", "order_key", "select"]

Value: TypeAlias = str | float | None

_FIELDS = {field.name for field in fields(Recording)} - {"signal", "channels", "conditions", "source"}
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+))")


def matches(value: Value, wanted: str | float) -> bool:
    """Whether a recording's `value` is the `wanted` one: the same text, or the number the text begins with.

    >>> matches("7 mil", 7), matches("7 mil", "7"), matches("7 mil", "7 mil"), matches("14 mil", 7)
    (True, True, True, False)
    >>> matches(3.0, "3"), matches("6:00", "6:00"), matches(None, 0)
    (True, True, False)
    """
    if value is None or value == "":
        return False
    if str(value) == str(wanted):
        return True
    if isinstance(wanted, str) and not _NUMBER.fullmatch(wanted.strip()):
        return False
    return _leading_number(value) == float(wanted)


def order_key(value: str | float) -> tuple[float, str]:
    """Sort by leading number, then by text; without a number last. Leave out None and "" beforehand.

    >>> sorted(["21 mil", "severe", "7 mil"], key=order_key)
    ['7 mil', '21 mil', 'severe']
    """
    number = _leading_number(value)
    return (float("inf") if number is None else number, str(value))


def select(
    recordings: Sequence[Recording],
    *,
    dataset: Sequence[str] | None = None,
    where: Mapping[str, Sequence[str | float]] | None = None,
) -> list[Recording]:
    """Return the recordings of the data sets whose fields have allowed values.

    A recording without a field is kept: a healthy bearing has no severity and belongs to any choice of them.

    Args:
        recordings: What to choose from.
        dataset: Names of data sets; all when None.
        where: Field, or condition such as `oil_temperature_c` -> allowed values, compared by `matches`.

    Raises:
        ConfigError: A field or value is unknown; the message names those that are there.
        DataError: No recording is left.
    """
    chosen = list(recordings)
    if dataset is not None:
        check_datasets(dataset, {recording.dataset for recording in recordings})
        chosen = [recording for recording in chosen if recording.dataset in dataset]
    candidates = chosen
    for name, allowed in (where or {}).items():
        _check_values(candidates, name, allowed)
        chosen = [r for r in chosen if (value := _value(r, name)) in {None, ""} or _any(value, allowed)]
    if not chosen:
        raise DataError(f"data.where: none of {len(candidates)} recordings has all of {dict(where or {})}")
    return chosen


def check_datasets(wanted: Iterable[str], known: Collection[str]) -> None:
    """Raise ConfigError for a wanted data set that is not among those known."""
    for name in wanted:
        if name not in known:
            raise ConfigError(f"data.dataset: no recording belongs to {name!r}; {nearest(name, known)}")


def common_channels(recordings: Sequence[Recording], wanted: Sequence[str] | None) -> list[Recording]:
    """Return the recordings with the wanted channels only, in that order; with those all share when None.

    Raises:
        ConfigError: A recording lacks a wanted channel, or one is named twice.
        DataError: None is wanted and no channel is shared by all.
    """
    shared = [name for name in recordings[0].channels if all(name in recording.channels for recording in recordings)]
    if wanted is not None and (not wanted or len(set(wanted)) < len(wanted)):
        raise ConfigError(f"data.channels: channels must be named, each once, got {list(wanted)}")
    for name in wanted or ():
        for recording in recordings:
            if name not in recording.channels:
                has, share = ", ".join(recording.channels), ", ".join(shared) or "none"
                raise ConfigError(
                    f"data.channels: {recording.recording_id} has no {name!r} but {has}; all recordings share: {share}"
                )
    if wanted is None and not shared:
        sets = sorted({f"{recording.dataset}: {', '.join(recording.channels)}" for recording in recordings})
        raise DataError(f"no channel is shared by all recordings ({'; '.join(sets)}); choose by data.dataset")
    names = tuple(wanted or shared)
    return [_with_channels(recording, names) for recording in recordings]


def _with_channels(recording: Recording, names: tuple[str, ...]) -> Recording:
    if recording.channels == names:
        return recording
    rows = [recording.channels.index(name) for name in names]
    return replace(recording, signal=recording.signal[rows], channels=names)


def _check_values(recordings: Sequence[Recording], name: str, allowed: Sequence[str | float]) -> None:
    conditions = {condition for recording in recordings for condition in recording.conditions}
    if name not in _FIELDS and name not in conditions:
        raise ConfigError(f"data.where: no field {name!r}; {nearest(name, [*_FIELDS, *conditions])}")
    there = {value for recording in recordings if (value := _value(recording, name)) not in {None, ""}}
    for wanted in allowed:
        if not any(matches(value, wanted) for value in there):
            values = ", ".join(str(value) for value in sorted(there, key=order_key)) or "none"
            raise ConfigError(f"data.where.{name}: no recording has {wanted!r}; there are: {values}")


def _value(recording: Recording, name: str) -> Value:
    value: Value = getattr(recording, name) if name in _FIELDS else recording.conditions.get(name)
    return value


def _any(value: Value, allowed: Sequence[str | float]) -> bool:
    return any(matches(value, wanted) for wanted in allowed)


def _leading_number(value: str | float) -> float | None:
    if not isinstance(value, str):
        return float(value)
    found = _NUMBER.match(value)
    return float(found[1]) if found else None
