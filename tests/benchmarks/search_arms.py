"""Who searches, and a simulated cluster on which they do: events in place of processes, known curves of trainings."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState
from ray.tune.result import TRAINING_ITERATION
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from raytrain.callbacks.early_stopping import improves
from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_points import suggest_point
from raytrain.tuning.schedulers import create_scheduler
from raytrain.tuning.searcher import StudySearcher
from raytrain.tuning.space import Point
from tests.benchmarks.search_problems import Curve, Problem

__all__ = ["OURS", "RANDOM", "Arm", "Tuner", "arms", "simulate"]

SLOTS = 2
_ENDLESS = 10_000
"""Trials, more than the budget of epochs allows."""
RANDOM = "raytrain, random"
OURS = "raytrain, TPE"


class Tuner(Protocol):
    """Proposes trials, and decides after each of their epochs whether they go on."""

    def propose(self, trial_id: str) -> Point | None:
        """Return the point of a new trial; None when there is none left."""
        ...

    def goes_on(self, trial_id: str, epoch: int, value: float, *, last: bool) -> bool:
        """Learn the value after an epoch, and return whether there is to be another."""
        ...


Arm = Callable[[SpaceConfig, int], Tuner]
"""Makes the tuner of a space with a seed."""


def arms(space: SpaceConfig) -> Mapping[str, Arm]:
    """Return who searches a space: with early stopping where its trials have several epochs."""
    if space.scheduler.name == "none":
        return {
            OURS: lambda space, seed: _ours(space, seed, "tpe"),
            RANDOM: lambda space, seed: _ours(space, seed, "random"),
            "Optuna, TPE": lambda space, seed: OptunaTuner(space, seed, optuna.pruners.NopPruner()),
            "Ray Tune, OptunaSearch": lambda space, seed: _plain_ray(space, seed, FIFOScheduler()),
        }
    first, factor, epochs = space.scheduler.grace_epochs, space.scheduler.reduction_factor, space.fixed.epochs
    return {
        f"{OURS} + ASHA": lambda space, seed: _ours(space, seed, "tpe"),
        RANDOM: lambda space, seed: _ours(space, seed, "random", scheduler="none"),
        f"{RANDOM} + ASHA": lambda space, seed: _ours(space, seed, "random"),
        "Optuna, TPE + halving": lambda space, seed: OptunaTuner(
            space, seed, optuna.pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=factor)
        ),
        "Optuna, TPE + Hyperband": lambda space, seed: OptunaTuner(
            space, seed, optuna.pruners.HyperbandPruner(first, epochs, factor)
        ),
        "Ray Tune, OptunaSearch + ASHA": lambda space, seed: _plain_ray(
            space,
            seed,
            ASHAScheduler(
                metric=space.fixed.metric,
                mode=space.fixed.direction,
                max_t=epochs,
                grace_period=first,
                reduction_factor=factor,
            ),
        ),
    }


def simulate(tuner: Tuner, problem: Problem, *, seed: int) -> list[float]:
    """Return the simple regret after each epoch: by how much what looks best by then falls short of the optimum.

    Two trials run at once; each epoch takes its time, and a slot goes on with a new trial the moment one ends.
    """
    random = np.random.default_rng([seed, 1])
    order = itertools.count()
    regrets: list[float] = []
    best: float | None = None
    regret = np.inf
    events: list[tuple[float, int, _Running]] = []

    def start(now: float) -> None:
        number = next(order)
        point = tuner.propose(str(number))
        if point is not None:
            running = _Running(str(number), problem.train(point, random))
            heapq.heappush(events, (now + running.curve.epoch_s, number, running))

    for _ in range(SLOTS):
        start(0.0)
    while events and len(regrets) < problem.budget:
        now, _, running = heapq.heappop(events)
        value, worth = running.advance()
        if improves(value, best, mode=problem.space.fixed.direction):
            best, regret = value, abs(worth - problem.optimum)
        regrets.append(regret)
        last = running.epoch == len(running.curve.observed)
        if tuner.goes_on(running.trial_id, running.epoch, value, last=last) and not last:
            heapq.heappush(events, (now + running.curve.epoch_s, next(order), running))
        else:
            start(now)
    return regrets + [regret] * (problem.budget - len(regrets))


@dataclass(slots=True)
class _Running:
    trial_id: str
    curve: Curve
    epoch: int = 0

    def advance(self) -> tuple[float, float]:
        """Train an epoch; return what is seen of it and what it is worth."""
        self.epoch += 1
        return self.curve.observed[self.epoch - 1], self.curve.worth[self.epoch - 1]


class RayTuner:
    """A searcher and a scheduler of Ray Tune, called as Tune's controller calls them.

    Args:
        searcher: Proposes.
        scheduler: Stops.
        metric: What they watch.
        point: Returns the point of what the searcher suggests.
    """

    def __init__(
        self, searcher: Searcher, scheduler: TrialScheduler, *, metric: str, point: Callable[[dict[str, Any]], Point]
    ) -> None:
        self._searcher = searcher
        self._scheduler = scheduler
        self._metric = metric
        self._point = point
        self._trials: dict[str, SimpleNamespace] = {}

    def propose(self, trial_id: str) -> Point | None:
        suggested = self._searcher.suggest(trial_id)
        if suggested is None or suggested == Searcher.FINISHED:
            return None
        self._trials[trial_id] = SimpleNamespace(trial_id=trial_id, config=suggested)
        self._scheduler.on_trial_add(None, self._trials[trial_id])
        return self._point(suggested)

    def goes_on(self, trial_id: str, epoch: int, value: float, *, last: bool) -> bool:
        trial = self._trials[trial_id]
        result = {self._metric: value, "epoch": epoch, TRAINING_ITERATION: epoch, "finished": last, "done": last}
        if not last and self._scheduler.on_trial_result(None, trial, result) == TrialScheduler.CONTINUE:
            self._searcher.on_trial_result(trial_id, result)
            return True
        self._scheduler.on_trial_complete(None, trial, result)
        self._searcher.on_trial_complete(trial_id, result=result)
        return False


class OptunaTuner:
    """A study of Optuna, asked and told as its documentation shows it: report, prune, the last value at the end."""

    def __init__(self, space: SpaceConfig, seed: int, pruner: optuna.pruners.BasePruner) -> None:
        self._space = space
        self._study = optuna.create_study(
            direction=_direction(space), sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner
        )
        self._trials: dict[str, optuna.Trial] = {}

    def propose(self, trial_id: str) -> Point | None:
        trial = self._trials[trial_id] = self._study.ask()
        return suggest_point(trial, self._space)

    def goes_on(self, trial_id: str, epoch: int, value: float, *, last: bool) -> bool:
        trial = self._trials[trial_id]
        trial.report(value, step=epoch)
        if last:
            self._study.tell(trial, value)
        elif trial.should_prune():
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            return True
        return False


def _ours(space: SpaceConfig, seed: int, algorithm: str, scheduler: str | None = None) -> Tuner:
    """Return what `raytrain tune` searches with: its searcher, kept in memory, and its scheduler."""
    search = space.search.model_copy(update={"seed": seed, "algorithm": algorithm})
    stopping = space.scheduler.model_copy(update={"name": scheduler or space.scheduler.name})
    space = space.model_copy(update={"search": search, "scheduler": stopping})
    study = optuna.create_study(direction=_direction(space))
    searcher = StudySearcher(space, study, folder=Path("trials"), planned=_ENDLESS)
    return RayTuner(
        searcher, create_scheduler(space), metric=space.fixed.metric, point=lambda suggested: suggested["point"]
    )


def _plain_ray(space: SpaceConfig, seed: int, scheduler: TrialScheduler) -> Tuner:
    logging.getLogger("ray.tune").setLevel(logging.ERROR)

    def define(trial: optuna.Trial) -> None:
        suggest_point(trial, space)

    searcher = OptunaSearch(define, metric=space.fixed.metric, mode=space.fixed.direction, seed=seed)
    return RayTuner(searcher, scheduler, metric=space.fixed.metric, point=dict)


def _direction(space: SpaceConfig) -> StudyDirection:
    return StudyDirection.MAXIMIZE if space.fixed.direction == "max" else StudyDirection.MINIMIZE
