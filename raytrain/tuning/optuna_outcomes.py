"""What Optuna's samplers are told of an outcome, each in the way from which it learns.

Optuna itself drops what failed, and all samplers but TPE what was stopped, so they would propose it again and again.
"""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from raytrain.tuning.proposers import Outcome

__all__ = ["tell_constrained", "tell_imputed", "tell_ranked"]

_FAILED = 1e100
"""A violation larger than any of a constraint; not infinite, as samplers compute with it."""


def tell_constrained(study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """Tell a sampler that ranks what breaks constraints by how much it does, below all that keeps to them.

    A failure is the largest violation. A trial that was stopped is pruned, which ranks below all finished ones; with
    several objectives, where Optuna cannot report values of a pruned trial, it counts with its values so far.
    """
    for index, amount in enumerate(outcome.violations):
        trial.set_constraint(str(index), amount)
    trial.set_constraint("failed", _FAILED if outcome.values is None else 0.0)
    if outcome.values is None:
        study.tell(trial, [0.0] * len(study.directions))
    elif outcome.stopped_at is not None and len(outcome.values) == 1:
        trial.report(outcome.values[0], step=outcome.stopped_at)
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, list(outcome.values))


def tell_imputed(study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """Tell a sampler that models values as numbers.

    A failure is as bad as the worst that was told so far, in each objective and constraint; anything lower would
    decide the scale of the model. A trial that was stopped counts with its values so far.
    """
    values, violations = outcome.values, outcome.violations
    if values is None:
        told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        values = tuple(map(min, zip(*(one.values for one in told), strict=True)))
        violations = tuple(map(max, zip(*(one.constraints.values() for one in told), strict=True)))
    for index, amount in enumerate(violations):
        trial.set_constraint(str(index), amount)
    study.tell(trial, list(values))


def tell_ranked(study: optuna.Study, trial: optuna.Trial, outcome: Outcome) -> None:
    """Tell a sampler that sorts trials by one value and knows no constraints; see `Outcome.score`.

    A trial that was stopped counts with its value so far.
    """
    study.tell(trial, outcome.score)
