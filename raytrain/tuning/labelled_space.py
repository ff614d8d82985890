"""A space over any values, estimators and functions among them, as proposers and studies take spaces: by labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from raytrain.config.load import validate
from raytrain.config.space import Choice, Distribution, Grid, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.errors import ConfigError
from raytrain.tuning.proposers import RandomProposer
from raytrain.tuning.space import Point, count_points, ordered

__all__ = ["LabelledSpace", "sample_labelled"]

_OURS = Uniform | LogUniform | IntUniform | Choice | Grid
_ATTEMPTS = 1000
_LABEL_TYPES = str | int | float | bool | None


class LabelledSpace:
    """A space whose values are labels that JSON can hold, and the values that they stand for.

    Args:
        parsed: Parameter -> list or distribution.

    Raises:
        ConfigError: Two values of a parameter have the same label, or a distribution is none that can be bounded.
    """

    def __init__(self, parsed: Mapping[str, Any]) -> None:
        self.parameters: dict[str, Distribution] = {}
        self._values: dict[str, dict[str, Any]] = {}
        for name, one in parsed.items():
            if isinstance(one, list):
                labels = [_label(value) for value in one]
                self._values[name] = {repr(label): value for label, value in zip(labels, one, strict=True)}
                if len(self._values[name]) < len(one):
                    raise ConfigError(f"param_grid.{name}: values must differ, got {one}")
                self.parameters[name] = Choice(type="choice", values=labels)
            else:
                self.parameters[name] = _bounded(name, one)

    def config(self, **sections: Any) -> SpaceConfig:  # noqa: ANN401 - sections of a space
        """Return the space as proposers take it, with further sections such as `search`.

        Raises:
            ConfigError: Its conditions name what is not there.
        """
        space = validate(SpaceConfig, {"name": "search", "parameters": self.parameters, **sections}, where="param_grid")
        for name, one in space.parameters.items():
            if missing := sorted(set(one.when) - set(space.parameters)):
                raise ConfigError(f"param_grid.{name}.when: '{missing[0]}' is none of the parameters")
        ordered(space)
        return space

    def values(self, point: Mapping[str, Any]) -> Point:
        """Return the values that the labels of a point stand for."""
        return {
            name: self._values[name][repr(label)] if name in self._values else label for name, label in point.items()
        }


def sample_labelled(labelled: LabelledSpace, *, count: int, seed: int) -> list[Point]:
    """Return so many random candidates, all different, parents first; all there are where there are fewer."""
    space = labelled.config()
    count, proposer = min(count, count_points(space, at_most=count) or count), RandomProposer(space, seed=seed)
    points: dict[str, Point] = {}
    for number in range(_ATTEMPTS * count):
        point = proposer.propose(str(number))
        points.setdefault(repr(sorted(point.items())), point)
        if len(points) == count:
            break
    return [labelled.values(point) for point in points.values()]


def _bounded(name: str, one: Any) -> Distribution:  # noqa: ANN401 - a distribution
    """Return a distribution that a model can search: between two bounds."""
    if isinstance(one, _OURS):
        return one
    low, high = (float(bound) for bound in one.support())
    match one.dist.name:
        case "uniform":
            return Uniform(type="uniform", low=low, high=high)
        case "loguniform" | "reciprocal":
            return LogUniform(type="loguniform", low=low, high=high)
        case "randint":
            return IntUniform(type="int", low=int(low), high=int(high))
    raise ConfigError(
        f"param_grid.{name}: TPE searches between bounds on a uniform, loguniform or randint scale, got "
        f"scipy.stats.{one.dist.name}"
    )


def _label(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - any value
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, _LABEL_TYPES) else repr(value)
