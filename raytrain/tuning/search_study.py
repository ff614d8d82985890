"""The Optuna study of a search over an estimator: the record of every candidate, and what TPE learns from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeAlias

import joblib
import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.candidates import Judged
from raytrain.tuning.cross_validation import CrossValidation, FoldScore
from raytrain.tuning.judging import Candidate
from raytrain.tuning.labelled_space import LabelledSpace
from raytrain.tuning.optuna_points import record_point
from raytrain.tuning.proposers import Outcome, RandomProposer, create_proposer
from raytrain.tuning.space import Point, count_points

__all__ = ["StudyCandidates", "StudyStorage", "open_study", "search_signature"]

StudyStorage: TypeAlias = str | Path | BaseStorage | None
"""The address of a database (`sqlite:///...`), the path of a journal file, Optuna's own object, or memory."""

_SIGNATURE, _POINT, _FOLDS, _PROPOSAL = "search", "point", "folds", "proposal"


def open_study(storage: StudyStorage, *, name: str, signature: Mapping[str, str]) -> optuna.Study:
    """Return the study of this name, a new one where there is none; no trial of it is left RUNNING.

    A storage has one search at a time: what another one is just judging would be taken for what a crash left behind.

    Raises:
        ConfigError: The study is of another search, or the storage cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            study_name=name, storage=_storage(storage), direction="maximize", load_if_exists=True
        )
    except Exception as error:  # each database has errors of its own
        raise ConfigError(f"storage: {storage} cannot be opened: {error}") from error
    _check_signature(study, signature)
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def search_signature(judge: CrossValidation, space: SpaceConfig, *, objective: str) -> dict[str, str]:
    """Return what two searches must share for their scores to be comparable, by what a user calls it."""
    parameters = {name: one.model_dump(mode="json") for name, one in space.parameters.items()}
    return {
        "model": " ".join(repr(judge.estimator).split()),
        "param_grid": json.dumps(parameters, sort_keys=True),
        "scoring": f"{', '.join(judge.scorers)} by {objective}",
        "X and y": str(joblib.hash((judge.X, judge.y))),
        "folds": str(joblib.hash(judge.folds)),
    }


class StudyCandidates:
    """Candidates that TPE proposes; the study records each with its scores, and its earlier ones count.

    A point that was judged is not judged again: where TPE proposes it once more, a random new one takes its place.

    Args:
        labelled: The space.
        study: The record; trials it has from an earlier search are learned from, and are among the results.
        objective: The scorer that decides.
        trials: New candidates to judge.
        seed: Of the proposals.
    """

    def __init__(self, labelled: LabelledSpace, study: optuna.Study, *, objective: str, trials: int, seed: int) -> None:
        self._labelled, self._study, self._objective = labelled, study, objective
        self._space = labelled.config(search={"algorithm": "tpe", "trials": trials, "seed": seed})
        self._proposer = create_proposer(self._space)
        self._chance = RandomProposer(self._space, seed=seed)
        self._points: dict[int, Point] = {}
        self._folds: dict[int, Sequence[FoldScore]] = {}
        self._running: dict[int, optuna.Trial] = {}
        for trial in study.get_trials(deepcopy=False):
            if _FOLDS in trial.user_attrs:
                self._learn(trial)
        self._tried = {_key(point) for point in self._points.values()}
        points = count_points(self._space, at_most=trials + len(self._tried))
        self._limit = trials if points is None else min(trials, points - len(self._tried))
        self._proposed = 0

    @property
    def limit(self) -> int:
        """How many are to be judged: no more than the space has points left."""
        return self._limit

    def propose(self) -> Candidate | None:
        """Return TPE's next candidate, recorded as running."""
        if self._proposed == self._limit:
            return None
        self._proposed += 1
        proposal = f"proposal {self._proposed}"
        point = self._proposer.propose(proposal)
        if point is None or _key(point) in self._tried:
            self._proposer.withdraw(proposal)
            point = self._untried()
            self._proposer.running(proposal, point)
        self._tried.add(_key(point))
        trial = record_point(self._study, self._space, point)
        trial.set_user_attr(_POINT, json.dumps(point))
        trial.set_user_attr(_PROPOSAL, proposal)
        self._points[trial.number], self._running[trial.number] = point, trial
        return Candidate(trial.number, self._labelled.values(point))

    def observe(self, candidate: Candidate, folds: Sequence[FoldScore]) -> None:
        """Record how a candidate did: COMPLETE with its mean score, or FAIL with the reason."""
        trial, self._folds[candidate.number] = self._running.pop(candidate.number), folds
        trial.set_user_attr(_FOLDS, json.dumps([asdict(fold) for fold in folds]))
        outcome, reason = self._outcome(folds)
        if outcome.values is None:
            trial.set_user_attr("failure", reason)
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, outcome.values[0])
        self._proposer.observe(trial.user_attrs[_PROPOSAL], outcome)

    def gathered(self, unjudged: Sequence[FoldScore]) -> list[Judged]:
        """Return all candidates of the study, those of earlier searches among them, in the order of their trials."""
        return [
            (self._labelled.values(point), self._folds.get(number, unjudged))
            for number, point in sorted(self._points.items())
        ]

    def _learn(self, trial: FrozenTrial) -> None:
        """Take a trial of an earlier search for one of this."""
        point = json.loads(trial.user_attrs[_POINT])
        folds = [FoldScore(**one) for one in json.loads(trial.user_attrs[_FOLDS])]
        self._points[trial.number], self._folds[trial.number] = point, folds
        self._proposer.learn(point, self._outcome(folds)[0])

    def _outcome(self, folds: Sequence[FoldScore]) -> tuple[Outcome, str]:
        """Return what a candidate was worth, and why nothing where it was worth nothing."""
        mean = float(np.mean([fold.test[self._objective] for fold in folds]))
        if math.isfinite(mean):
            return Outcome((mean,)), ""
        reasons = [fold.reason for fold in folds if fold.reason]
        return Outcome(None), reasons[0] if reasons else f"its mean score is {mean}"

    def _untried(self) -> Point:
        """Return a random point that was not tried yet; `limit` makes sure that there is one."""
        while _key(point := self._chance.propose("")) in self._tried:
            pass
        return point


def _storage(storage: StudyStorage) -> BaseStorage | str | None:
    if isinstance(storage, Path) or (isinstance(storage, str) and "://" not in storage):
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        return JournalStorage(JournalFileBackend(str(storage)))
    return storage


def _check_signature(study: optuna.Study, signature: Mapping[str, str]) -> None:
    """Refuse a study whose scores cannot be compared with those of this search; sign one that is new."""
    signed = study.user_attrs.get(_SIGNATURE)
    if signed is None and not study.get_trials(deepcopy=False):
        study.set_user_attr(_SIGNATURE, dict(signature))
        return
    differing = [name for name, text in signature.items() if (signed or {}).get(name) != text]
    if differing:
        raise ConfigError(
            f"study_name: the study '{study.study_name}' in this storage is of another search, which differs in "
            f"{', '.join(differing)}; give another study_name, or search as it did"
        )


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)
