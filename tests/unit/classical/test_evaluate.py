from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raytrain.classical.build import CLASSICAL
from raytrain.classical.evaluate import FeatureSet, features_of, fit_baseline
from raytrain.classical.features import extract_features, is_envelope_line
from raytrain.config.schema import WindowConfig
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.errors import ConfigError, DataError

FS_HZ = 12_000.0
ORDERS = (3.5848, 5.4152, 4.7135, 0.3983)  # SKF 6205-2RS
CLASSES = ("ball", "inner", "normal")
NAMES = ("DE.time.kurtosis", "DE.envelope.mid.bpfi.h1", "DE.envelope.mid.shaft.h1")


def _set(targets: list[int], *, names: tuple[str, ...] = NAMES, seed: int = 0) -> FeatureSet:
    """Features that lie near the number of their class."""
    classes = np.array(targets)
    values = classes[:, None] + 0.1 * np.random.default_rng(seed).standard_normal((len(targets), len(names)))
    return FeatureSet(values, names, classes, np.arange(len(targets)), CLASSES)


def _store(*, unknown_last: bool = False) -> SegmentStore:
    """Three recordings of 1 s, 0.5 s and 1 s in the parts train, train and test, at different speeds."""
    samples = np.array([12_000, 6_000, 12_000])
    signal = np.random.default_rng(1).standard_normal((2, samples.sum())).astype(np.float32)
    orders = np.tile(ORDERS, (3, 1))
    if unknown_last:
        orders[2] = np.nan
    return SegmentStore(
        signal=signal,
        fs_hz=FS_HZ,
        offset=np.array([0, 12_000, 18_000]),
        samples=samples,
        start=np.zeros(3, dtype=np.int64),
        part=np.array([0, 0, 2], dtype=np.int8),
        target=np.array([1, 2, 1]),
        recording=np.array([0, 1, 2]),
        shaft_speed_rpm=np.array([1800, 1750, 1700], dtype=np.float32),
        load=np.full(3, np.nan, dtype=np.float32),
        fault_orders=orders,
        classes=CLASSES,
        recording_ids=("a", "b", "c"),
        channels=("DE", "FE"),
    )


class TestFeaturesOf:
    def test_are_those_of_the_windows_cut_by_hand(self) -> None:
        store = _store()
        features = features_of(Windows(store, ["train"], WindowConfig(length=2048, hop=1024)))
        every = np.lib.stride_tricks.sliding_window_view(store.signal, 2048, axis=1)
        starts = [*range(0, 12_000 - 2047, 1024), *range(12_000, 18_000 - 2047, 1024)]
        first = len([start for start in starts if start < 12_000])
        expected = extract_features(
            every[:, starts].transpose(1, 0, 2),
            fs_hz=FS_HZ,
            shaft_speed_rpm=np.repeat([1800.0, 1750.0], [first, len(starts) - first]),
            fault_orders=np.tile(ORDERS, (len(starts), 1)),
            channels=("DE", "FE"),
        )
        columns = [expected.names.index(name) for name in features.names]
        np.testing.assert_allclose(features.values, expected.values[:, columns], rtol=2e-3, atol=2e-3)
        assert features.recordings.tolist() == [0] * first + [1] * (len(starts) - first)
        assert features.targets.tolist() == [1] * first + [2] * (len(starts) - first)
        assert features.classes == CLASSES

    @pytest.mark.parametrize("unknown_last", [False, True])
    def test_all_parts_have_the_same_features(self, *, unknown_last: bool) -> None:
        # 2048 samples resolve 11.72 Hz: FTF is above at 1800 rpm, below at 1700 rpm
        store = _store(unknown_last=unknown_last)
        config = WindowConfig(length=2048)
        train, test = (features_of(Windows(store, [part], config)) for part in ("train", "test"))
        assert train.names == test.names
        assert any("bpfi" in name for name in train.names) is not unknown_last
        assert "DE.envelope.low.ftf.h1" not in train.names
        fit_baseline("random_forest", train, seed=0).predict_proba(test)

    def test_how_many_are_in_memory_at_once_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        windows = Windows(_store(), ["train"], WindowConfig(length=1024))
        at_once = features_of(windows)
        monkeypatch.setattr("raytrain.classical.evaluate._SAMPLES_AT_ONCE", 5000)
        by_twos = features_of(windows)
        np.testing.assert_allclose(by_twos.values, at_once.values, rtol=1e-5, atol=1e-6)
        assert len(by_twos) == len(windows)


class TestFitBaseline:
    @pytest.mark.parametrize("name", CLASSICAL)
    def test_predicts_what_it_learned(self, name: str) -> None:
        baseline = fit_baseline(name, _set([0, 1, 2] * 20), seed=0)
        test = _set([2, 0, 1] * 5, seed=1)
        probabilities = baseline.predict_proba(test)
        assert probabilities.shape == (15, 3)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        np.testing.assert_array_equal(probabilities.argmax(axis=1), test.targets)

    @pytest.mark.parametrize("name", CLASSICAL)
    @pytest.mark.parametrize("missing", [0, 1, 2])
    def test_columns_are_classes_also_where_one_was_not_trained_on(self, name: str, missing: int) -> None:
        seen = [k for k in range(3) if k != missing]
        baseline = fit_baseline(name, _set(seen * 20), seed=0)
        probabilities = baseline.predict_proba(_set(seen * 5, seed=1))
        assert not probabilities[:, missing].any()
        np.testing.assert_array_equal(probabilities.argmax(axis=1), seen * 5)

    def test_envelope_lines_ignore_everything_else(self) -> None:
        baseline = fit_baseline("envelope_lines", _set([0, 1, 2] * 20), seed=0)
        test = _set([0, 1, 2])
        scrambled = test.values.copy()
        scrambled[:, [not is_envelope_line(name) for name in NAMES]] = 1e3
        np.testing.assert_array_equal(
            baseline.predict_proba(replace(test, values=scrambled)), baseline.predict_proba(test)
        )

    def test_separable_classes_converge_without_a_warning(self) -> None:
        # warnings are errors in this test suite
        train = _set([0, 1, 2] * 500, names=tuple(f"DE.feature{i}" for i in range(76)))
        fit_baseline("logistic_regression", replace(train, values=train.values * 1e3), seed=0)

    def test_an_unknown_name_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'logistic_regression'"):
            fit_baseline("logistic_regresion", _set([0, 1]), seed=0)

    def test_one_class_is_refused(self) -> None:
        with pytest.raises(DataError, match=r"needs training windows of two classes.*all are of: inner$"):
            fit_baseline("random_forest", _set([1, 1, 1]), seed=0)

    def test_envelope_lines_of_an_unknown_bearing_are_refused(self) -> None:
        train = _set([0, 1, 2], names=("DE.time.kurtosis", "DE.envelope.mid.shaft.h1"))
        with pytest.raises(DataError, match="envelope_lines needs envelope lines at a bearing's fault"):
            fit_baseline("envelope_lines", train, seed=0)

    def test_other_features_are_refused(self) -> None:
        baseline = fit_baseline("random_forest", _set([0, 1, 2]), seed=0)
        with pytest.raises(DataError, match=r"they differ in DE\.envelope\.mid\.shaft\.h1$"):
            baseline.predict_proba(_set([0, 1], names=NAMES[:2]))

    def test_other_classes_are_refused(self) -> None:
        baseline = fit_baseline("random_forest", _set([0, 1, 2]), seed=0)
        with pytest.raises(DataError, match="classes ball, inner, normal; these windows have outer, normal"):
            baseline.predict_proba(replace(_set([0, 1]), classes=("outer", "normal")))
