"""Where the next point of a sweep comes from: a grid, hyperopt, or chance.

TPE proposes from the study itself, and so does a random search but for what it would repeat.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any, Protocol

import numpy as np

from raytrain.config.space import Distribution, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.tuning.space import Point, active_parameters, finite_values, grid_points, ordered

__all__ = ["GridProposer", "HyperoptProposer", "Proposer", "RandomProposer"]


class Proposer(Protocol):
    """Proposes points and learns what they were worth."""

    def propose(self, trial_id: str) -> Point | None:
        """Return the next point, or None when there is none left."""
        ...

    def observe(self, trial_id: str, value: float | None) -> None:
        """Take the best value of a trial that ended, higher is better; None when it failed."""
        ...


class GridProposer:
    """Every point of a finite space once, in order."""

    def __init__(self, space: SpaceConfig) -> None:
        self._points = deque(itertools.islice(grid_points(space), space.search.trials))

    def propose(self, trial_id: str) -> Point | None:  # noqa: ARG002 - the protocol's
        """Return the next grid point."""
        return self._points.popleft() if self._points else None

    def observe(self, trial_id: str, value: float | None) -> None:
        """Learn nothing: a grid does not adapt."""


class RandomProposer:
    """Points drawn at random, every value of a choice or range equally likely."""

    def __init__(self, space: SpaceConfig, *, seed: int) -> None:
        self._space = space
        self._random = np.random.default_rng(seed)

    def propose(self, trial_id: str) -> Point:  # noqa: ARG002 - the protocol's
        """Return a random point."""
        return active_parameters(self._space, lambda _, one: self._drawn(one))

    def observe(self, trial_id: str, value: float | None) -> None:
        """Learn nothing: chance does not adapt."""

    def _drawn(self, one: Distribution) -> Any:  # noqa: ANN401 - any value
        if isinstance(one, Uniform):
            return float(self._random.uniform(one.low, one.high))
        if isinstance(one, LogUniform):
            drawn = np.exp(self._random.uniform(np.log(one.low), np.log(one.high)))
            return float(np.clip(drawn, one.low, one.high))
        values = finite_values(one) or []
        return values[int(self._random.integers(len(values)))]


class HyperoptProposer:
    """Tree-structured Parzen estimator of hyperopt (Bergstra et al. 2011), conditions included.

    A parameter conditional on one categorical parent is nested under that parent's values, so hyperopt's tree knows
    it; with several conditions it is sampled under its last parent and dropped where the others do not hold.
    """

    def __init__(self, space: SpaceConfig, *, seed: int, startup_trials: int) -> None:
        import hyperopt
        from hyperopt import hp

        self._space = space
        self._hyperopt = hyperopt
        self._trials = hyperopt.Trials()
        self._random = np.random.default_rng(seed)
        self._startup_trials = startup_trials
        self._documents: dict[str, Any] = {}
        tree = _Tree(space, hp)
        self._domain = hyperopt.Domain(lambda sampled: sampled, tree.root())
        self._indexed = tree.indexed

    def propose(self, trial_id: str) -> Point:
        """Return hyperopt's next suggestion."""
        from hyperopt import tpe

        ids = self._trials.new_trial_ids(1)
        self._trials.refresh()
        (document,) = tpe.suggest(
            ids,
            self._domain,
            self._trials,
            int(self._random.integers(2**31)),
            n_startup_jobs=self._startup_trials,
        )
        document["state"] = self._hyperopt.JOB_STATE_RUNNING
        self._trials.insert_trial_docs([document])
        self._trials.refresh()
        self._documents[trial_id] = self._trials.trials[-1]
        values = self._hyperopt.base.spec_from_misc(document["misc"])
        return active_parameters(self._space, lambda name, one: self._decoded(name, one, values[name]))

    def observe(self, trial_id: str, value: float | None) -> None:
        """Record the loss of a trial, or that it failed; nothing of a trial that runs another proposer's point."""
        document = self._documents.pop(trial_id, None)
        if document is None:
            return
        failed = value is None
        document["state"] = self._hyperopt.JOB_STATE_ERROR if failed else self._hyperopt.JOB_STATE_DONE
        document["result"] = {"status": "fail"} if value is None else {"status": "ok", "loss": -value}
        self._trials.refresh()

    def _decoded(self, name: str, one: Distribution, sampled: Any) -> Any:  # noqa: ANN401 - any value
        if isinstance(one, Uniform | LogUniform):
            return float(np.clip(sampled, one.low, one.high))  # exp(log(low)) may be just below low
        if isinstance(one, IntUniform) and name not in self._indexed:
            return int(np.clip(round(float(sampled)), one.low, one.high))
        return (finite_values(one) or [])[int(sampled)]


class _Tree:
    """hyperopt's expression for a space; each parameter's node is made once and may stand under several values."""

    def __init__(self, space: SpaceConfig, hp: Any) -> None:  # noqa: ANN401 - hyperopt is untyped
        self._space = space
        self._hp = hp
        self._leaves: dict[str, Any] = {}
        self.indexed: set[str] = set()

    def root(self) -> dict[str, Any]:
        """Return the expression of all unconditional parameters, the others nested."""
        return {name: self._node(name) for name in ordered(self._space) if not self._space.parameters[name].when}

    def _node(self, name: str) -> Any:  # noqa: ANN401 - a hyperopt expression
        if name not in self._leaves:
            self._leaves[name] = self._expression(name, self._space.parameters[name])
        return self._leaves[name]

    def _expression(self, name: str, one: Distribution) -> Any:  # noqa: ANN401 - a hyperopt expression
        if isinstance(one, Uniform):
            return self._hp.uniform(name, one.low, one.high)
        if isinstance(one, LogUniform):
            return self._hp.loguniform(name, float(np.log(one.low)), float(np.log(one.high)))
        children = self._children(name)
        if isinstance(one, IntUniform) and one.log and not children:
            return self._hp.qloguniform(name, float(np.log(one.low)), float(np.log(one.high)), 1)
        self.indexed.add(name)
        values = finite_values(one) or []
        if isinstance(one, IntUniform) and not children:
            return self._hp.randint(name, len(values))
        return self._hp.choice(
            name,
            [{child: self._node(child) for child in children if self._accepts(child, name, v)} for v in values],
        )

    def _children(self, name: str) -> list[str]:
        """Return the parameters whose last condition names `name`."""
        return [child for child, one in self._space.parameters.items() if one.when and list(one.when)[-1] == name]

    def _accepts(self, child: str, name: str, value: Any) -> bool:  # noqa: ANN401 - any value
        wanted = self._space.parameters[child].when[name]
        return value in wanted if isinstance(wanted, list) else value == wanted
