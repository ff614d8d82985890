# ruff: noqa: ANN401 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from raytrain.tuning.cross_validation import CrossValidation, FoldScore
from raytrain.tuning.fold_division import make_folds
from raytrain.tuning.scorers import create_scorers
from raytrain.tuning.search_table import search_table

X, Y = make_classification(90, 6, random_state=0)


def untimed(table: dict[str, Any]) -> pd.DataFrame:
    frame = pd.DataFrame(table)
    return frame.drop(columns=[name for name in frame if str(name).endswith("_time")])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize(
    ("estimator", "grid", "scoring"),
    [
        (SVC(), {"C": [0.1, 1, 10], "kernel": ["rbf", "linear"]}, None),
        (SVC(), [{"kernel": ["rbf"], "gamma": [0.1, "scale"]}, {"kernel": ["poly"], "degree": [2, 3]}], "f1"),
        (RandomForestClassifier(5, random_state=0), {"max_depth": [None, 2], "bootstrap": [True, False]}, "roc_auc"),
        (
            make_pipeline(StandardScaler(), SVC()),
            {"standardscaler": [StandardScaler(), MinMaxScaler()]},
            ["f1", "recall"],
        ),
        (KNeighborsClassifier(), {"n_neighbors": [1, 2, 3, 4, 50, 1000]}, None),
        (SVC(), {"class_weight": [None, "balanced", {0: 1, 1: 9}]}, {"a": "accuracy", "b": "f1"}),
        (SVC(), {"C": [1.0, -1.0]}, None),
    ],
)
@pytest.mark.parametrize("train", [False, True])
def test_the_table_is_that_of_grid_search_cv(estimator: Any, grid: Any, scoring: Any, train: bool) -> None:
    with warnings.catch_warnings():
        for expected in ("One or more of the", "Scoring failed"):
            warnings.filterwarnings("ignore", expected)
        theirs = GridSearchCV(estimator, grid, scoring=scoring, cv=4, refit=False, return_train_score=train).fit(X, Y)
    folds = make_folds(estimator, X, Y, cv=4, groups=None)
    judge = CrossValidation(estimator, X, Y, folds, create_scorers(estimator, scoring), train)
    candidates = list(ParameterGrid(grid))
    ours = search_table(candidates, [judge.judge(candidate) for candidate in candidates])
    assert list(ours) == list(theirs.cv_results_)
    assert str(untimed(ours)["params"].tolist()) == str(untimed(theirs.cv_results_)["params"].tolist())
    values = [name for name in untimed(ours) if name != "params" and not str(name).startswith("param_standard")]
    pd.testing.assert_frame_equal(untimed(ours)[values], untimed(theirs.cv_results_)[values], check_exact=True)
    for name, column in ours.items():
        if name.startswith("param_"):
            assert np.array_equal(np.ma.getmaskarray(column), np.ma.getmaskarray(theirs.cv_results_[name]))
            assert column.dtype == theirs.cv_results_[name].dtype


def fold(score: float, seconds: float = 1.0) -> FoldScore:
    return FoldScore({"score": score}, {}, fit_time_s=seconds, score_time_s=2 * seconds)


def test_times_and_deviations_are_over_the_folds() -> None:
    table = search_table([{"a": 1}, {"a": 2}], [[fold(0.2, 1.0), fold(0.6, 3.0)], [fold(0.5), fold(0.5)]])
    assert table["mean_fit_time"].tolist() == [2.0, 1.0]
    assert table["std_fit_time"].tolist() == [1.0, 0.0]
    assert table["mean_score_time"].tolist() == [4.0, 2.0]
    assert table["std_test_score"] == pytest.approx([0.2, 0.0])
    assert table["rank_test_score"].tolist() == [2, 1]


def test_what_was_not_scored_ranks_last() -> None:
    scores = [[fold(np.nan), fold(1.0)], [fold(-5.0), fold(-5.0)], [fold(np.nan)] * 2, [fold(0.0)] * 2]
    assert search_table([{"a": 1}] * 4, scores)["rank_test_score"].tolist() == [3, 2, 3, 1]
    assert search_table([{"a": 1}] * 2, [[fold(np.nan)], [fold(np.nan)]])["rank_test_score"].tolist() == [1, 1]
