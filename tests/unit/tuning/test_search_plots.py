# ruff: noqa: ANN401 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from raytrain.errors import ConfigError
from raytrain.tuning.cross_validation import FoldScore
from raytrain.tuning.parameter_space import enumerate_candidates
from raytrain.tuning.search_plots import heatmap, history, importance_shares, importances, parameter_against_score
from raytrain.tuning.search_table import search_table

GRID: dict[str, Any] = {"C": [0.1, 1.0, 10.0], "depth": [None, 16, 4], "seed": [0, 1]}


def table(grid: Any = None, *, score: Any = None) -> pd.DataFrame:
    candidates = enumerate_candidates(GRID if grid is None else grid)

    def default(point: dict[str, Any]) -> float:
        return float(np.log10(point["C"]) + (0.1 if point["depth"] is None else 0.0) + 0.01 * point["seed"])

    scores = [
        [FoldScore({"score": (score or default)(point) + shift}, {}, 1, 1) for shift in (0.0, 0.5)]
        for point in candidates
    ]
    frame = pd.DataFrame(search_table(candidates, scores))
    frame.attrs["notes"] = ["folds may leak; give groups"]
    return frame


def test_a_cell_of_the_heat_map_is_the_best_of_its_candidates() -> None:
    figure = heatmap(table(), "C", "depth", scorer="score")
    [cells] = figure.data
    assert list(cells.x) == ["0.1", "1", "10"]
    assert list(cells.y) == ["4", "16", "None"]
    expected = [[np.log10(c) + extra + 0.26 for c in (0.1, 1, 10)] for extra in (0, 0, 0.1)]
    assert np.array(cells.z) == pytest.approx(np.array(expected))
    assert figure.layout.title.text == "Mean score, best over seed"
    assert figure.layout.title.subtitle.text == "folds may leak"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("C", "depth")


def test_the_heat_map_chooses_what_varies() -> None:
    figure = heatmap(table({"C": [1.0], "depth": [None, 2], "seed": [0, 1]}), None, None, scorer="score")
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("depth", "seed")
    figure = heatmap(table(), None, "C", scorer="score")
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("depth", "C")
    with pytest.raises(ConfigError, match="two different parameters that vary"):
        heatmap(table({"C": [1.0, 2.0], "depth": [None], "seed": [0]}), None, None, scorer="score")
    with pytest.raises(ConfigError, match="there is no parameter 'c'"):
        heatmap(table(), "c", None, scorer="score")


def test_a_pair_that_was_not_tried_has_no_cell() -> None:
    grids = [{"C": [1.0], "depth": [2], "seed": [0]}, {"C": [10.0], "depth": [4], "seed": [0]}]
    [cells] = heatmap(table(grids), "C", "depth", scorer="score").data
    assert np.isnan(np.array(cells.z, dtype=float)).tolist() == [[False, True], [True, False]]


def test_a_parameter_is_drawn_on_its_own_scale() -> None:
    figure = parameter_against_score(table(), "C", scorer="score")
    [points] = figure.data
    assert figure.layout.xaxis.type == "log"
    assert list(points.y) == list(table()["mean_test_score"])
    assert list(points.error_y.array) == pytest.approx([0.25] * 18)
    assert parameter_against_score(table(), "seed", scorer="score").layout.xaxis.type == "linear"
    axis = parameter_against_score(table(), "depth", scorer="score").layout.xaxis
    assert (axis.type, list(axis.categoryarray)) == ("category", ["4", "16", "None"])


def test_a_parameter_is_drawn_for_candidates_that_have_it() -> None:
    grids = [{"kernel": ["rbf"], "gamma": [0.1, 0.2]}, {"kernel": ["linear"]}]
    frame = table(grids, score=lambda point: point.get("gamma", 5.0))
    [points] = parameter_against_score(frame, "gamma", scorer="score").data
    assert list(points.x) == [0.1, 0.2]


def test_the_best_so_far_never_falls() -> None:
    scores = {1: 0.3, 2: float("nan"), 3: 0.9, 4: 0.5}
    frame = table({"C": list(scores)}, score=lambda point: scores[point["C"]])
    candidates, best = history(frame, scorer="score").data
    assert list(best.y) == pytest.approx([0.55, 0.55, 1.15, 1.15])
    assert list(candidates.x) == [1, 2, 3, 4]


def test_importance_is_of_what_changes_the_score() -> None:
    shares = importance_shares(table(), scorer="score")
    assert set(shares) == {"C", "depth", "seed"}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["C"] > 0.9
    [bars] = importances(table(), scorer="score").data
    assert list(bars.y)[-1] == "C"


def test_importance_leaves_out_what_not_all_candidates_have() -> None:
    grids = [{"kernel": ["rbf"], "C": [1, 2], "gamma": [0.1, 0.2]}, {"kernel": ["linear"], "C": [1, 2]}]
    frame = table(grids, score=lambda point: float(point["C"]))
    assert set(importance_shares(frame, scorer="score")) == {"kernel", "C"}
    assert "not in every candidate, or constant: gamma" in importances(frame, scorer="score").layout.title.text


def test_where_nothing_matters_nothing_is_important() -> None:
    assert set(importance_shares(table(score=lambda _: 0.5), scorer="score").values()) == {0.0}
    with pytest.raises(ConfigError, match="two scored candidates"):
        importance_shares(table({"C": [1.0]}, score=lambda _: 0.5), scorer="score")
    with pytest.raises(ConfigError, match="two scored candidates"):
        importance_shares(table(score=lambda _: float("nan")), scorer="score")
