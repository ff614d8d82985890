"""hyperopt's search over a space with conditions."""

from __future__ import annotations

from typing import Any

import numpy as np

from raytrain.config.space import Distribution, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.tuning.proposers import Outcome
from raytrain.tuning.space import Point, active_parameters, finite_values, ordered

__all__ = ["HyperoptProposer"]


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

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Record the loss of a trial; one that failed is worse than all others, so its neighbourhood is left."""
        document = self._documents.pop(trial_id, None)
        if document is not None:
            document["state"] = self._hyperopt.JOB_STATE_DONE
            document["result"] = (
                {"status": "fail"} if outcome.values is None else {"status": "ok", "loss": -outcome.values[0]}
            )
            self._trials.refresh()

    def withdraw(self, trial_id: str) -> None:
        """Drop a proposal: hyperopt does not count what is in its error state."""
        self._documents.pop(trial_id)["state"] = self._hyperopt.JOB_STATE_ERROR
        self._trials.refresh()

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Learn from a trial that this proposer did not propose."""
        raise NotImplementedError

    def running(self, trial_id: str, point: Point) -> None:
        """Take a point as a running proposal."""
        raise NotImplementedError

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
