"""The parameters of a sweep as axes to draw and to measure along."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from raytrain.tuning.asked import Asked
from raytrain.tuning.records import TrialRecord

__all__ = ["Axis", "label", "parameter_axes"]

_SPREAD = 50.0  # without a manifest, positive numbers that span more than this ratio are drawn on a logarithmic axis


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter.

    Attributes:
        name: The dotted parameter.
        categories: Its values in order, as text, where they are no numbers on a scale; empty otherwise.
        low: Its least number; 0 where there are categories.
        high: Its largest number; 0 where there are categories.
        log: Whether its scale is logarithmic.
        whole: Whether all its numbers are whole.
    """

    name: str
    categories: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    @property
    def constant(self) -> bool:
        """Whether it has one value only."""
        return len(self.categories) == 1 if self.categories else self.low == self.high

    def position(self, value: Any) -> float:  # noqa: ANN401 - any value
        """Return where a value is between the axis' ends, 0 to 1; the middle of a constant one.

        >>> Axis("lr", low=0.001, high=0.1, log=True).position(0.01)
        0.5
        >>> Axis("model", categories=("a", "b", "c")).position("b")
        0.5
        """
        if self.constant:
            return 0.5
        if self.categories:
            return self.categories.index(label(value)) / (len(self.categories) - 1)
        low, high, at = (math.log(one) if self.log else one for one in (self.low, self.high, float(value)))
        return (at - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return positions along the axis and what they are called: each category, or the ends and the middle."""
        if self.categories:
            return [(self.position(one), one) for one in self.categories]
        if self.constant:
            return [(0.5, f"{self.low:.3g}")]
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        told = [self.low, float(round(middle)) if self.whole else middle, self.high]
        return [(self.position(one), f"{one:.3g}") for one in dict.fromkeys(told)]


def label(value: Any) -> str:  # noqa: ANN401 - any value
    """Return a value as text: strings as they are, all else as JSON.

    >>> label("wdcnn"), label(None), label([1, 2])
    ('wdcnn', 'null', '[1, 2]')
    """
    return value if isinstance(value, str) else json.dumps(value)


def parameter_axes(trials: Iterable[TrialRecord], asked: Asked) -> list[Axis]:
    """Return an axis per parameter that a trial had, in the order of the space, over the values that were tried.

    What a parameter is, a number on a linear or logarithmic scale or one of several values, is what the space says;
    a parameter of which it says nothing is judged by its values.
    """
    values: dict[str, list[Any]] = {name: [] for name in asked.parameters}
    for record in trials:
        for name, value in record.point.items():
            values.setdefault(name, []).append(value)
    return [_axis(name, tried, asked.parameters.get(name, {})) for name, tried in values.items() if tried]


def _axis(name: str, values: list[Any], distribution: Mapping[str, Any]) -> Axis:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not numbers or distribution.get("type") in ("choice", "grid"):
        return Axis(name, categories=tuple(_distinct(values, sort=numbers)))
    low, high = float(min(values)), float(max(values))
    whole = all(isinstance(value, int) for value in values)
    if distribution:
        log = distribution["type"] == "loguniform" or bool(distribution.get("log"))
    else:
        log = low > 0 and high / low > _SPREAD
    return Axis(name, low=low, high=high, log=log, whole=whole)


def _distinct(values: list[Any], *, sort: bool) -> list[str]:
    ordered = sorted(set(values)) if sort else sorted(values, key=label)
    return list(dict.fromkeys(map(label, ordered)))
