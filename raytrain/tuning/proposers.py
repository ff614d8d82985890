"""Where the next point of a sweep comes from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from raytrain.config.space import SpaceConfig
from raytrain.tuning.distributions import quantile
from raytrain.tuning.space import Point, active_parameters, grid_points, point_key

__all__ = ["GridProposer", "Outcome", "Proposer", "RandomProposer", "create_proposer"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a point.

    Attributes:
        values: What it was worth, higher is better: the metric, then each further objective; None when it failed,
            which is worse than any value.
        stopped_at: The epoch at which the scheduler stopped it; None when it ran to its own end.
        violations: By how much it breaks each constraint, 0 or less where it keeps to it; empty where that is not
            known, which counts as keeping to all.
    """

    values: tuple[float, ...] | None
    stopped_at: int | None = None
    violations: tuple[float, ...] = ()

    @property
    def score(self) -> float:
        """What it was worth as one number, where only the order matters and only the metric is an objective.

        What breaks constraints is orders of magnitude below any metric, the more the lower, and a failure below that.
        """
        if self.values is None:
            return -1e200  # not infinite: searches compute with it
        broken = sum(amount for amount in self.violations if amount > 0)
        return -1e100 * (1 + math.log1p(broken)) if broken > 0 else self.values[0]


class Proposer(Protocol):
    """Proposes points and learns what they were worth; pickled and unpickled, it goes on as if it had not been."""

    def propose(self, trial_id: str) -> Point | None:
        """Return the next point, or None when there is none left."""
        ...

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Learn from a proposed point's trial that ended; one that was withdrawn is ignored."""
        ...

    def withdraw(self, trial_id: str) -> None:
        """Forget a proposal that is not going to run; one that is not known is ignored."""
        ...

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Learn from a trial that this proposer did not propose: of an earlier session, or of another sweep."""
        ...

    def running(self, trial_id: str, point: Point) -> None:
        """Take a point that this proposer did not propose as one of its running proposals."""
        ...


class GridProposer:
    """Every point of a finite space once, in order; what was learned or is running elsewhere is left out."""

    def __init__(self, space: SpaceConfig) -> None:
        self._space = space
        self._known: set[str] = set()
        self._passed = 0
        self._points: Iterator[Point] = grid_points(space)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the generator, which cannot be pickled; how far it came is known."""
        return self.__dict__ | {"_points": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Enumerate again up to where it was."""
        self.__dict__.update(state)
        self._points = itertools.islice(grid_points(self._space), self._passed, None)

    def propose(self, trial_id: str) -> Point | None:  # noqa: ARG002 - the protocol's
        """Return the next grid point."""
        for point in self._points:
            self._passed += 1
            if point_key(point) not in self._known:
                return point
        return None

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Learn nothing: a grid does not adapt."""

    def withdraw(self, trial_id: str) -> None:
        """Forget nothing: a grid goes on."""

    def learn(self, point: Point, outcome: Outcome) -> None:  # noqa: ARG002 - the protocol's
        """Leave the point out of what is still to come."""
        self._known.add(point_key(point))

    def running(self, trial_id: str, point: Point) -> None:  # noqa: ARG002 - the protocol's
        """Leave the point out of what is still to come."""
        self._known.add(point_key(point))


class RandomProposer:
    """Points drawn at random, each parameter from its own distribution."""

    def __init__(self, space: SpaceConfig, *, seed: int) -> None:
        self._space = space
        self._random = np.random.default_rng(seed)

    def propose(self, trial_id: str) -> Point:  # noqa: ARG002 - the protocol's
        """Return a random point."""
        return active_parameters(self._space, lambda _, one: quantile(one, float(self._random.random())))

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Learn nothing: chance does not adapt."""

    def withdraw(self, trial_id: str) -> None:
        """Forget nothing: chance goes on."""

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Learn nothing: chance does not adapt."""

    def running(self, trial_id: str, point: Point) -> None:
        """Learn nothing: chance does not adapt."""


def create_proposer(space: SpaceConfig, *, known: int = 0) -> Proposer:
    """Return what proposes the points of a sweep, `search.first` before all others.

    Args:
        space: The sweep.
        known: Trials that there are already; a resumed sweep draws other points than its first session did. It is
            for the caller to `learn` what they were worth.
    """
    proposer = _create(space, known)
    if not space.search.first:
        return proposer
    from raytrain.tuning.first_points import FirstPoints, complete_points

    return FirstPoints(proposer, complete_points(space))


def _create(space: SpaceConfig, known: int) -> Proposer:
    """Return the proposer of the algorithm; a third of all trials, between 4 and 10, come before a model proposes."""
    search = space.search
    seed = search.seed if known == 0 else int(np.random.SeedSequence([search.seed, known]).generate_state(1)[0])
    startup_trials = max(4, min(10, search.trials // 3))
    match search.algorithm:
        case "grid":
            return GridProposer(space)
        case "random":
            return RandomProposer(space, seed=seed)
        case "quasi_random":
            from raytrain.tuning.quasi_random_proposer import QuasiRandomProposer

            return QuasiRandomProposer(space, seed=search.seed, passed=known)
        case "hyperopt":
            from raytrain.tuning.hyperopt_proposer import HyperoptProposer

            return HyperoptProposer(space, seed=seed, startup_trials=startup_trials)
        case "tpe" | "gp" | "cmaes" | "nsga2":
            from raytrain.tuning.optuna_proposer import OptunaProposer

            return OptunaProposer(space, search.algorithm, seed=seed, startup_trials=startup_trials)
