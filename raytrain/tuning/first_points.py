"""Points that a sweep tries before any is proposed: checked, completed, and handed out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from raytrain.config.parts import check_parts
from raytrain.config.space import Distribution, LogUniform, SpaceConfig, Uniform
from raytrain.errors import ConfigError, nearest
from raytrain.tuning.distributions import contains, describe_range, quantile
from raytrain.tuning.proposers import Outcome, Proposer
from raytrain.tuning.space import Point, active_parameters, parent_values, point_key, train_config

__all__ = ["FirstPoints", "check_first_points", "complete_points", "point_problems"]


def check_first_points(space: SpaceConfig) -> None:
    """Check that each of `search.first` lies in the space, whole or in part, and can be trained.

    Raises:
        ConfigError: One report of all that does not.
    """
    problems = [
        f"search.first[{index}]: {problem}"
        for index, point in enumerate(space.search.first)
        for problem in point_problems(space, point)
    ]
    if problems:
        raise ConfigError("\n  ".join([f"search space '{space.name}': points to try first", *problems]))
    for index, point in enumerate(complete_points(space)):
        try:
            check_parts(train_config(space, point))
        except ConfigError as error:
            raise ConfigError(f"search.first[{index}]: {error}") from error


def point_problems(space: SpaceConfig, point: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a point, or what is given of one, does not lie in the space; nothing when it does."""
    for name, value in point.items():
        one = space.parameters.get(name)
        if one is None:
            yield f"'{name}' is no parameter of this space; {nearest(name, space.parameters)}"
            continue
        if not contains(one, value):
            yield f"{name}: {value!r} lies outside of the space; it is {describe_range(one)}"
        for parent, values in parent_values(space, name).items():
            if parent in point and point[parent] not in values:
                yield f"{name}: does not exist at {parent}={point[parent]!r}, only at {values}; leave one of them out"
    known = [name for name in point if name in space.parameters]
    for parent, values in _needed(space, known).items():
        if not values:
            yield f"{', '.join(known)}: never exist together, as their conditions on '{parent}' exclude each other"


def complete_points(space: SpaceConfig) -> list[Point]:
    """Return the points of `search.first`, what they leave out drawn at random, parents so that children exist.

    The seed of the search alone decides, so a resumed sweep completes them alike.
    """
    random = np.random.default_rng(space.search.seed)
    return [_completed(space, point, random) for point in space.search.first]


class FirstPoints:
    """Another proposer that has some points tried first, and learns from them as from its own.

    Args:
        proposer: What proposes after them.
        points: The points; one that was tried in an earlier session (`learn`, `running`) is left out.
    """

    def __init__(self, proposer: Proposer, points: list[Point]) -> None:
        self._proposer = proposer
        self._points = deque(points)

    def propose(self, trial_id: str) -> Point | None:
        """Return the next of the points; when they are used up, what the proposer proposes."""
        if not self._points:
            return self._proposer.propose(trial_id)
        point = self._points.popleft()
        self._proposer.running(trial_id, point)
        return point

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Let the proposer learn."""
        self._proposer.observe(trial_id, outcome)

    def withdraw(self, trial_id: str) -> None:
        """Let the proposer forget."""
        self._proposer.withdraw(trial_id)

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Let the proposer learn, and do not try the point again."""
        self._leave_out(point)
        self._proposer.learn(point, outcome)

    def running(self, trial_id: str, point: Point) -> None:
        """Let the proposer know, and do not try the point again."""
        self._leave_out(point)
        self._proposer.running(trial_id, point)

    def _leave_out(self, point: Point) -> None:
        self._points = deque(one for one in self._points if point_key(one) != point_key(point))


def _completed(space: SpaceConfig, given: Mapping[str, Any], random: np.random.Generator) -> Point:
    needed = _needed(space, list(given))

    def choose(name: str, one: Distribution) -> Any:  # noqa: ANN401 - any value
        if name in given:
            return float(given[name]) if isinstance(one, Uniform | LogUniform) else given[name]
        if name in needed:
            return needed[name][int(random.integers(len(needed[name])))]
        return quantile(one, float(random.random()))

    return active_parameters(space, choose)


def _needed(space: SpaceConfig, names: list[str]) -> dict[str, list[Any]]:
    """Return for each ancestor of the parameters the values under which all of them exist."""
    accepted: dict[str, list[Any]] = {}
    for name in names:
        for parent, values in parent_values(space, name).items():
            accepted[parent] = [value for value in accepted.get(parent, values) if value in values]
    return accepted
