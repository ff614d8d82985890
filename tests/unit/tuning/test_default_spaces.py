# ruff: noqa: N806 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from raytrain.errors import ConfigError
from raytrain.models.build import MODELS
from raytrain.tuning.default_spaces import DEFAULT_GRIDS, DEFAULT_SPACES, default_grid, default_space
from raytrain.tuning.parameter_space import enumerate_candidates, labelled_space, sample_candidates
from raytrain.tuning.searched_model import check_candidates, search_model

ESTIMATORS: dict[str, Any] = {
    "random_forest": RandomForestClassifier(),
    "svm": make_pipeline(StandardScaler(), SVC()),
    "gradient_boosting": GradientBoostingClassifier(),
}
WINDOWS = np.zeros((4, 1, 2048), dtype=np.float32)


def test_every_model_has_defaults() -> None:
    assert set(DEFAULT_SPACES) == set(DEFAULT_GRIDS) == {*MODELS, *ESTIMATORS}


@pytest.mark.parametrize("name", DEFAULT_SPACES)
def test_every_default_can_be_set(name: str) -> None:
    X: Any = WINDOWS if name in MODELS else [[0.0]] * 4
    found = search_model(ESTIMATORS.get(name, name), X, [0, 1, 0, 1])
    assert found.name == name
    space, grid = default_space(name, prefix=found.prefix), default_grid(name, prefix=found.prefix)
    check_candidates(found.estimator, sample_candidates(space, count=10, random_state=0), X)
    candidates = enumerate_candidates(grid)
    check_candidates(found.estimator, candidates, X)
    assert 5 <= len(candidates) <= 16
    assert labelled_space(space).config().parameters.keys() == space.keys()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_accept_the_values_of_their_defaults(name: str) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    X = rng.normal(size=(40, 4)) + 3 * y[:, None]
    found = search_model(ESTIMATORS[name], X, y)
    for point in sample_candidates(default_space(name, prefix=found.prefix), count=3, random_state=0):
        found.estimator.set_params(**point).fit(X, y)


def test_what_has_no_default_is_refused() -> None:
    for default in (default_space, default_grid):
        with pytest.raises(ConfigError, match="there is no default for 'Ridge', give one"):
            default("Ridge")
