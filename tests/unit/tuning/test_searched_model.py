# ruff: noqa: ANN401, N803 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from raytrain.config.schema import TrainConfig
from raytrain.errors import ConfigError, DataError
from raytrain.tuning.searched_model import check_candidates, search_model

WINDOWS, LABELS = np.zeros((4, 1, 256), dtype=np.float32), [0, 1, 0, 1]


def test_the_estimator_is_a_copy() -> None:
    given = SVC(C=7)
    found = search_model(given, [[0.0]] * 4, LABELS)
    assert found.estimator is not given
    assert (found.estimator.C, found.name, found.prefix) == (7, "svm", "")
    assert search_model(make_pipeline(make_pipeline(SVC())), [[0.0]] * 4, LABELS).prefix == "pipeline__svc__"
    assert search_model(Ridge(), sparse.eye(4).tocsr(), LABELS).name == "Ridge"


@pytest.mark.parametrize("model", ["cnn1d", {"model": {"name": "cnn1d"}}, TrainConfig(model={"name": "cnn1d"})])
def test_a_model_of_ours_is_trained_where_a_trial_may_train(model: Any) -> None:
    found = search_model(model, WINDOWS, LABELS, epochs=3)
    config = found.estimator.config(256)
    assert (found.name, config.epochs, config.device) == ("cnn1d", 3, "cpu")
    assert "cuda" in repr(search_model(model, WINDOWS, LABELS, on_gpu=True).estimator)


@pytest.mark.parametrize(
    ("model", "X", "epochs", "error", "said"),
    [
        (SVC(), [[0.0]] * 3, None, DataError, "equally long, got 3 rows and 4 targets"),
        (SVC, [[0.0]] * 4, None, ConfigError, "model must be a scikit-learn estimator"),
        (3, [[0.0]] * 4, None, ConfigError, "model must be a scikit-learn estimator"),
        (SVC(), [[0.0]] * 4, 5, ConfigError, "epochs: only models of ours .* SVC"),
        ("cnn3d", WINDOWS, None, ConfigError, "there is no model 'cnn3d'"),
        ("cnn1d", np.zeros(4), None, DataError, "X must be windows"),
        ({"device": "cuda"}, np.zeros((4, 2048)), None, ConfigError, "give gpus_per_trial"),
    ],
)
def test_what_cannot_be_searched_is_refused(model: Any, X: Any, epochs: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        search_model(model, X, LABELS, epochs=epochs)


def test_parameters_that_cannot_be_set_are_found_before_the_search() -> None:
    check_candidates(SVC(), [{"C": 1}], [[0.0]])
    with pytest.raises(ConfigError, match="param_grid: c=1 cannot be set: Invalid parameter 'c' for estimator"):
        check_candidates(SVC(), [{"C": 1}, {"c": 1}], [[0.0]])
    found = search_model("cnn1d", WINDOWS, LABELS).estimator
    with pytest.raises(ConfigError, match=r"model.kernel_size must be odd"):
        check_candidates(found, [{"model.kernel_size": 8}], WINDOWS)
