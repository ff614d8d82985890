# ruff: noqa: ANN401 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from raytrain.config.space import IntUniform, LogUniform, Uniform
from raytrain.errors import ConfigError
from raytrain.tuning.labelled_space import LabelledSpace, sample_labelled
from raytrain.tuning.space import grid_points


def test_labels_stand_for_the_values_themselves() -> None:
    scaler, values = StandardScaler(), np.logspace(0, 1, 2)
    space = LabelledSpace({"scale": [scaler, MinMaxScaler(), None], "C": list(values), "shape": [(50,), (50, 50)]})
    points = [space.values(point) for point in grid_points(space.config())]
    assert len(points) == 12
    assert points[0]["scale"] is scaler
    assert points[0]["C"] is values[0] or points[0]["C"] == values[0]
    assert {point["shape"] for point in points} == {(50,), (50, 50)}
    assert {type(one) for one in space.config().parameters["C"].model_dump()["values"]} == {float}


@pytest.mark.parametrize(
    ("frozen", "ours"),
    [
        (stats.uniform(2, 3), Uniform(type="uniform", low=2, high=5)),
        (stats.loguniform(0.1, 10), LogUniform(type="loguniform", low=0.1, high=10)),
        (stats.randint(1, 5), IntUniform(type="int", low=1, high=4)),
    ],
)
def test_scipy_distributions_keep_their_bounds(frozen: Any, ours: Any) -> None:
    assert LabelledSpace({"a": frozen}).parameters["a"] == ours


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"param_grid.a: TPE searches between bounds .* got scipy.stats.norm"):
        LabelledSpace({"a": stats.norm()})
    with pytest.raises(ConfigError, match=r"param_grid.a: values must differ"):
        LabelledSpace({"a": [1, 2, 1]})


def test_random_points_are_all_there_are_where_there_are_few() -> None:
    space = LabelledSpace({"a": [1, 2], "b": ["x", "y"]})
    drawn = sample_labelled(space, count=9, seed=0)
    assert sorted((one["a"], one["b"]) for one in drawn) == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert sample_labelled(space, count=2, seed=1) == sample_labelled(space, count=2, seed=1)
