"""The searcher of every sweep: an Optuna study behind Ray Tune's `Searcher` interface.

Unlike the adapters that come with Ray, it tells the study the truth: a trial that the scheduler stopped is PRUNED
with its learning curve, one that crashed or reported no usable number is FAIL with its reason, and none stays RUNNING.
No point runs twice: where one is proposed again, a random new one runs instead. What the study holds already is not
run again either; trials that it left RUNNING when the driver died are gone on with first.
"""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from raytrain.callbacks.early_stopping import improves
from raytrain.config.space import OBJECTIVES, SpaceConfig
from raytrain.engine.checkpoint import BEST
from raytrain.tuning.experience import point_in
from raytrain.tuning.optuna_points import begin_trial
from raytrain.tuning.proposers import Outcome, RandomProposer, create_proposer
from raytrain.tuning.recorded_trials import reopen_trial, report_value
from raytrain.tuning.records import violation
from raytrain.tuning.space import Point, count_points, point_key
from raytrain.tuning.trial_files import trial_directory

__all__ = ["StudySearcher", "outcome_of"]


class StudySearcher(Searcher):  # type: ignore[misc]  # ray is untyped
    """Propose points and record every trial in the study.

    Args:
        space: The sweep.
        study: Where trials are recorded; those of earlier sessions are in it.
        folder: Where the trials' folders are.
        planned: Trials in all, those in the study among them.
        experience: Points of other sweeps and what became of them, to begin with what they teach.
    """

    def __init__(
        self,
        space: SpaceConfig,
        study: optuna.Study,
        *,
        folder: Path,
        planned: int,
        experience: Iterable[tuple[Point, Outcome]] = (),
    ) -> None:
        super().__init__(metric=space.fixed.metric, mode=space.fixed.direction)
        self._space = space
        self._study = study
        self._folder = folder
        self._planned = planned
        self._measures = (space.fixed.metric, *space.search.objectives)
        known = study.get_trials(deepcopy=False)
        self._begun = len(known)
        self._proposer = create_proposer(space, known=len(known))
        self._chance = RandomProposer(space, seed=space.search.seed + len(known))
        self._points = count_points(space, at_most=planned)
        # Points of before a forced change of the space may lie outside of it; they are no experience of it.
        inside = {trial.number: point_in(space, trial.user_attrs["point"]) for trial in known}
        self._tried = {point_key(point) for point in inside.values() if point is not None}
        self._unfinished = deque(trial.number for trial in known if not trial.state.is_finished())
        self._deaths: Counter[int] = Counter()
        self._trials: dict[str, optuna.trial.Trial] = {}
        self._best: dict[str, dict[str, float]] = {}
        self._epochs: dict[str, int] = {}
        for point, outcome in experience:
            self._proposer.learn(point, outcome)
        for trial in known:
            at = inside[trial.number]
            if trial.state.is_finished() and at is not None:
                self._proposer.learn(at, outcome_of(trial, space))

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next point as a trial configuration, `FINISHED` when none is left, None to be asked again."""
        if self._unfinished:
            trial = reopen_trial(self._study, self._unfinished.popleft())
            point: Point = trial.user_attrs["point"]
            if point_in(self._space, point) == point:
                self._proposer.running(trial_id, point)
            self._trials[trial_id] = trial
            return {"point": point, "number": trial.number}
        proposed = self._next(trial_id)
        if proposed is None:
            # One that runs may have to be begun again, and Tune asks nobody who has said that he has finished.
            return None if self._trials else str(Searcher.FINISHED)
        self._tried.add(point_key(proposed))
        directory = trial_directory(self._folder, self._begun)
        attributes = {
            "point": proposed,
            "directory": str(directory),
            "checkpoint": str(directory / BEST),
            "seed": proposed.get("seed", self._space.fixed.seed),
        }
        self._trials[trial_id] = begin_trial(self._study, self._space, proposed, attributes)
        self._begun += 1
        return {"point": proposed, "number": self._begun - 1}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Add an epoch to the trial's learning curve, and those before it that nobody told."""
        if "epoch" not in result:
            return  # no epoch yet
        if "point" in result:  # in a population, where a copy of another trial goes on with settings of its own
            trial, point = self._trials[trial_id], json.loads(result["point"])
            if point != trial.user_attrs["point"]:
                trial.set_user_attr("point", point)
        for epoch, row in enumerate(json.loads(result.get("earlier", "[]")), start=1):
            if epoch < result["epoch"]:
                self._report(trial_id, epoch, {**result, **row})
        self._report(trial_id, int(result["epoch"]), result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Give the trial its terminal state: COMPLETE or PRUNED with its best value, or FAIL with the reason.

        One whose process or machine died is begun again, `search.retries` times at most. Tune would do that itself, but
        not for a process that dies between two trials.
        """
        if trial_id not in self._trials:
            return
        number = self._trials[trial_id].number
        if error:
            self._deaths[number] += 1
            if self.goes_on(number):
                self._proposer.withdraw(trial_id)
                self._unfinished.appendleft(number)
                for known in (self._trials, self._best, self._epochs):
                    known.pop(trial_id, None)
                return
        if result is not None and not error:
            self.on_trial_result(trial_id, result)
        trial, best = self._trials.pop(trial_id), self._best.pop(trial_id, None)
        epochs = self._epochs.pop(trial_id, 0)
        reason = self._failure(result, epochs, best, error=error)
        if reason is not None or best is None:
            trial.set_user_attr("failure", reason)
            self._study.tell(trial, state=TrialState.FAIL)
            self._proposer.observe(trial_id, Outcome(None))
            return
        finished = result is not None and bool(result.get("finished"))
        values = [best[name] for name in self._measures]
        bounds = self._space.search.constraints
        violations = [violation(bound, best.get(name, math.nan)) for name, bound in bounds.items()]
        if violations:
            trial.set_user_attr("violations", violations)
        if finished:
            self._study.tell(trial, values)
        else:
            trial.set_user_attr("best", values)
            self._study.tell(trial, state=TrialState.PRUNED)
        outcome = Outcome(_signed(self._space, values), None if finished else epochs, tuple(violations))
        self._proposer.observe(trial_id, outcome)

    def goes_on(self, number: int) -> bool:
        """Whether a trial, numbered from 0, whose process died is begun again."""
        return self._deaths[number] <= self._space.search.retries

    def close(self) -> None:
        """Leave no trial RUNNING: those that an interruption cut off become PRUNED, or FAIL before any epoch."""
        for number in self._unfinished:
            self._trials[f"not begun {number}"] = reopen_trial(self._study, number)
        self._unfinished.clear()
        for trial_id, trial in list(self._trials.items()):
            trial.set_user_attr("interrupted", value=True)
            self._recall(trial_id, self._study.trials[trial.number].intermediate_values)
            self.on_trial_complete(trial_id)

    def __getstate__(self) -> dict[str, Any]:
        """Leave all out of what Tune writes down of its searcher: the study remembers, and knows a password."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the study already holds every trial."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the study is reopened from its storage."""

    def _next(self, trial_id: str) -> Point | None:
        """Return a point that was not tried yet; None when all are, or as many as planned."""
        if self._begun >= self._planned or len(self._tried) == self._points:
            return None
        point = self._proposer.propose(trial_id)
        if point is None or point_key(point) not in self._tried:
            return point
        self._proposer.withdraw(trial_id)
        while point_key(point := self._chance.propose(trial_id)) in self._tried:
            pass
        self._proposer.running(trial_id, point)
        return point

    def _report(self, trial_id: str, epoch: int, result: dict[str, Any]) -> None:
        value = result.get(self.metric, math.nan)
        if epoch <= self._epochs.get(trial_id, 0):
            return  # the last result is handed over once more at the end
        trial = self._trials[trial_id]
        if trial_id not in self._epochs and "hostname" in result:
            trial.set_user_attr("host", result["hostname"])
        self._epochs[trial_id] = epoch
        if not math.isfinite(value):
            return
        report_value(trial, epoch, value)
        best = self._best.get(trial_id)
        if improves(value, None if best is None else best[self.metric], mode=self._space.fixed.direction):
            wanted = {*self._measures, *self._space.search.constraints}
            self._best[trial_id] = {name: float(result.get(name, math.nan)) for name in wanted}

    def _recall(self, trial_id: str, values: Mapping[int, float]) -> None:
        """Take the best epoch of an earlier session for a trial that this one heard nothing of."""
        if values and trial_id not in self._best:
            better = max if self._space.fixed.direction == "max" else min
            self._best[trial_id] = {self.metric: better(values.values())}
            self._epochs[trial_id] = max(values)

    def _failure(
        self, result: dict[str, Any] | None, epochs: int, best: dict[str, float] | None, *, error: bool
    ) -> str | None:
        """Return why a trial failed; None where it did not."""
        if error:
            return f"its process or machine died {1 + self._space.search.retries} times (search.retries)"
        if result is not None and "failed" in result:
            return str(result["failed"])
        if best is None:
            return f"{self.metric} was never a finite number" if epochs else "it ended before its first epoch"
        missing = [name for name in self._measures if not math.isfinite(best.get(name, math.nan))]
        return f"{', '.join(missing)} is not a finite number" if missing else None


def outcome_of(trial: FrozenTrial, space: SpaceConfig) -> Outcome:
    """Return what became of a trial of a study that has ended."""
    attributes = trial.user_attrs
    violations = tuple(attributes.get("violations", ()))
    if len(violations) != len(space.search.constraints):
        violations = ()  # of other constraints, before a forced change
    if trial.state is TrialState.COMPLETE:
        return Outcome(_signed(space, trial.values), None, violations)
    if trial.state is TrialState.PRUNED and "best" in attributes:
        return Outcome(_signed(space, attributes["best"]), max(trial.intermediate_values, default=1), violations)
    return Outcome(None)


def _signed(space: SpaceConfig, values: Iterable[float]) -> tuple[float, ...]:
    """Return values of which more is better."""
    measures = (space.fixed.metric, *space.search.objectives)
    return tuple(value if OBJECTIVES[name] == "max" else -value for name, value in zip(measures, values, strict=True))
