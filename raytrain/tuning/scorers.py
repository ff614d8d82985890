"""Scorers of an estimator by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sklearn.metrics import check_scoring, get_scorer_names

from raytrain.errors import ConfigError, nearest
from raytrain.tuning.cross_validation import Scorer

__all__ = ["SINGLE", "Scoring", "create_scorers"]

Scoring: TypeAlias = str | Scorer | Sequence[str] | Mapping[str, str | Scorer] | None
"""A scorer, its name, or several of them, as scikit-learn takes `scoring`; higher is better."""

SINGLE = "score"
"""Name of the only scorer where none is named."""


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
