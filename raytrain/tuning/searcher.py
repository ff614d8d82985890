"""The searcher of every sweep: an Optuna study behind Ray Tune's `Searcher` interface.

Unlike the adapters that come with Ray, it tells the study the truth: a trial that the scheduler stopped is PRUNED
with its learning curve, one that crashed or reported no usable number is FAIL with its reason, and none stays RUNNING.
No point runs twice: where one is proposed again, a random new one runs instead.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from raytrain.callbacks.early_stopping import improves
from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_points import record_point
from raytrain.tuning.proposers import Outcome, RandomProposer, create_proposer
from raytrain.tuning.space import Point, count_points

__all__ = ["StudySearcher", "create_study"]


def create_study(space: SpaceConfig, journal: Path) -> optuna.Study:
    """Return a new study of `space`, kept in a journal file that optuna-dashboard opens.

    It is a record: points come from `create_proposer`, so its own sampler is never asked.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name=space.name,
        direction="maximize" if space.fixed.direction == "max" else "minimize",
        sampler=optuna.samplers.RandomSampler(seed=space.search.seed),
        storage=JournalStorage(JournalFileBackend(str(journal))),
    )


class StudySearcher(Searcher):  # type: ignore[misc]  # ray is untyped
    """Propose points and record every trial in the study.

    Args:
        space: The sweep.
        study: Where trials are recorded.
    """

    def __init__(self, space: SpaceConfig, study: optuna.Study) -> None:
        super().__init__(metric=space.fixed.metric, mode=space.fixed.direction)
        self._space = space
        self._study = study
        self._proposer = create_proposer(space)
        self._chance = RandomProposer(space, seed=space.search.seed)
        self._points = count_points(space, at_most=space.search.trials)
        self._tried: set[str] = set()
        self._trials: dict[str, optuna.Trial] = {}
        self._best: dict[str, float] = {}
        self._epochs: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next point as a trial configuration, or `FINISHED` when there is none left."""
        if self._space.scheduler.name == "pbt" and len(self._tried) >= self._space.search.trials and self._trials:
            return None  # Tune keeps its processes only while a searcher may have more
        if self._space.scheduler.name == "pbt" and len(self._tried) >= self._space.search.trials:
            return str(Searcher.FINISHED)
        if len(self._tried) == self._points:
            return str(Searcher.FINISHED)
        point = self._proposer.propose(trial_id)
        if point is None:
            return str(Searcher.FINISHED)
        if _key(point) in self._tried:
            self._proposer.withdraw(trial_id)
            point = self._untried(trial_id)
        self._tried.add(_key(point))
        trial = self._trials[trial_id] = record_point(self._study, self._space, point)
        trial.set_user_attr("trial_id", trial_id)
        return {"point": point, "number": trial.number}

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
        epochs = self._epochs.pop(trial_id, 0)
        finished = result is not None and bool(result.get("finished"))
        if error or best is None:
            never = f"{self.metric} was never a finite number" if epochs else "it ended before its first epoch"
            trial.set_user_attr("failure", "the trial raised an error" if error else never)
            self._study.tell(trial, state=TrialState.FAIL)
            self._proposer.observe(trial_id, Outcome(None))
            return
        if finished:
            self._study.tell(trial, best)
        else:
            trial.set_user_attr("best", best)
            self._study.tell(trial, state=TrialState.PRUNED)
        higher_is_better = best if self._space.fixed.direction == "max" else -best
        self._proposer.observe(trial_id, Outcome((higher_is_better,), None if finished else epochs))

    def close(self) -> None:
        """Leave no trial RUNNING: those that an interruption cut off become PRUNED, or FAIL before any epoch."""
        for trial_id in list(self._trials):
            self._trials[trial_id].set_user_attr("interrupted", value=True)
            self.on_trial_complete(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study's journal already holds every trial."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the study is reopened from its journal."""

    def _untried(self, trial_id: str) -> Point:
        """Return a random point that was not tried yet; the caller knows that there is one."""
        while _key(point := self._chance.propose(trial_id)) in self._tried:
            pass
        return point


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)
