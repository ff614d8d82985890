"""One parameter's distribution: its values, its ends, what lies in it, and how a number in [0, 1) becomes a draw."""

from __future__ import annotations

import math
from typing import Any

from raytrain.config.space import Choice, Distribution, Grid, IntUniform, LogUniform, Uniform

__all__ = ["contains", "describe_range", "extremes", "finite_values", "quantile"]


def finite_values(distribution: Distribution) -> list[Any] | None:
    """Return all values of a distribution, or None when it is continuous."""
    if isinstance(distribution, IntUniform):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if isinstance(distribution, Choice | Grid):
        return list(distribution.values)
    return None


def extremes(distribution: Distribution) -> list[Any]:
    """Return the values at which a distribution can first break a rule: its ends, or all of a finite choice."""
    if isinstance(distribution, Choice | Grid):
        return list(distribution.values)
    return [distribution.low, distribution.high]


def contains(distribution: Distribution, value: Any) -> bool:  # noqa: ANN401 - any value
    """Return whether a distribution can give `value`; a whole number is a real one, but neither is a truth value."""
    if isinstance(distribution, Uniform | LogUniform):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and distribution.low <= value <= distribution.high
    return any(value == one and type(value) is type(one) for one in finite_values(distribution) or ())


def describe_range(distribution: Distribution) -> str:
    """Return what a value may be, for a message.

    >>> describe_range(Uniform(type="uniform", low=0, high=0.5))
    'between 0 and 0.5'
    >>> describe_range(Choice(type="choice", values=[8, 16]))
    'one of [8, 16]'
    """
    if isinstance(distribution, Uniform | LogUniform):
        return f"between {distribution.low:g} and {distribution.high:g}"
    if isinstance(distribution, IntUniform):
        steps = f" in steps of {distribution.step}" if distribution.step > 1 else ""
        return f"a whole number from {distribution.low} to {distribution.high}{steps}"
    return f"one of {list(distribution.values)}"


def quantile(distribution: Distribution, share: float) -> Any:  # noqa: ANN401 - any value
    """Return the value below which `share` of the distribution lies, 0 <= share < 1.

    This is its inverse distribution function: uniform shares give draws, evenly spread ones evenly spread draws, and
    0.5 the middle.
    """
    if isinstance(distribution, Uniform):
        return distribution.low + share * (distribution.high - distribution.low)
    if isinstance(distribution, LogUniform):
        # exp(log(low)) may be just below low.
        return min(max(_between_logs(distribution.low, distribution.high, share), distribution.low), distribution.high)
    if isinstance(distribution, IntUniform) and distribution.log:
        drawn = round(_between_logs(distribution.low - 0.5, distribution.high + 0.5, share))
        return min(max(drawn, distribution.low), distribution.high)
    values = finite_values(distribution) or []
    return values[int(share * len(values))]


def _between_logs(low: float, high: float, share: float) -> float:
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
