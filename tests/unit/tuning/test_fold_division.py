# ruff: noqa: ANN401 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, StratifiedGroupKFold, StratifiedKFold
from sklearn.svm import SVC

from raytrain.errors import DataError
from raytrain.tuning.fold_division import make_folds

X = np.arange(24.0).reshape(24, 1)
Y = np.arange(24) % 2
GROUPS = np.arange(24) // 3


def rows(folds: Any) -> list[tuple[list[int], list[int]]]:
    return [(np.arange(24)[train].tolist(), np.arange(24)[test].tolist()) for train, test in folds]


@pytest.mark.parametrize(
    ("estimator", "y", "cv", "groups", "expected"),
    [
        (SVC(), Y, None, None, StratifiedKFold(5)),
        (SVC(), Y, 3, None, StratifiedKFold(3)),
        (Ridge(), X[:, 0], 3, None, KFold(3)),
        (SVC(), Y, 4, GROUPS, StratifiedGroupKFold(4)),
        (Ridge(), X[:, 0], 4, GROUPS, GroupKFold(4)),
        (SVC(), Y, LeaveOneGroupOut(), GROUPS, LeaveOneGroupOut()),
    ],
)
def test_folds_are_those_of_scikit_learn(estimator: Any, y: Any, cv: Any, groups: Any, expected: Any) -> None:
    assert rows(make_folds(estimator, X, y, cv=cv, groups=groups)) == rows(expected.split(X, y, groups))


def test_guarantee_20_a_fold_that_shares_a_group_is_refused() -> None:
    with pytest.raises(DataError, match=r"groups may not be in training and test rows .* 2 are in split 0, such as"):
        make_folds(SVC(), X, Y, cv=KFold(3, shuffle=False).split(X[:22]), groups=np.arange(24) % 8 % 2)


def test_guarantee_20_a_fold_that_judges_by_what_it_trains_on_is_refused() -> None:
    with pytest.raises(DataError, match="1 rows of split 1 are in both"):
        make_folds(SVC(), X, Y, cv=[([0, 1], [2]), ([0, 1], [1])], groups=None)


def test_folds_may_be_given_as_masks_and_slices() -> None:
    folds = make_folds(SVC(), X, Y, cv=[(X[:, 0] < 12, slice(12, 24))], groups=None)
    assert rows(folds) == [(list(range(12)), list(range(12, 24)))]


@pytest.mark.parametrize(
    ("cv", "groups", "said"),
    [
        (13, None, "the rows cannot be divided so"),
        (2, np.zeros(24), "the rows cannot be divided so|groups"),
        (LeaveOneGroupOut(), None, "the rows cannot be divided so"),
        ([], None, "at least one fold"),
        ([([0], [99])], None, "the rows cannot be divided so"),
    ],
)
def test_rows_that_cannot_be_divided_are_refused(cv: Any, groups: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        make_folds(SVC(), X, Y, cv=cv, groups=groups)
