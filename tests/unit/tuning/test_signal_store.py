# ruff: noqa: N803, N806 - estimators are of any type, X is a name of scikit-learn
from __future__ import annotations

import numpy as np
import pytest

from raytrain.config.schema import WindowConfig
from raytrain.data.windows import Windows
from raytrain.errors import DataError
from raytrain.tuning.signal_store import samples_of, signal_store, with_conditions


def windows(count: int = 5, channels: int = 2, samples: int = 64) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, channels, samples)).astype(np.float32)


def test_each_window_is_a_recording_of_its_own() -> None:
    X = windows()
    store = signal_store(X, np.array([0, 1, 0, 1, 1]), classes=("good", "bad"), sample_rate_hz=None)
    cut = Windows(store, ("train",), WindowConfig(length=64, normalize="none"))
    [arrays] = cut.arrays()
    assert np.array_equal(arrays.signal, X)
    assert arrays.targets.tolist() == [0, 1, 0, 1, 1]
    assert arrays.recordings.tolist() == [0, 1, 2, 3, 4]


def test_one_channel_is_not_copied() -> None:
    X = windows(channels=1)
    for given in (X, X[:, 0]):
        store = signal_store(given, None, classes=("a", "b"), sample_rate_hz=100.0)
        assert np.shares_memory(store.signal, X)
        assert store.fs_hz == 100.0


def test_conditions_are_divided_with_their_windows() -> None:
    X = with_conditions(windows(), {"shaft_speed_rpm": range(5), "load": range(5, 10), "viscosity_pa_s": [0.1] * 5})
    store = signal_store(X[[4, 1]], None, classes=("a", "b"), sample_rate_hz=None)
    assert store.shaft_speed_rpm.tolist() == [4, 1]
    assert store.load.tolist() == [9, 6]
    assert store.conditions["viscosity_pa_s"] == pytest.approx([0.1, 0.1])
    assert np.array_equal(store.signal, windows()[[4, 1]].transpose(1, 0, 2).reshape(2, -1))
    assert samples_of(X) == 64


def test_a_condition_needs_a_value_per_window() -> None:
    with pytest.raises(DataError, match=r"load: there must be one value per window, 5, got \[4\]"):
        with_conditions(windows(), {"load": range(4)})


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.zeros(5), r"\[windows, channels, samples\] or \[windows, samples\], got float64 \[5\]"),
        (np.array([["a"]]), "X must be windows of numbers"),
        (np.zeros((0, 1, 5)), "X must be windows of numbers"),
        (np.array([[0.0, 1.0], [np.nan, 1.0]]), r"1 windows have NaN or infinite samples, first X\[1\]"),
        (np.array([[1e39, 1.0]]), "X must be finite"),
    ],
)
def test_what_is_no_windows_is_refused(X: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        samples_of(X)


def test_labels_for_other_windows_are_refused() -> None:
    with pytest.raises(DataError, match="equally long, got 5 windows and 4 labels"):
        signal_store(windows(), np.zeros(4, dtype=np.int64), classes=("a", "b"), sample_rate_hz=None)
