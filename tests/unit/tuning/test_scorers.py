# ruff: noqa: ANN401 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

from typing import Any

import pytest
from sklearn.cluster import DBSCAN
from sklearn.metrics import get_scorer, make_scorer, zero_one_loss
from sklearn.svm import SVC

from raytrain.errors import ConfigError
from raytrain.tuning.scorers import create_scorers

X, Y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("scoring", "names"),
    [
        (None, ["score"]),
        ("accuracy", ["score"]),
        (make_scorer(zero_one_loss, greater_is_better=False), ["score"]),
        (["accuracy", "f1"], ["accuracy", "f1"]),
        ({"mine": get_scorer("accuracy"), "loss": "neg_log_loss"}, ["mine", "loss"]),
    ],
)
def test_scorers_have_scikit_learns_names(scoring: Any, names: list[str]) -> None:
    assert list(create_scorers(SVC(), scoring)) == names


def test_without_a_scorer_the_estimator_scores_itself() -> None:
    assert create_scorers(SVC(), None)["score"](SVC().fit(X, Y), X, Y) == 1.0


@pytest.mark.parametrize(
    ("estimator", "scoring", "said"),
    [
        (SVC(), "f1_macros", "there is no scorer 'f1_macros'; did you mean 'f1_macro'"),
        (SVC(), ["accuracy", "f0"], "there is no scorer 'f0'"),
        (SVC(), ["accuracy", "accuracy"], "names must differ"),
        (SVC(), [], "there must be one"),
        (DBSCAN(), None, "scoring: .*score"),
    ],
)
def test_unknown_scorers_are_refused(estimator: Any, scoring: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        create_scorers(estimator, scoring)
