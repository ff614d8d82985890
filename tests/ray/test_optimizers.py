# ruff: noqa: ANN401, N803 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.trial import TrialState
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from raytrain.tuning import BayesianOptimizer, GridSearchOptimizer

pytestmark = pytest.mark.ray

X = np.random.default_rng(0).normal(size=(60, 3)) + np.arange(60)[:, None] % 2
Y = np.arange(60) % 2


class Dying(SVC):  # type: ignore[misc]  # scikit-learn is untyped
    """An estimator whose process dies at one of its settings, as of too little memory."""

    def fit(self, X: Any, y: Any) -> Dying:
        if self.degree == 1:
            os._exit(1)
        super().fit(X, y)
        return self


def test_a_grid_on_tune_is_that_of_grid_search_cv(cluster: None) -> None:
    grid = {"C": [0.1, 1.0, 1], "kernel": ["rbf", "linear"]}
    ours = GridSearchOptimizer().search(SVC(), X, Y, grid, 3)
    theirs = pd.DataFrame(GridSearchCV(SVC(), grid, cv=3).fit(X, Y).cv_results_)
    times = [name for name in theirs if str(name).endswith("_time")]
    pd.testing.assert_frame_equal(ours.get_results().drop(columns=times), theirs.drop(columns=times), check_exact=True)
    assert (ours.get_results()["mean_fit_time"] > 0).all()


def test_a_candidate_whose_process_dies_is_told_from_the_others(cluster: None) -> None:
    with pytest.warns(FitFailedWarning, match="2 of 4 fits failed"):
        search = GridSearchOptimizer().search(Dying(), X, Y, {"degree": [1, 2]}, 2)
    assert search.get_results()["mean_test_score"].isna().tolist() == [True, False]
    assert search.failures_["reason"].str.startswith("its process failed: ").all()


def test_a_model_of_ours_is_searched_by_tpe(cluster: None, tmp_path: Path) -> None:
    signal = np.random.default_rng(0).normal(size=(24, 128)).astype(np.float32)
    signal[1::2] += 2 * np.sin(np.arange(128))
    optimizer = BayesianOptimizer(n_trials=3, random_state=0, epochs=4, storage=tmp_path / "study.journal")
    space = {"optimizer.lr": {"type": "loguniform", "low": 1e-3, "high": 1e-1}, "model.depth": [2]}
    search = optimizer.search("cnn1d", signal, np.arange(24) % 2, space, 2, groups=np.arange(24) // 2)
    assert [trial.state for trial in search.study_.trials] == [TrialState.COMPLETE] * 3
    assert search.get_results()["mean_test_score"].tolist() == [trial.value for trial in search.study_.trials]
    assert search.best_estimator_.score(signal, np.arange(24) % 2) > 0.7
