# ruff: noqa: ANN401, N806 - estimators are of any type, X is a name of scikit-learn
"""The three optimizers with candidates judged in this process; tests/ray judges some on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from optuna.trial import TrialState
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, StratifiedGroupKFold
from sklearn.svm import SVC

from raytrain.errors import ConfigError, DataError, RunError
from raytrain.tuning import BayesianOptimizer, GridSearchOptimizer, RandomSearchOptimizer, search_optimizer
from raytrain.tuning.candidate_search import SearchResources
from raytrain.tuning.candidates import Candidates
from raytrain.tuning.cross_validation import CrossValidation

X, Y = make_classification(80, 5, random_state=0)
GROUPS = np.arange(80) // 4
GRID: dict[str, Any] = {"C": [0.1, 1.0], "kernel": ["rbf", "linear"]}


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connect() -> Iterator[None]:
        yield

    def judge(candidates: Candidates, judge: CrossValidation, *, cluster: None, resources: SearchResources) -> None:
        while (candidate := candidates.propose()) is not None:
            candidates.observe(candidate, judge.judge(candidate.parameters))

    monkeypatch.setattr(search_optimizer, "connect", connect)
    monkeypatch.setattr(search_optimizer, "judge_candidates", judge)


def without_times(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=[name for name in frame if str(name).endswith("_time")])


def assert_equal(ours: Any, theirs: Any) -> None:
    expected = without_times(pd.DataFrame(theirs.cv_results_))
    pd.testing.assert_frame_equal(without_times(ours.get_results()), expected, check_exact=True)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    assert ours.best_index_ == theirs.best_index_
    assert (ours.n_splits_, ours.multimetric_) == (theirs.n_splits_, theirs.multimetric_)
    assert np.array_equal(ours.best_estimator_.predict(X), theirs.best_estimator_.predict(X))


def test_a_grid_ends_as_grid_search_cv_does() -> None:
    ours = GridSearchOptimizer(return_train_score=True).search(SVC(), X, Y, GRID, 4, "f1")
    assert_equal(ours, GridSearchCV(SVC(), GRID, cv=4, scoring="f1", return_train_score=True).fit(X, Y))
    assert ours.refit_time_ > 0
    assert ours.scorer_(ours.best_estimator_, X, Y) > 0.5


def test_groups_are_kept_whole_as_by_scikit_learn() -> None:
    ours = GridSearchOptimizer().search(SVC(), X, Y, GRID, cv=4, groups=GROUPS)
    assert_equal(ours, GridSearchCV(SVC(), GRID, cv=StratifiedGroupKFold(4)).fit(X, Y, groups=GROUPS))


def test_random_candidates_end_as_randomized_search_cv_does() -> None:
    space, scoring = {"C": stats.loguniform(0.01, 10), "kernel": ["rbf", "linear"]}, ["accuracy", "roc_auc"]
    ours = RandomSearchOptimizer(n_iter=5, random_state=1, refit="roc_auc").search(SVC(), X, Y, space, 3, scoring)
    theirs = RandomizedSearchCV(SVC(), space, n_iter=5, random_state=1, cv=3, scoring=scoring, refit="roc_auc")
    assert_equal(ours, theirs.fit(X, Y))


def test_tpe_keeps_its_study_and_goes_on_from_it(tmp_path: Path) -> None:
    def search(trials: int, **changed: Any) -> BayesianOptimizer:
        optimizer = BayesianOptimizer(n_trials=trials, random_state=0, storage=tmp_path / "study.journal")
        return optimizer.search(**{"model": SVC(), "X": X, "y": Y, "param_grid": GRID, "cv": 3, **changed})

    first = search(3)
    assert [trial.state for trial in first.study_.trials] == [TrialState.COMPLETE] * 3
    assert [trial.value for trial in first.study_.trials] == first.get_results()["mean_test_score"].tolist()
    rest = search(10).get_results()
    exhaustive = GridSearchOptimizer().search(SVC(), X, Y, GRID, 3).get_results()
    assert sorted(rest["mean_test_score"]) == sorted(exhaustive["mean_test_score"])
    assert rest["mean_test_score"].tolist()[:3] == first.get_results()["mean_test_score"].tolist()
    with pytest.raises(ConfigError, match="differs in folds"):
        search(1, cv=4)


def test_tpe_searches_default_spaces() -> None:
    search = BayesianOptimizer(n_trials=5, random_state=0).search(SVC(), X, Y, cv=2)
    assert all(("gamma" in one) == (one["kernel"] == "rbf") for one in search.get_results()["params"])
    assert search.best_score_ == search.get_results()["mean_test_score"].max()


def tones() -> tuple[Any, Any]:
    y = np.arange(24) % 2
    signal = np.random.default_rng(0).normal(size=(24, 128))
    signal[y == 1] += 2 * np.sin(np.arange(128))
    return signal.astype(np.float32), y


@pytest.mark.parametrize("optimizer", [GridSearchOptimizer, RandomSearchOptimizer, BayesianOptimizer])
def test_models_of_ours_are_searched_by_all_three(optimizer: Any) -> None:
    X, y = tones()
    space = {"optimizer.lr": [1e-5, 1e-2], "model.depth": [2], "model.width": [4]}
    search = optimizer(epochs=5).search("cnn1d", X, y, space, 3, "f1_macro", groups=np.arange(24) // 2)
    table = search.get_results()
    assert sorted(table["param_optimizer.lr"]) == [1e-5, 1e-2]
    assert search.best_params_["optimizer.lr"] == 1e-2
    assert search.best_estimator_.score(X, y) > 0.9
    assert search.best_estimator_.config(128).epochs == 5


def test_guarantee_20_the_result_says_whether_folds_may_leak() -> None:
    ungrouped = GridSearchOptimizer().search(SVC(), X, Y, GRID, 3)
    grouped = GridSearchOptimizer().search(SVC(), X, Y, GRID, 3, groups=GROUPS)
    assert "windows of one recording may be in training and test rows" in ungrouped.notes_[0]
    assert ungrouped.get_results().attrs["notes"] == list(ungrouped.notes_)
    assert "may be in training and test" in ungrouped.plot_heatmap().layout.title.subtitle.text
    assert grouped.notes_ == ("no fold has a group in both its training and its test rows",)
    with pytest.raises(DataError, match="groups may not be in training and test rows"):
        GridSearchOptimizer().search(SVC(), X, Y, GRID, KFold(3, shuffle=True, random_state=0), groups=GROUPS)


def test_a_fit_that_fails_is_kept_with_its_reason() -> None:
    with pytest.warns(FitFailedWarning, match="3 of 6 fits failed and have NaN .* InvalidParameterError"):
        search = GridSearchOptimizer().search(SVC(), X, Y, {"C": [-1.0, 1.0]}, 3)
    assert search.get_results()["mean_test_score"].isna().tolist() == [True, False]
    assert search.failures_[["candidate", "split"]].to_numpy().tolist() == [[0, 0], [0, 1], [0, 2]]
    assert search.failures_["reason"].str.contains("Got -1.0 instead").all()
    assert search.best_params_ == {"C": 1.0}


def test_where_nothing_could_be_scored_the_table_is_there_all_the_same() -> None:
    optimizer = GridSearchOptimizer()
    with pytest.raises(RunError, match=r"no candidate could be scored on every fold: .*Got -1.0 instead"):
        optimizer.search(SVC(), X, Y, {"C": [-1.0, -2.0]}, 3)
    assert optimizer.get_results()["mean_test_score"].isna().all()
    assert len(optimizer.failures_) == 6
    assert not hasattr(optimizer, "best_params_")


def test_a_search_that_fails_leaves_nothing_of_the_one_before() -> None:
    optimizer = GridSearchOptimizer().search(SVC(), X, Y, GRID, 3)
    with pytest.raises(RunError):
        optimizer.search(SVC(), X, Y, {"C": [-1.0]}, 3)
    assert not hasattr(optimizer, "best_estimator_")


def test_several_scorers_need_one_that_decides() -> None:
    with pytest.raises(ConfigError, match="refit must name the scorer that decides, one of accuracy, f1; got True"):
        GridSearchOptimizer().search(SVC(), X, Y, GRID, 3, ["accuracy", "f1"])
    search = GridSearchOptimizer(refit=False).search(SVC(), X, Y, GRID, 3, ["accuracy", "f1"])
    assert search.best_score_ == search.get_results()["mean_test_accuracy"].max()
    assert not hasattr(search, "best_estimator_")


def test_figures_are_of_the_scorer_that_decides() -> None:
    search = GridSearchOptimizer(refit="f1").search(SVC(), X, Y, GRID, 3, ["accuracy", "f1"])
    table = search.get_results()
    assert list(search.plot_parameter("C").data[0].y) == table["mean_test_f1"].tolist()
    assert list(search.plot_history().data[0].y) == table["mean_test_f1"].tolist()
    assert np.nanmax(search.plot_heatmap("C", "kernel").data[0].z) == table["mean_test_f1"].max()
    assert set(search.plot_importances().data[0].y) == {"C", "kernel"}


@pytest.mark.parametrize("optimizer", [GridSearchOptimizer, RandomSearchOptimizer, BayesianOptimizer])
def test_a_wrong_request_is_refused_before_anything_runs(optimizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_optimizer, "connect", lambda: pytest.fail("it was begun"))
    for model, grid, said in (
        (SVC(), {"c": [1]}, "c=1 cannot be set"),
        ("cnn1d", {"model.kernel_size": [8]}, "kernel_size must be odd"),
        (SVC(), {"C": []}, "expected a list of values"),
        (KFold(), None, "model must be a scikit-learn estimator"),
    ):
        with pytest.raises(ConfigError, match=said):
            optimizer().search(model, np.zeros((4, 256)), [0, 1, 0, 1], grid, 2)


@pytest.mark.parametrize(
    ("optimizer", "settings", "said"),
    [
        (GridSearchOptimizer, {"epochs": 0}, "epochs must be at least 1"),
        (GridSearchOptimizer, {"cpus_per_trial": 0}, "cpus_per_trial > 0"),
        (GridSearchOptimizer, {"max_concurrent_trials": 0}, "max_concurrent_trials must be at least 1"),
        (RandomSearchOptimizer, {"n_iter": 0}, "n_iter must be at least 1"),
        (BayesianOptimizer, {"n_trials": 0}, "n_trials must be at least 1"),
    ],
)
def test_impossible_settings_are_refused(optimizer: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        optimizer(**settings)


def test_before_a_search_there_are_no_results() -> None:
    with pytest.raises(RunError, match="call search first"):
        GridSearchOptimizer().get_results()
    with pytest.raises(RunError, match="call search first"):
        GridSearchOptimizer().plot_history()
