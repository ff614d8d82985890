"""Rows divided into folds that share nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.model_selection import BaseCrossValidator, GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.utils.multiclass import type_of_target

from raytrain.errors import DataError
from raytrain.tuning.cross_validation import Fold

__all__ = ["Folds", "make_folds"]

Folds: TypeAlias = int | BaseCrossValidator | Iterable[tuple[ArrayLike, ArrayLike]] | None
"""How many folds, what divides into them, or the folds themselves, as scikit-learn takes `cv`."""


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
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The groups parameter is ignored")  # they are checked below
            folds = tuple((rows[train], rows[test]) for train, test in divider.split(X, y, groups))
    except (ValueError, IndexError) as error:
        raise DataError(f"cv: the rows cannot be divided so: {error}") from error
    if not folds:
        raise DataError("cv: there must be at least one fold, got none")
    for number, (train, test) in enumerate(folds):
        if shared := np.intersect1d(train, test).size:
            raise DataError(
                f"cv: a fold may not judge by what it trains on; {shared} rows of split {number} are in both"
            )
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
