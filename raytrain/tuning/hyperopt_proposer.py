"""hyperopt's search over a space with conditions."""

from __future__ import annotations

from typing import Any

import numpy as np

from raytrain.config.space import Distribution, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.tuning.distributions import finite_values
from raytrain.tuning.proposers import Outcome
from raytrain.tuning.space import Point, active_parameters, ordered

__all__ = ["HyperoptProposer"]

# hyperopt.JOB_STATE_RUNNING, JOB_STATE_DONE and JOB_STATE_ERROR, without importing it.
_RUNNING, _DONE, _ERROR = 1, 2, 3
_LEARNED = "learned"


class HyperoptProposer:
    """Tree-structured Parzen estimator of hyperopt (Bergstra et al. 2011), conditions included.

    A parameter conditional on one categorical parent is nested under that parent's values, so hyperopt's tree knows
    it; with several conditions it is sampled under its last parent and dropped where the others do not hold.

    hyperopt sorts trials by one loss and knows no constraints: what breaks one is worse than all that does not, and a
    failed trial is worse still (`Outcome.score`). Until the first trial that did not fail, points are drawn at
    random.
    """

    def __init__(self, space: SpaceConfig, *, seed: int, startup_trials: int) -> None:
        import hyperopt
        from hyperopt import hp

        self._space = space
        self._trials = hyperopt.Trials()
        self._random = np.random.default_rng(seed)
        self._startup_trials = startup_trials
        self._any_succeeded = False
        self._documents: dict[str, Any] = {}
        tree = _Tree(space, hp)
        self._domain = hyperopt.Domain(_unchanged, tree.root())
        self._indexed = tree.indexed

    def propose(self, trial_id: str) -> Point:
        """Return hyperopt's next suggestion."""
        from hyperopt import rand, tpe
        from hyperopt.base import spec_from_misc

        (number,) = self._trials.new_trial_ids(1)
        arguments = ([number], self._domain, self._trials, int(self._random.integers(2**31)))
        if self._any_succeeded:
            (document,) = tpe.suggest(*arguments, n_startup_jobs=self._startup_trials, verbose=False)
        else:
            (document,) = rand.suggest(*arguments)
        self._insert(trial_id, document)
        values = spec_from_misc(document["misc"])
        return active_parameters(self._space, lambda name, one: self._decoded(name, one, values[name]))

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Record the loss of a trial; one that was stopped counts with its value so far."""
        document = self._documents.pop(trial_id, None)
        if document is None:
            return
        self._any_succeeded |= outcome.values is not None
        document["state"], document["result"] = _DONE, {"status": "ok", "loss": -outcome.score}
        self._trials.refresh()

    def withdraw(self, trial_id: str) -> None:
        """Drop a proposal: hyperopt does not count what is in its error state."""
        document = self._documents.pop(trial_id, None)
        if document is not None:
            document["state"] = _ERROR
            self._trials.refresh()

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Record a trial of another session or sweep like one of this one."""
        self.running(_LEARNED, point)
        self.observe(_LEARNED, outcome)

    def running(self, trial_id: str, point: Point) -> None:
        """Take a point as a running trial: hyperopt counts it as bad until it is known."""
        (number,) = self._trials.new_trial_ids(1)
        known = {name: self._encoded(name, self._space.parameters[name], value) for name, value in point.items()}
        misc = {
            "tid": number,
            "cmd": self._domain.cmd,
            "workdir": self._domain.workdir,
            "idxs": {name: [number] if name in known else [] for name in self._domain.params},
            "vals": {name: [known[name]] if name in known else [] for name in self._domain.params},
        }
        (document,) = self._trials.new_trial_docs([number], [None], [self._domain.new_result()], [misc])
        self._insert(trial_id, document)

    def _insert(self, trial_id: str, document: Any) -> None:  # noqa: ANN401 - hyperopt is untyped
        document["state"] = _RUNNING
        self._trials.insert_trial_docs([document])
        self._trials.refresh()
        self._documents[trial_id] = self._trials.trials[-1]

    def _decoded(self, name: str, one: Distribution, sampled: Any) -> Any:  # noqa: ANN401 - any value
        if isinstance(one, Uniform | LogUniform):
            return float(np.clip(sampled, one.low, one.high))  # exp(log(low)) may be just below low
        if isinstance(one, IntUniform) and name not in self._indexed:
            return int(np.clip(round(float(sampled)), one.low, one.high))
        return (finite_values(one) or [])[int(sampled)]

    def _encoded(self, name: str, one: Distribution, value: Any) -> Any:  # noqa: ANN401 - any value
        """Return a value as hyperopt would have sampled it."""
        if name in self._indexed:
            return (finite_values(one) or []).index(value)
        return float(value)


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


def _unchanged(sampled: Any) -> Any:  # noqa: ANN401 - any value
    """Return what hyperopt sampled: trials run elsewhere, and a function of a module can be pickled."""
    return sampled
