"""Optuna's samplers over a space with conditions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import optuna
from optuna.trial import TrialState

from raytrain.config.space import SpaceConfig
from raytrain.tuning.distributions import quantile
from raytrain.tuning.optuna_outcomes import tell_constrained, tell_imputed, tell_ranked
from raytrain.tuning.optuna_points import record_point, suggest_point
from raytrain.tuning.proposers import Outcome
from raytrain.tuning.space import Point

__all__ = ["OptunaProposer"]

Name = Literal["tpe", "gp", "cmaes", "nsga2"]


@dataclass(frozen=True, slots=True)
class _Algorithm:
    """How one of Optuna's samplers is used.

    Attributes:
        sampler: Makes it, from the sweep, the seed and the number of trials drawn at random first.
        tell: Tells it an outcome.
        inactive: What a trial holds of a parameter that does not exist in its point: nothing (`absent`), what the
            sampler drew, which then makes no difference (`drawn`), or always the middle of its range (`middle`).
        successes: Before so many, failures are withheld: there is too little to compare them to.
    """

    sampler: Callable[[SpaceConfig, int, int], optuna.samplers.BaseSampler]
    tell: Callable[[optuna.Study, optuna.Trial, Outcome], None]
    inactive: Literal["absent", "drawn", "middle"]
    successes: int = 1


class OptunaProposer:
    """One of Optuna's samplers, in a study of its own.

    - `tpe`: multivariate tree-structured Parzen estimator (Bergstra et al. 2011; Falkner et al. 2018). It groups
      parameters by their conditions; running trials count as bad, so that parallel proposals spread.
    - `gp`: Gaussian process with expected improvement. A parameter that does not exist is at the middle of its range.
    - `cmaes`: CMA-ES (Hansen 2016), over all numbers; choices are drawn at random. One objective.
    - `nsga2`: NSGA-II (Deb et al. 2002), whose genes are all parameters, expressed or not; its population is a
      twelfth of the trials, between 8 and 50.

    All but `cmaes` take several objectives, and know constraints as such; for `cmaes` what breaks one is worse than
    all that does not. Failed trials count as bad everywhere: Optuna itself ignores them and would propose where
    training diverges again and again. Until a trial did not fail, points are drawn at random.

    The sweep's own study, which tells failures as such, is therefore not the one that the sampler reads.
    """

    def __init__(self, space: SpaceConfig, algorithm: Name, *, seed: int, startup_trials: int) -> None:
        self._algorithm = _ALGORITHMS[algorithm]
        self._space = space
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = self._algorithm.sampler(space, seed, startup_trials)
        directions = [optuna.study.StudyDirection.MAXIMIZE] * (1 + len(space.search.objectives))
        self._study = optuna.create_study(sampler=sampler, directions=directions)
        self._trials: dict[str, optuna.Trial] = {}
        self._failed: list[optuna.Trial] = []
        self._successes = 0
        # Samplers add violations up, of parameters in the thousands to milliseconds.
        bounds = space.search.constraints.values()
        self._sizes = [max(abs(one.least or 0.0), abs(one.most or 0.0)) or 1.0 for one in bounds]

    def propose(self, trial_id: str) -> Point:
        """Return the sampler's next suggestion."""
        trial = self._study.ask()
        point = suggest_point(trial, self._space, with_inactive=self._algorithm.inactive != "absent")
        if self._algorithm.inactive == "middle":
            self._study.tell(trial, state=TrialState.FAIL)
            trial = self._recorded(point)
        self._trials[trial_id] = trial
        return point

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Tell the sampler what a trial was worth.

        Raises:
            ValueError: The outcome's violations are not one per constraint.
        """
        trial = self._trials.pop(trial_id, None)
        if trial is not None:
            self._tell(trial, outcome)

    def withdraw(self, trial_id: str) -> None:
        """Drop a proposal: no sampler counts what Optuna holds as failed."""
        trial = self._trials.pop(trial_id, None)
        if trial is not None:
            self._study.tell(trial, state=TrialState.FAIL)

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Tell the sampler a trial of another session or sweep like one of this one."""
        self._tell(self._recorded(point), outcome)

    def running(self, trial_id: str, point: Point) -> None:
        """Take a point as a running trial."""
        self._trials[trial_id] = self._recorded(point)

    def _tell(self, trial: optuna.Trial, outcome: Outcome) -> None:
        """Tell an outcome; a failure may have to wait, and counts as running until then."""
        if outcome.values is None:
            self._failed.append(trial)
        else:
            self._algorithm.tell(self._study, trial, self._with_all_violations(outcome))
            self._successes += 1
        while self._failed and self._successes >= self._algorithm.successes:
            self._algorithm.tell(self._study, self._failed.pop(0), Outcome(None))

    def _with_all_violations(self, outcome: Outcome) -> Outcome:
        constraints = len(self._space.search.constraints)
        violations = outcome.violations or (0.0,) * constraints
        if len(violations) != constraints:
            raise ValueError(f"{len(violations)} violations of {constraints} constraints")
        scaled = tuple(one / size for one, size in zip(violations, self._sizes, strict=True))
        return replace(outcome, violations=scaled)

    def _recorded(self, point: Point) -> optuna.Trial:
        if self._algorithm.inactive == "absent":
            return record_point(self._study, self._space, point)
        if self._algorithm.inactive == "middle":
            middle = {name: quantile(one, 0.5) for name, one in self._space.parameters.items()}
            return record_point(self._study, self._space, middle | point, with_inactive=True)
        trial = record_point(self._study, self._space, point, with_inactive=True)
        # These samplers note in a trial of which of their generations it is, when they draw it; drawing is lazy.
        _ = trial.relative_params
        return trial


def _tpe(_: SpaceConfig, seed: int, startup_trials: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=startup_trials, multivariate=True, group=True, constant_liar=True
    )


def _gp(_: SpaceConfig, seed: int, startup_trials: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=startup_trials, warn_independent_sampling=False)


def _cmaes(_: SpaceConfig, seed: int, __: int) -> optuna.samplers.BaseSampler:
    # It starts from the middle of the space and learns nothing from trials that it did not draw itself. Its variant
    # for whole numbers (with_margin) would misread recorded points.
    return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)


def _nsga2(space: SpaceConfig, seed: int, _: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=max(8, min(50, space.search.trials // 12)))


_ALGORITHMS = {
    "tpe": _Algorithm(_tpe, tell_constrained, "absent"),
    "gp": _Algorithm(_gp, tell_imputed, "middle", successes=4),
    "cmaes": _Algorithm(_cmaes, tell_ranked, "drawn"),
    "nsga2": _Algorithm(_nsga2, tell_constrained, "drawn"),
}
