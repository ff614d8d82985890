"""Optuna's tree-structured Parzen estimator over a space with conditions."""

from __future__ import annotations

import warnings

import optuna
from optuna.trial import TrialState

from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_points import record_point, suggest_point
from raytrain.tuning.proposers import Outcome
from raytrain.tuning.space import Point

__all__ = ["TpeProposer"]


class TpeProposer:
    """Multivariate TPE (Bergstra et al. 2011; Falkner et al. 2018) of Optuna, in a study of its own.

    It groups parameters by their conditions. Running trials count as bad, so that parallel proposals spread, and so do
    failed ones: Optuna itself ignores a FAIL trial and would propose where training diverges again and again. The
    sweep's own study, which tells failures as such, is therefore not the one that TPE reads.
    """

    def __init__(self, space: SpaceConfig, *, seed: int, startup_trials: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=startup_trials, multivariate=True, group=True, constant_liar=True
            )
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._trials: dict[str, optuna.Trial] = {}

    def propose(self, trial_id: str) -> Point:
        """Return TPE's next suggestion."""
        trial = self._trials[trial_id] = self._study.ask()
        return suggest_point(trial, self._space)

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Record the value of a trial: stopped ones rank below finished ones, failed ones below all."""
        trial = self._trials.pop(trial_id, None)
        if trial is None:
            return
        if outcome.values is not None and outcome.stopped_at is None:
            self._study.tell(trial, outcome.values[0])
            return
        if outcome.values is not None and outcome.stopped_at is not None:
            trial.report(outcome.values[0], step=outcome.stopped_at)
        self._study.tell(trial, state=TrialState.PRUNED)

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Record a trial of another session or sweep like one of this one."""
        self.running("learned", point)
        self.observe("learned", outcome)

    def running(self, trial_id: str, point: Point) -> None:
        """Take a point as a running trial of this study."""
        self._trials[trial_id] = record_point(self._study, self._space, point)

    def withdraw(self, trial_id: str) -> None:
        """Drop a proposal: TPE does not count what failed."""
        self._study.tell(self._trials.pop(trial_id), state=TrialState.FAIL)
