"""Cross-validation of one estimator at many parameters, in which what fails is a score with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import cross_validate

__all__ = ["CrossValidation", "Fold", "FoldScore", "Scorer", "configured", "failed_fold"]

Fold: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows to train on, and rows to judge by."""

Scorer: TypeAlias = Callable[[Any, Any, Any], float]
"""Called with a trained estimator, rows and their targets; higher is better."""


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


def _described(error: Exception) -> str:
    # scikit-learn says anew of its own function what an estimator said of itself.
    origin = error.__cause__ if type(error.__cause__) is type(error) else error
    return f"{type(error).__name__}: {origin}".strip()
