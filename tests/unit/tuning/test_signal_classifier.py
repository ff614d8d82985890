# ruff: noqa: ANN401, N806 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_val_score

from raytrain.config.schema import TrainConfig
from raytrain.errors import ConfigError, DataError, RunError
from raytrain.models.build import MODELS
from raytrain.tuning.signal_classifier import SignalClassifier
from raytrain.tuning.signal_store import with_conditions

SMALL = {"model.depth": 2, "model.width": 4, "optimizer.lr": 0.01}


def tones(count: int = 24, samples: int = 256) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return windows of two tones in noise, and which of them each has."""
    y = np.array(["low", "high"] * (count // 2))
    periods = np.where(y == "low", 64.0, 8.0)[:, None]
    noise = np.random.default_rng(0).normal(size=(count, samples))
    signal = noise + 2 * np.sin(2 * np.pi * np.arange(samples) / periods)
    return signal[:, None].astype(np.float32), y


def small(**settings: Any) -> SignalClassifier:
    return SignalClassifier("cnn1d").set_params(**SMALL, epochs=6).set_params(**settings)


def test_it_is_a_classifier_to_scikit_learn() -> None:
    X, y = tones()
    assert is_classifier(small())
    assert cross_val_score(small(), X, y, cv=3).mean() > 0.9


def test_it_learns_and_names_labels() -> None:
    X, y = tones()
    trained = small().fit(X, y)
    assert trained.classes_.tolist() == ["high", "low"]
    assert trained.score(X, y) == 1.0
    assert trained.predict_proba(X).sum(axis=1) == pytest.approx(np.ones(len(X)))
    assert len(trained.history_) == 6
    assert np.array_equal(trained.predict(X[:, 0]), trained.predict(X))


def test_a_copy_of_it_learns_the_same_numbers() -> None:
    X, y = tones()
    first = small()
    copy = clone(first.fit(X, y))
    assert not hasattr(copy, "model_")
    assert np.array_equal(copy.fit(X, y).predict_proba(X), first.predict_proba(X))
    again = pickle.loads(pickle.dumps(first))  # noqa: S301 - our own
    assert np.array_equal(again.predict_proba(X), first.predict_proba(X))
    assert not np.array_equal(small(seed=1).fit(X, y).predict_proba(X), first.predict_proba(X))


def test_nothing_of_the_process_is_moved() -> None:
    X, y = tones()
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002 - the global one is what may not move
    before = torch.get_rng_state().clone(), repr(np.random.get_state()), torch.get_num_threads()  # noqa: NPY002
    small().fit(X, y).predict(X)
    after = torch.get_rng_state(), repr(np.random.get_state()), torch.get_num_threads()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_the_windows_are_not_written_to() -> None:
    X, y = tones()
    X.flags.writeable = False
    kept = X.copy()
    small(**{"augmentation.name": "gaussian_noise"}).fit(X, y).predict(X)
    assert np.array_equal(X, kept)


def test_images_of_training_windows_are_not_taken_for_those_of_others() -> None:
    """A run keeps its images by the number of the window, and other windows have the same numbers."""
    X, y = tones(samples=512)
    settings = {"model": {"name": "cnn2d", "depth": 2, "width": 4}, "tfr": {"name": "cwt"}, "epochs": 1}
    trained = SignalClassifier(settings).fit(X, y)
    backwards = trained.predict_proba(X[::-1])
    assert backwards == pytest.approx(trained.predict_proba(X)[::-1], abs=1e-6)
    assert np.ptp(backwards) > 1e-3


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_trained_by_its_name_alone(name: str) -> None:
    X, y = tones(count=8, samples=2048)
    trained = SignalClassifier(name).set_params(epochs=1).fit(X, y)
    assert trained.predict_proba(X).shape == (8, 2)


def test_operating_conditions_reach_a_model_that_reads_them() -> None:
    X, y = tones(count=8, samples=2048)
    speeds = np.linspace(1000, 2000, 8)
    classifier = SignalClassifier("physics_hybrid").set_params(**{"epochs": 1, "windows.sample_rate_hz": 12_000})
    slow = classifier.fit(with_conditions(X, {"shaft_speed_rpm": speeds}), y)
    assert np.array_equal(
        slow.predict_proba(with_conditions(X, {"shaft_speed_rpm": speeds})),
        slow.predict_proba(with_conditions(X, {"shaft_speed_rpm": speeds})),
    )
    other = slow.predict_proba(with_conditions(X, {"shaft_speed_rpm": speeds[::-1]}))
    assert not np.allclose(other, slow.predict_proba(with_conditions(X, {"shaft_speed_rpm": speeds})))


def test_settings_are_taken_in_all_forms() -> None:
    config = TrainConfig.model_validate({"model": {"name": "cnn1d", "width": 8}, "epochs": 3})
    for model in (config, {"model": {"name": "cnn1d", "width": 8}, "epochs": 3}):
        changed = SignalClassifier(model).set_params(**{"model.width": np.int64(4)}).config(256)
        assert (changed.model.settings["width"], changed.epochs, changed.windows.length) == (4, 3, 256)
    assert SignalClassifier("wdcnn").set_params(model="cnn1d").config(256).model.name == "cnn1d"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimiser.lr": 1}, "'optimiser' is no setting of a run; did you mean 'optimizer'"),
        ({"model": "wdcn"}, "there is no model 'wdcn'; did you mean 'wdcnn'"),
        ({"optimizer.rate": 1.0}, "optimizer.rate: 'adamw' has no such setting"),
        ({"windows.length": 128}, "X has windows of 256 samples, got 128"),
        ({"windows.input": "envelope"}, "windows.input: X is searched as it is"),
        ({"callbacks.ema.decay": 0.9}, "callbacks: none are called in cross-validation"),
        ({"epochs": 0}, "epochs"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SignalClassifier("cnn1d").set_params(**settings).config(256)


def test_labels_and_order_are_checked() -> None:
    X, y = tones()
    with pytest.raises(DataError, match="at least 2 classes"):
        small().fit(X, ["one"] * len(X))
    with pytest.raises(ValueError, match="Unknown label type"):
        small().fit(X, np.linspace(0, 1, len(X)))
    with pytest.raises(RunError, match="call fit first"):
        small().predict(X)
    assert len(y) == len(X)
