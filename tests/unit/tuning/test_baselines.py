from __future__ import annotations

import numpy as np
import pytest

from raytrain.classical.evaluate import features_of, fit_baseline
from raytrain.config.load import validate
from raytrain.config.schema import DataConfig, WindowConfig
from raytrain.config.space import FoldsConfig
from raytrain.data.folds import fold_split
from raytrain.data.preprocess import prepare
from raytrain.data.recording import Recording
from raytrain.data.segments import PartName
from raytrain.data.splits import make_split
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.tuning.baselines import BaselineResult, best_baselines, evaluate_baselines, repeat_baseline

WINDOWS = WindowConfig(length=128, normalize="none")
NAMES = ("random_forest", "logistic_regression")
DATA = validate(DataConfig, {"split": {"rule": "by-load", "test": [3]}}, where="data")


def recording(fault: str, load: int) -> Recording:
    rng = np.random.default_rng([len(fault), load])
    signal = np.sin((0.5 + 0.03 * len(fault)) * np.arange(512)) + 1.5 * rng.standard_normal(512)
    return Recording(
        signal=signal[None].astype(np.float32),
        fs_hz=1000.0,
        shaft_speed_rpm=1800.0,
        label=fault,
        fault_type=fault,
        recording_id=f"{fault}_{load}",
        bearing_id=f"{fault}_{load}",
        dataset="rig",
        channels=("x",),
        load=float(load),
        load_unit="hp",
    )


RECORDINGS = [recording(fault, load) for fault in ("in", "outer") for load in range(4)]


@pytest.fixture(scope="module")
def split_store() -> SegmentStore:
    return prepare(RECORDINGS, make_split(RECORDINGS, DATA.split, target="label"), WINDOWS, target="label")


@pytest.fixture(scope="module")
def folded_store() -> SegmentStore:
    folded = fold_split(RECORDINGS, DATA, FoldsConfig(by="by-load"))
    return prepare(RECORDINGS, folded.split, WINDOWS, target="label", folds=folded.folds)


def accuracy(store: SegmentStore, name: str, train: list[PartName], judged: PartName) -> float:
    """Return the accuracy of a baseline, worked out from scikit-learn's own predictions."""
    fitted = fit_baseline(name, features_of(Windows(store, train, WINDOWS)), seed=3)
    features = features_of(Windows(store, [judged], WINDOWS))
    return float(np.mean(fitted.predict_proba(features).argmax(axis=1) == features.targets))


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_learns_from_the_training_part_and_then_from_both(split_store: SegmentStore, name: str) -> None:
    [result] = evaluate_baselines(split_store, WINDOWS, [name], seed=3)
    assert result.validation["val/accuracy"] == accuracy(split_store, name, ["train"], "validation")
    assert result.test["test/accuracy"] == accuracy(split_store, name, ["train"], "test")
    assert result.refit_test["test/accuracy"] == accuracy(split_store, name, ["train", "validation"], "test")
    assert (result.window_length, result.window_s, result.skipped) == (128, 0.128, "")


def test_over_folds_a_baseline_is_worth_what_a_trial_would_be(folded_store: SegmentStore) -> None:
    name = "logistic_regression"
    folds = [folded_store.fold(fold) for fold in folded_store.folds]
    assert len(folds) == 3
    scores = [accuracy(fold, name, ["train"], "validation") for fold in folds]
    assert len(set(scores)) > 1
    for aggregate, expected in (("mean", np.mean(scores)), ("worst", min(scores))):
        [result] = evaluate_baselines(folded_store, WINDOWS, [name], seed=3, aggregate=aggregate)  # type: ignore[arg-type]
        assert result.validation["val/accuracy"] == pytest.approx(expected)
        assert result.test["test/accuracy"] == pytest.approx(
            np.mean([accuracy(fold, name, ["train"], "test") for fold in folds])
        )
        assert result.refit_test["test/accuracy"] == accuracy(folds[0], name, ["train", "validation"], "test")


def test_a_baseline_that_the_recordings_cannot_support_says_why(split_store: SegmentStore) -> None:
    [result] = evaluate_baselines(split_store, WINDOWS, ["envelope_lines"], seed=0)
    assert "envelope" in result.skipped
    assert result.validation == {}


def test_only_a_random_baseline_changes_with_the_seed(split_store: SegmentStore) -> None:
    forests = repeat_baseline(split_store, WINDOWS, "random_forest", seeds=[3, 4, 3])
    assert forests[0] == forests[2]
    assert forests[0] != forests[1]
    [known] = evaluate_baselines(split_store, WINDOWS, ["random_forest"], seed=3)
    assert forests[0] == (known.validation, known.test)
    regressions = repeat_baseline(split_store, WINDOWS, "logistic_regression", seeds=[3, 4, 5])
    assert len(regressions) == 3
    assert regressions[0] == regressions[1] == regressions[2]


def test_the_best_window_length_is_that_of_the_best_validation() -> None:
    def result(name: str, length: int, loss: float, *, skipped: str = "") -> BaselineResult:
        return BaselineResult(name, length, 0.1, {"val/loss": loss}, {}, {}, skipped)

    results = [result("a", 1, 0.5), result("a", 2, 0.3), result("a", 3, 0.4), result("b", 1, 0.0, skipped="no lines")]
    assert [(one.name, one.window_length) for one in best_baselines(results, metric="val/loss")] == [("a", 2), ("b", 1)]
