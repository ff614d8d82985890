# ruff: noqa: ANN401 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.svm import SVC

from raytrain.config.space import Grid, IntUniform
from raytrain.errors import ConfigError
from raytrain.tuning.parameter_space import distinct, enumerate_candidates, labelled_space, sample_candidates

CONDITIONAL: dict[str, Any] = {
    "kernel": ["rbf", "linear"],
    "gamma": {"type": "choice", "values": [0.1, 1.0, 10.0], "when": {"kernel": "rbf"}},
}


@pytest.mark.parametrize(
    "grid",
    [
        {"b": [1, 2], "a": ["x", None]},
        [{"a": [1]}, {"a": [2], "b": np.logspace(-2, 2, 5)}],
        {"a": (1, 2), "b": [SVC]},
        {"a": [1, 1]},
    ],
)
def test_a_grid_is_enumerated_as_by_scikit_learn(grid: Any) -> None:
    assert enumerate_candidates(grid) == list(ParameterGrid(grid))


def test_guarantee_10_conditions_leave_out_what_does_not_exist() -> None:
    assert enumerate_candidates(CONDITIONAL) == [
        *({"kernel": "rbf", "gamma": gamma} for gamma in (0.1, 1.0, 10.0)),
        {"kernel": "linear"},
    ]


@pytest.mark.parametrize(
    ("space", "count"),
    [
        ({"a": [1, 2, 3], "b": ["x", "y"]}, 4),
        ({"a": stats.uniform(0, 1), "b": stats.randint(1, 9), "c": [None, 1.5]}, 6),
        ([{"a": stats.loguniform(1, 9)}, {"b": [1, 2]}], 7),
    ],
)
def test_random_candidates_are_those_of_scikit_learn(space: Any, count: int) -> None:
    expected = list(ParameterSampler(space, count, random_state=3))
    assert sample_candidates(space, count=count, random_state=3) == expected
    assert sample_candidates(space, count=count, random_state=4) != expected


def test_our_distributions_are_drawn_from_as_scipys_are() -> None:
    ours = {
        "a": {"type": "uniform", "low": 1.0, "high": 3.0},
        "b": {"type": "loguniform", "low": 0.01, "high": 1.0},
        "c": {"type": "int", "low": 2, "high": 6, "step": 2},
    }
    scipys = {"a": stats.uniform(1, 2), "b": stats.loguniform(0.01, 1.0), "c": [2, 4, 6]}
    assert sample_candidates(ours, count=5, random_state=0) == sample_candidates(scipys, count=5, random_state=0)


def test_whole_numbers_are_drawn_evenly_over_decades() -> None:
    space = {"leaf": {"type": "int", "low": 1, "high": 100, "log": True}, "real": stats.uniform()}
    drawn = np.array([one["leaf"] for one in sample_candidates(space, count=4000, random_state=0)])
    assert {1, 100} <= set(drawn.tolist()) <= set(range(1, 101))
    edges = np.array([0.5, 1.5, 10.5, 100.5])
    expected = np.diff(np.log(edges)) / np.log(100.5 / 0.5)
    assert np.histogram(drawn, edges)[0] / 4000 == pytest.approx(expected, abs=0.03)


def test_lists_are_exhausted_without_repetition() -> None:
    drawn = sample_candidates({"a": [1, 2], "b": [1, 2]}, count=50, random_state=0)
    assert len(drawn) == len(distinct(drawn)[0]) == 4


def test_conditional_candidates_exist_and_differ() -> None:
    drawn = sample_candidates(CONDITIONAL, count=50, random_state=0)
    assert sorted(map(str, drawn)) == sorted(map(str, enumerate_candidates(CONDITIONAL)))
    continuous = {**CONDITIONAL, "gamma": {"type": "uniform", "low": 0.0, "high": 1.0, "when": {"kernel": "rbf"}}}
    drawn = sample_candidates(continuous, count=20, random_state=0)
    assert len(drawn) == 20
    assert sum(one == {"kernel": "linear"} for one in drawn) == 1
    assert all(("gamma" in one) == (one["kernel"] == "rbf") for one in drawn)
    assert drawn == sample_candidates(continuous, count=20, random_state=0)


def test_equal_candidates_are_found_whatever_they_are_of() -> None:
    candidates = [{"a": SVC(C=1), "b": np.arange(3)}, {"a": SVC(C=2), "b": np.arange(3)}] * 2
    assert distinct(candidates)[1] == [0, 1, 0, 1]
    assert distinct([{"a": 1}, {"a": True}, {"a": None}])[1] == [0, 1, 2]


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({}, "expected a mapping from parameters"),
        ([], "expected a mapping from parameters"),
        ({"C": []}, "param_grid.C: expected a list of values"),
        ({"C": 1.0}, "param_grid.C: expected a list of values"),
        ({"kernel": "rbf"}, "param_grid.kernel: expected a list of values"),
        ({"C": {"type": "uniform", "low": 2, "high": 1}}, "param_grid.C: low must be below high"),
        ({"C": {"low": 2}}, "param_grid.C: "),
        ({"C": stats.uniform()}, "a grid cannot enumerate C; give a list"),
        ({"C": {"type": "uniform", "low": 1, "high": 2}}, "cannot enumerate C"),
        ({"C": [1], "g": {"type": "grid", "values": [1], "when": {"D": 1}}}, "param_grid.g.when: 'D' is none"),
    ],
)
def test_what_is_no_grid_is_refused(grid: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        enumerate_candidates(grid)


def test_conditions_need_one_mapping() -> None:
    with pytest.raises(ConfigError, match="conditions"):
        sample_candidates([CONDITIONAL, {"kernel": ["poly"]}], count=2, random_state=0)
    with pytest.raises(ConfigError, match="TPE searches a single mapping; say with `when`"):
        labelled_space([CONDITIONAL, {"kernel": ["poly"]}])


def test_distributions_may_be_objects() -> None:
    space = {"a": Grid(type="grid", values=[1, 2]), "b": IntUniform(type="int", low=1, high=2)}
    assert len(enumerate_candidates(space)) == 4
