"""Cross-validation of one estimator at many parameters: the folds, the scores, and what may go wrong with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import BaseCrossValidator, GroupKFold, StratifiedGroupKFold, check_cv, cross_validate
from sklearn.utils.multiclass import type_of_target

from raytrain.errors import ConfigError, DataError, nearest

__all__ = [
    "SINGLE",
    "CrossValidation",
    "Fold",
    "FoldScore",
    "Folds",
    "Scoring",
    "configured",
    "create_scorers",
    "make_folds",
]

Fold: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows to train on, and rows to judge by."""

Folds: TypeAlias = int | BaseCrossValidator | Iterable[tuple[ArrayLike, ArrayLike]] | None
"""How many folds, what divides into them, or the folds themselves, as scikit-learn takes `cv`."""

Scorer: TypeAlias = Callable[[Any, Any, Any], float]
Scoring: TypeAlias = str | Scorer | Sequence[str] | Mapping[str, str | Scorer] | None
"""A scorer, its name, or several of them, as scikit-learn takes `scoring`."""

SINGLE = "score"
"""Name of the only scorer where none is named."""


@dataclass(frozen=True, slots=True)
class FoldScore:
    """How one estimator did on one fold.

    Attributes:
        test: Score of each scorer on the rows it was not trained on; NaN where it failed.
        train: The same on those it was trained on, where asked for.
        fit_time_s: Seconds that training took.
        score_time_s: Seconds that scoring the test rows took.
        reason: What failed; empty when nothing did.
    """

    test: Mapping[str, float]
    train: Mapping[str, float]
    fit_time_s: float
    score_time_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """All that judging an estimator at some parameters takes; one object serves all candidates, in all processes.

    Attributes:
        estimator: What is cloned, set and trained.
        X: Rows; nothing may write to them.
        y: Their targets.
        folds: The same for every candidate.
        scorers: By name; higher is better.
        return_train_score: Whether to score the training rows too.
    """

    estimator: Any
    X: Any
    y: Any
    folds: tuple[Fold, ...]
    scorers: Mapping[str, Scorer]
    return_train_score: bool = False

    def judge(self, parameters: Mapping[str, Any]) -> list[FoldScore]:
        """Train and score the estimator at `parameters` on every fold."""
        return [self._judge(parameters, fold) for fold in self.folds]

    def _judge(self, parameters: Mapping[str, Any], fold: Fold) -> FoldScore:
        recorded = {name: _Recorded(scorer) for name, scorer in self.scorers.items()}
        started = time.perf_counter()
        try:
            said = cross_validate(
                configured(self.estimator, parameters),
                self.X,
                self.y,
                cv=[fold],
                scoring=recorded,
                return_train_score=self.return_train_score,
                error_score="raise",
            )
        except Exception as error:  # noqa: BLE001 - an estimator may raise anything
            seconds = time.perf_counter() - started
            return failed_fold(self.scorers, reason=_described(error), train=self.return_train_score, seconds=seconds)
        return FoldScore(
            test={name: float(said[f"test_{name}"][0]) for name in self.scorers},
            train={name: float(said[f"train_{name}"][0]) for name in self.scorers} if self.return_train_score else {},
            fit_time_s=float(said["fit_time"][0]),
            score_time_s=float(said["score_time"][0]),
            reason="; ".join(f"{name}: {scorer.reason}" for name, scorer in recorded.items() if scorer.reason),
        )

    def unjudged(self, reason: str) -> list[FoldScore]:
        """Return what stands for the folds of a candidate that could not be judged at all."""
        return [failed_fold(self.scorers, reason=reason, train=self.return_train_score)] * len(self.folds)

    def refit(self, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an estimator
        """Return the estimator at `parameters`, trained on all rows."""
        return configured(self.estimator, parameters).fit(self.X, self.y)


@dataclass(slots=True)
class _Recorded:
    """A scorer whose failure is a NaN with a reason, as the other scorers of the fold still count."""

    scorer: Scorer
    reason: str = field(default="")

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:  # noqa: ANN401, N803 - scikit-learn's signature
        try:
            return float(self.scorer(estimator, X, y))
        except Exception as error:  # noqa: BLE001 - a scorer may raise anything
            self.reason = _described(error)
            return float("nan")


def configured(estimator: Any, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an estimator
    """Return a new, untrained copy of an estimator at `parameters`; neither is changed by what is done to it."""
    return clone(estimator).set_params(**clone(dict(parameters), safe=False))


def failed_fold(names: Iterable[str], *, reason: str, train: bool, seconds: float = 0.0) -> FoldScore:
    """Return the scores of a fold without any."""
    scores = dict.fromkeys(names, float("nan"))
    return FoldScore(scores, scores if train else {}, fit_time_s=seconds, score_time_s=0.0, reason=reason)


def make_folds(
    estimator: Any,  # noqa: ANN401
    X: Any,  # noqa: ANN401, N803 - scikit-learn's name
    y: Any,  # noqa: ANN401
    *,
    cv: Folds,
    groups: ArrayLike | None,
) -> tuple[Fold, ...]:
    """Return the folds, none of which has a row or a group on both of its sides.

    Args:
        estimator: Folds of a classifier have the classes in equal shares.
        X: Rows.
        y: Their targets.
        cv: As scikit-learn takes it; a number of folds, 5 when absent, means folds that keep groups whole.
        groups: The recording, bearing, ... of each row; folds may not share one.

    Raises:
        DataError: The rows cannot be divided so, or the folds share rows or groups.
    """
    if groups is not None and (cv is None or isinstance(cv, int)):
        stratified = is_classifier(estimator) and type_of_target(y) in ("binary", "multiclass")
        cv = (StratifiedGroupKFold if stratified else GroupKFold)(n_splits=5 if cv is None else cv)
    try:
        divider = check_cv(cv, y, classifier=is_classifier(estimator))
        rows = np.arange(len(y))
        folds = tuple((rows[train], rows[test]) for train, test in divider.split(X, y, groups))
    except (ValueError, IndexError) as error:
        raise DataError(f"cv: the rows cannot be divided so: {error}") from error
    if not folds:
        raise DataError("cv: there must be at least one fold, got none")
    for number, (train, test) in enumerate(folds):
        if shared := np.intersect1d(train, test).size:
            raise DataError(f"cv: a fold may not judge by what it trains on; {shared} rows of split {number} are in both")
        if groups is not None:
            _check_groups(np.asarray(groups), train, test, number=number)
    return folds


def _check_groups(groups: NDArray[Any], train: NDArray[np.intp], test: NDArray[np.intp], *, number: int) -> None:
    shared = np.intersect1d(groups[train], groups[test])
    if shared.size:
        raise DataError(
            f"cv: groups may not be in training and test rows of one fold; {shared.size} are in split {number}, such "
            f"as {shared[0]}; give cv as a number, or GroupKFold, StratifiedGroupKFold or LeaveOneGroupOut"
        )


def create_scorers(estimator: Any, scoring: Scoring) -> dict[str, Scorer]:  # noqa: ANN401 - an estimator
    """Return the scorers by name; the only one of a single metric is called `score`.

    >>> from sklearn.svm import SVC
    >>> list(create_scorers(SVC(), "f1_macro")), list(create_scorers(SVC(), ["accuracy", "f1_macro"]))
    (['score'], ['accuracy', 'f1_macro'])

    Raises:
        ConfigError: A name is unknown, the names repeat, or the estimator has no score of its own.
    """
    if scoring is None or isinstance(scoring, str) or callable(scoring):
        return {SINGLE: _scorer(estimator, scoring)}
    named = dict(scoring) if isinstance(scoring, Mapping) else {name: name for name in scoring}
    if not named or len(named) < len(scoring):
        raise ConfigError(f"scoring: names must differ, and there must be one, got {list(scoring)}")
    return {name: _scorer(estimator, one) for name, one in named.items()}


def _scorer(estimator: Any, scoring: str | Scorer | None) -> Scorer:  # noqa: ANN401 - an estimator
    if isinstance(scoring, str) and scoring not in (known := get_scorer_names()):
        raise ConfigError(f"scoring: there is no scorer '{scoring}'; {nearest(scoring, known)}")
    try:
        scorer: Scorer = check_scoring(estimator, scoring=scoring)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"scoring: {error}") from error
    return scorer


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip()
