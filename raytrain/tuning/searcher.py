"""The searcher of every sweep: an Optuna study behind Ray Tune's `Searcher` interface.

Unlike the adapters that come with Ray, it tells the study the truth: a trial that the scheduler stopped is PRUNED
with its learning curve, one that crashed or reported no usable number is FAIL with its reason, and none stays RUNNING.
No point runs twice: where one is proposed again, a random new one runs instead.
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from raytrain.callbacks.early_stopping import improves
from raytrain.config.space import Distribution, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.tuning.proposers import GridProposer, HyperoptProposer, Proposer, RandomProposer
from raytrain.tuning.space import Point, active_parameters, count_points, finite_values

__all__ = ["StudySearcher", "create_study"]


def create_study(space: SpaceConfig, journal: Path) -> optuna.Study:
    """Return a new study of `space`, kept in a journal file that optuna-dashboard opens.

    The sampler is Optuna's random sampler or its multivariate TPE, which groups parameters by their conditions and
    counts running trials as bad so that parallel proposals spread.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = (
            optuna.samplers.TPESampler(
                seed=space.search.seed,
                n_startup_trials=startup_trials(space),
                multivariate=True,
                group=True,
                constant_liar=True,
            )
            if space.search.algorithm == "tpe"
            else optuna.samplers.RandomSampler(seed=space.search.seed)
        )
        storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(
        study_name=space.name,
        direction="maximize" if space.fixed.direction == "max" else "minimize",
        sampler=sampler,
        storage=storage,
    )


def startup_trials(space: SpaceConfig) -> int:
    """Return how many random trials precede the first modelled one: a third of all, between 4 and 10."""
    return max(4, min(10, space.search.trials // 3))


class StudySearcher(Searcher):  # type: ignore[misc]  # ray is untyped
    """Propose points from the study (or from a grid or hyperopt) and record every trial in it.

    Args:
        space: The sweep.
        study: Where trials are recorded.
    """

    def __init__(self, space: SpaceConfig, study: optuna.Study) -> None:
        super().__init__(metric=space.fixed.metric, mode=space.fixed.direction)
        self._space = space
        self._study = study
        self._proposer = _create_proposer(space)
        self._chance = RandomProposer(space, seed=space.search.seed)
        self._points = count_points(space, at_most=space.search.trials)
        self._tried: dict[str, int] = {}
        self._trials: dict[str, optuna.Trial] = {}
        self._best: dict[str, float] = {}
        self._epochs: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Return the next point as a trial configuration, or `FINISHED` when there is none left."""
        if len(self._tried) == self._points:
            return str(Searcher.FINISHED)
        proposed = None if self._proposer is None else self._proposer.propose(trial_id)
        if self._proposer is not None and proposed is None:
            return str(Searcher.FINISHED)
        trial, point = self._asked(proposed)
        first = self._tried.setdefault(_key(point), trial.number)
        if first != trial.number:
            self._tell_failed(trial, f"the same point as trial {first}, so another ran instead")
            if self._proposer is not None:
                self._proposer.observe(trial_id, None)
            trial, point = self._asked(self._untried(trial_id))
            self._tried[_key(point)] = trial.number
        trial.set_user_attr("trial_id", trial_id)
        self._trials[trial_id] = trial
        return {"point": point}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Add an epoch to the trial's learning curve."""
        if "epoch" not in result or result["epoch"] <= self._epochs.get(trial_id, 0):
            return  # no epoch yet, or the last result, which is handed over once more at the end
        self._epochs[trial_id] = epoch = int(result["epoch"])
        value = result.get(self.metric)
        if value is None or not math.isfinite(value):
            return
        self._trials[trial_id].report(value, step=epoch)
        if improves(value, self._best.get(trial_id), mode=self._space.fixed.direction):
            self._best[trial_id] = value

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Give the trial its terminal state: COMPLETE or PRUNED with its best value, or FAIL with the reason."""
        if trial_id not in self._trials:
            return
        if result is not None and not error:
            self.on_trial_result(trial_id, result)
        trial, best = self._trials.pop(trial_id), self._best.pop(trial_id, None)
        ran = self._epochs.pop(trial_id, 0) > 0
        if error:
            self._tell_failed(trial, "the trial raised an error")
        elif best is None:
            reason = f"{self.metric} was never a finite number" if ran else "it ended before its first epoch"
            self._tell_failed(trial, reason)
        elif result is not None and result.get("finished"):
            self._study.tell(trial, best)
        else:
            trial.set_user_attr("best", best)
            self._study.tell(trial, state=TrialState.PRUNED)
        if self._proposer is not None:
            sign = 1.0 if self._space.fixed.direction == "max" else -1.0
            self._proposer.observe(trial_id, None if error or best is None else sign * best)

    def close(self) -> None:
        """Leave no trial RUNNING: those that an interruption cut off become PRUNED, or FAIL before any epoch."""
        for trial_id in list(self._trials):
            self._trials[trial_id].set_user_attr("interrupted", value=True)
            self.on_trial_complete(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study's journal already holds every trial."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the study is reopened from its journal."""

    def _asked(self, point: Point | None) -> tuple[optuna.Trial, Point]:
        """Return a new trial of the study, at `point` or where the study's sampler wants it."""
        if point is not None:
            self._study.enqueue_trial({name: self._encoded(name, value) for name, value in point.items()})
        trial = self._study.ask()
        return trial, active_parameters(self._space, lambda name, one: _suggest(trial, name, one))

    def _untried(self, trial_id: str) -> Point:
        """Return a random point that was not proposed yet; the caller knows that there is one."""
        while _key(point := self._chance.propose(trial_id)) in self._tried:
            pass
        return point

    def _tell_failed(self, trial: optuna.Trial, reason: str) -> None:
        trial.set_user_attr("failure", reason)
        self._study.tell(trial, state=TrialState.FAIL)

    def _encoded(self, name: str, value: Any) -> Any:
        return _encode(value) if not _is_number_range(self._space.parameters[name]) else value


def _create_proposer(space: SpaceConfig) -> Proposer | None:
    if space.search.algorithm == "grid":
        return GridProposer(space)
    if space.search.algorithm == "hyperopt":
        return HyperoptProposer(space, seed=space.search.seed, startup_trials=startup_trials(space))
    return None


def _suggest(trial: optuna.Trial, name: str, one: Distribution) -> Any:
    if isinstance(one, Uniform | LogUniform):
        return trial.suggest_float(name, one.low, one.high, log=isinstance(one, LogUniform))
    if isinstance(one, IntUniform):
        return trial.suggest_int(name, one.low, one.high, step=one.step, log=one.log)
    values = finite_values(one) or []
    encoded = [_encode(value) for value in values]
    return values[encoded.index(trial.suggest_categorical(name, encoded))]


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)


def _encode(value: Any) -> str | int | float | bool | None:
    """Return a value Optuna can store as a category: lists and mappings become JSON text."""
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


def _is_number_range(one: Distribution) -> bool:
    return isinstance(one, Uniform | LogUniform | IntUniform)
