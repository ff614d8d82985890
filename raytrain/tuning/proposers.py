"""Where the next point of a sweep comes from."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from raytrain.config.space import Distribution, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.tuning.space import Point, active_parameters, finite_values, grid_points

__all__ = ["GridProposer", "Outcome", "Proposer", "RandomProposer", "create_proposer"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a point.

    Attributes:
        values: What it was worth, higher is better: the metric, then each further objective; None when it failed,
            which is worse than any value.
        stopped_at: The epoch at which the scheduler stopped it; None when it ran to its own end.
        violations: By how much it breaks each constraint, 0 or less where it keeps to it.
    """

    values: tuple[float, ...] | None
    stopped_at: int | None = None
    violations: tuple[float, ...] = ()


class Proposer(Protocol):
    """Proposes points and learns what they were worth."""

    def propose(self, trial_id: str) -> Point | None:
        """Return the next point, or None when there is none left."""
        ...

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Learn from a proposed point's trial that ended; one that was withdrawn is ignored."""
        ...

    def withdraw(self, trial_id: str) -> None:
        """Forget a proposal that is not going to run."""
        ...

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Learn from a trial that this proposer did not propose: of an earlier session, or of another sweep."""
        ...

    def running(self, trial_id: str, point: Point) -> None:
        """Take a point that this proposer did not propose as one of its running proposals."""
        ...


class GridProposer:
    """Every point of a finite space once, in order."""

    def __init__(self, space: SpaceConfig) -> None:
        # A list, not the generator: Tune pickles its searcher.
        self._points = deque(itertools.islice(grid_points(space), space.search.trials))
        self._known: list[Point] = []

    def propose(self, trial_id: str) -> Point | None:  # noqa: ARG002 - the protocol's
        """Return the next grid point."""
        while self._points:
            point = self._points.popleft()
            if point not in self._known:
                return point
        return None

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Learn nothing: a grid does not adapt."""

    def withdraw(self, trial_id: str) -> None:
        """Forget nothing: a grid goes on."""

    def learn(self, point: Point, outcome: Outcome) -> None:  # noqa: ARG002 - the protocol's
        """Leave the point out of what is still to come."""
        self._known.append(point)

    def running(self, trial_id: str, point: Point) -> None:  # noqa: ARG002 - the protocol's
        """Leave the point out of what is still to come."""
        self._known.append(point)


class RandomProposer:
    """Points drawn at random, each parameter from its own distribution."""

    def __init__(self, space: SpaceConfig, *, seed: int) -> None:
        self._space = space
        self._random = np.random.default_rng(seed)

    def propose(self, trial_id: str) -> Point:  # noqa: ARG002 - the protocol's
        """Return a random point."""
        return active_parameters(self._space, lambda _, one: self._drawn(one))

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Learn nothing: chance does not adapt."""

    def withdraw(self, trial_id: str) -> None:
        """Forget nothing: chance goes on."""

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Learn nothing: chance does not adapt."""

    def running(self, trial_id: str, point: Point) -> None:
        """Learn nothing: chance does not adapt."""

    def _drawn(self, one: Distribution) -> Any:  # noqa: ANN401 - any value
        if isinstance(one, Uniform):
            return float(self._random.uniform(one.low, one.high))
        if isinstance(one, LogUniform):
            drawn = np.exp(self._random.uniform(np.log(one.low), np.log(one.high)))
            return float(np.clip(drawn, one.low, one.high))  # exp(log(low)) may be just below low
        if isinstance(one, IntUniform) and one.log:
            drawn = np.exp(self._random.uniform(np.log(one.low - 0.5), np.log(one.high + 0.5)))
            return int(np.clip(round(drawn), one.low, one.high))
        values = finite_values(one) or []
        return values[int(self._random.integers(len(values)))]


def create_proposer(space: SpaceConfig) -> Proposer:
    """Return what proposes the points of a sweep, seeded by its search settings.

    A third of all trials, between 4 and 10, are random before a model proposes.
    """
    seed, startup_trials = space.search.seed, max(4, min(10, space.search.trials // 3))
    match space.search.algorithm:
        case "grid":
            return GridProposer(space)
        case "random":
            return RandomProposer(space, seed=seed)
        case "tpe":
            from raytrain.tuning.tpe_proposer import TpeProposer

            return TpeProposer(space, seed=seed, startup_trials=startup_trials)
        case "hyperopt":
            from raytrain.tuning.hyperopt_proposer import HyperoptProposer

            return HyperoptProposer(space, seed=seed, startup_trials=startup_trials)
        case other:
            raise NotImplementedError(other)
