"""Trials that a study holds already: those that nobody runs any more, and going on with one."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, TrialState

from raytrain.errors import RunError

__all__ = ["reopen_trial", "report_value", "zombies"]


def zombies(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that are RUNNING or WAITING: at a driver's start, those that an earlier one left behind."""
    return study.get_trials(states=(TrialState.RUNNING, TrialState.WAITING))


def reopen_trial(study: optuna.Study, number: int) -> optuna.trial.Trial:
    """Return the running trial `number`, from 0, to go on with it.

    Raises:
        RunError: There is none, or it has ended.
    """
    trials = study.get_trials(deepcopy=False)
    found = trials[number] if 0 <= number < len(trials) else None
    if found is None or found.state is not TrialState.RUNNING:
        state = f"is {found.state.name}" if found else f"does not exist ({len(trials)} do)"
        raise RunError(f"trial {number} of study '{study.study_name}' {state}; only one that is RUNNING can go on")
    return optuna.trial.Trial(study, found._trial_id)  # noqa: SLF001 - there is no public way back to a Trial


def report_value(trial: optuna.trial.Trial, epoch: int, value: float) -> None:
    """Record the metric of an epoch, in place of what was recorded for that epoch before.

    Optuna's own `Trial.report` refuses a study of several objectives, and keeps the first of two values of an epoch; a
    trial that goes on from a checkpoint runs its last epochs again.
    """
    trial.storage.set_trial_intermediate_value(trial._trial_id, epoch, float(value))  # noqa: SLF001
