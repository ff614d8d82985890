from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from raytrain.config.schema import SplitConfig, WindowConfig
from raytrain.data.preprocess import envelope, prepare, resample
from raytrain.data.recording import Recording
from raytrain.data.segments import Segment, Split
from raytrain.data.splits import make_split
from raytrain.data.store import DRAWN, SegmentStore, store_key
from raytrain.errors import ConfigError, DataError

BLOCKS = SplitConfig(rule="by-block", gap_s=0.0)


def recording(
    signal: NDArray[np.floating],
    name: str = "r",
    *,
    fs_hz: float = 1000.0,
    fault_type: str = "inner",
    load: float | None = 2.0,
    bearing_model: str = "SKF 6205-2RS",
) -> Recording:
    rows = np.atleast_2d(np.asarray(signal, dtype=np.float32)).copy()
    return Recording(
        signal=rows,
        fs_hz=fs_hz,
        shaft_speed_rpm=1750.0,
        label=fault_type,
        fault_type=fault_type,
        recording_id=name,
        bearing_id=name,
        dataset="rig",
        channels=("x", "y")[: len(rows)],
        load=load,
        load_unit="hp",
        bearing_model=bearing_model,
    )


def noise(samples: int, *, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((channels, samples)).astype(np.float32)


def prepared(recordings: list[Recording], windows: WindowConfig, split: SplitConfig = BLOCKS) -> SegmentStore:
    return prepare(recordings, make_split(recordings, split, target="fault_type"), windows, target="fault_type")


def segment(store: SegmentStore, index: int) -> NDArray[np.float32]:
    first = store.offset[index]
    return store.signal[:, first : first + store.samples[index]]


class TestStore:
    def test_keeps_every_operating_condition_and_nan_where_a_recording_lacks_one(self) -> None:
        warm = dataclasses.replace(recording(noise(1000), "a"), conditions={"oil_temperature_c": 61.5})
        store = prepared([warm, recording(noise(500, seed=1), "b", fault_type="outer")], WindowConfig())
        temperature = store.conditions["oil_temperature_c"]
        assert set(store.conditions) == {"oil_temperature_c"}
        assert temperature.dtype == np.float32
        np.testing.assert_array_equal(temperature, [61.5, np.nan] * 3)

    def test_holds_the_segments_as_they_are_without_preprocessing(self) -> None:
        a, b = noise(1000, channels=2), noise(500, channels=2, seed=1)
        recordings = [
            recording(a, "a"),
            recording(b, "b", fault_type="outer", load=None, bearing_model="homemade"),
        ]
        store = prepared(recordings, WindowConfig())
        assert store.fs_hz == 1000.0
        assert store.signal.dtype == np.float32
        assert store.part.tolist() == [0, 0, 1, 1, 2, 2]
        assert store.start.tolist() == [0, 0, 600, 300, 800, 400]
        assert store.samples.tolist() == [600, 300, 200, 100, 200, 100]
        assert [store.recording_ids[i] for i in store.recording] == ["a", "b"] * 3
        assert [store.classes[i] for i in store.target] == ["inner", "outer"] * 3
        for index, (source, start) in enumerate(zip([a, b] * 3, store.start, strict=True)):
            stop = start + store.samples[index]
            np.testing.assert_array_equal(segment(store, index), source[:, start:stop])
        assert store.channels == ("x", "y")
        np.testing.assert_array_equal(store.shaft_speed_rpm, np.full(6, 1750.0))
        np.testing.assert_array_equal(store.load, [2.0, np.nan] * 3)
        np.testing.assert_allclose(store.fault_orders[0], (3.5848, 5.4152, 4.7135, 0.3983), atol=5e-4)
        assert np.isnan(store.fault_orders[1]).all()

    def test_is_read_only_and_survives_the_way_to_another_process(self) -> None:
        store = prepared([recording(noise(1000))], WindowConfig())
        with pytest.raises(ValueError, match="read-only"):
            store.signal[0, 0] = 1.0
        copy = pickle.loads(pickle.dumps(store, protocol=5))  # noqa: S301 - our own bytes
        for field in dataclasses.fields(SegmentStore):
            np.testing.assert_equal(getattr(copy, field.name), getattr(store, field.name))

    def test_leaky_split_keeps_whole_recordings_to_draw_from(self) -> None:
        config = SplitConfig(rule="random", allow_leakage=True, seed=4)
        store = prepared([recording(noise(1000))], WindowConfig(), config)
        assert store.leaky
        assert store.part.tolist() == [DRAWN]
        assert store.random is not None
        assert store.random.seed == 4

    def test_a_leaking_split_that_is_not_marked_is_refused(self) -> None:
        whole = (Segment("r", 0, 1000),)
        split = Split("by-recording", train=whole, validation=(), test=whole, classes=("inner",))
        with pytest.raises(DataError, match="train samples 0 to 1000 and test samples 0 to 1000 overlap"):
            prepare([recording(noise(1000))], split, WindowConfig(), target="fault_type")

    def test_different_channels_are_refused(self) -> None:
        recordings = [recording(noise(1000), "a"), recording(noise(1000, channels=2), "b")]
        with pytest.raises(DataError, match=r"recording 'a' has x, 'b' has x, y; choose common ones in data.channels"):
            prepared(recordings, WindowConfig())

    @pytest.mark.parametrize("windows", [WindowConfig(input="envelope", sample_rate_hz=700), WindowConfig()])
    def test_nothing_of_the_test_part_reaches_the_others(self, windows: WindowConfig) -> None:
        signal = noise(1000)
        changed = signal.copy()
        changed[:, 800:] = 1000 * noise(200, seed=9)
        before, after = (prepared([recording(s)], windows) for s in (signal, changed))
        for index in (0, 1):
            np.testing.assert_array_equal(segment(before, index), segment(after, index))
        assert not np.allclose(segment(before, 2), segment(after, 2))


class TestResample:
    time_s = np.arange(48_828) / 48_828

    def test_a_tone_below_the_new_nyquist_stays_as_it_is(self) -> None:
        tone = np.sin(2 * np.pi * 500.0 * self.time_s + 0.3)
        resampled = resample(tone, 48_828, to_hz=12_000)
        assert resampled.shape == (12_000,)
        expected = np.sin(2 * np.pi * 500.0 * np.arange(12_000) / 12_000 + 0.3)
        np.testing.assert_allclose(resampled[100:-100], expected[100:-100], atol=2e-3)

    def test_a_tone_above_the_new_nyquist_does_not_come_back_as_another(self) -> None:
        tone = np.sin(2 * np.pi * 7_500.0 * self.time_s)
        assert np.abs(resample(tone, 48_828, to_hz=12_000)[100:-100]).max() < 2e-3

    def test_an_offset_has_no_edges(self) -> None:
        np.testing.assert_allclose(resample(np.full((2, 3000), 5.0), 3000, to_hz=1000), 5.0, rtol=1e-9)

    def test_the_same_rate_changes_nothing(self) -> None:
        signal = noise(100)
        np.testing.assert_array_equal(resample(signal, 1234.5, to_hz=1234.5), signal)

    def test_rates_without_a_small_common_fraction(self) -> None:
        assert resample(noise(97_656), 97_656.25, to_hz=50).shape[1] == 50
        tone = np.sin(2 * np.pi * 10.0 * np.arange(10_000) / (1000 * np.pi))
        resampled = resample(tone, 1000 * np.pi, to_hz=1000.0)
        expected = np.sin(2 * np.pi * 10.0 * np.arange(len(resampled)) / 1000)
        np.testing.assert_allclose(resampled[50:-50], expected[50:-50], atol=5e-3)

    @settings(max_examples=30)
    @given(
        fs_hz=st.sampled_from([1000.0, 1234.0, 2048.0, 997.3]),
        to_hz=st.sampled_from([100.0, 333.0, 1000.0, 1500.0]),
        samples=st.integers(200, 999),
    )
    def test_neighbouring_segments_count_no_sample_twice(self, fs_hz: float, to_hz: float, samples: int) -> None:
        store = prepared([recording(noise(samples), fs_hz=fs_hz)], WindowConfig(sample_rate_hz=to_hz))
        stop = store.start + store.samples
        assert (stop[:-1] <= store.start[1:]).all()
        assert abs(store.samples.sum() - samples * to_hz / fs_hz) < 1.5

    def test_the_lowest_rate_is_the_default(self) -> None:
        recordings = [
            recording(noise(4000), "fast", fs_hz=4000.0),
            recording(noise(1000), "slow", fs_hz=1000.0),
        ]
        store = prepared(recordings, WindowConfig())
        assert store.fs_hz == 1000.0
        assert store.samples.tolist() == [600, 600, 200, 200, 200, 200]


class TestEnvelope:
    fs_hz = 12_000.0
    time_s = np.arange(12_000) / fs_hz

    def test_is_the_modulation_of_a_carrier_in_the_band(self) -> None:
        modulation = 1 + 0.5 * np.cos(2 * np.pi * 30.0 * self.time_s)
        carrier = np.sin(2 * np.pi * 3_000.0 * self.time_s)
        found = envelope(modulation * carrier, self.fs_hz)
        np.testing.assert_allclose(found[600:-600], modulation[600:-600], atol=3e-3)

    def test_is_blind_outside_the_band(self) -> None:
        wanted = np.sin(2 * np.pi * 3_000.0 * self.time_s)
        outside = 10 * np.sin(2 * np.pi * 300.0 * self.time_s) + 10 * np.sin(2 * np.pi * 5_800.0 * self.time_s)
        found = envelope(wanted + outside, self.fs_hz, band_hz=(2_500.0, 3_500.0))
        np.testing.assert_allclose(found[600:-600], 1.0, atol=1e-2)

    def test_has_no_delay(self) -> None:
        burst = np.exp(-((self.time_s - 0.5) ** 2) / (2 * 0.01**2)) * np.sin(2 * np.pi * 3_000.0 * self.time_s)
        assert abs(int(np.argmax(envelope(burst, self.fs_hz))) - 6_000) <= 2

    def test_works_on_each_channel_and_on_short_segments(self) -> None:
        pair = noise(20, channels=2)
        found = envelope(pair, self.fs_hz)
        np.testing.assert_allclose(found[1], envelope(pair[1], self.fs_hz), rtol=1e-12)

    def test_is_taken_at_the_native_rate_before_resampling(self) -> None:
        modulation = 1 + 0.5 * np.cos(2 * np.pi * 30.0 * self.time_s)
        signal = modulation * np.sin(2 * np.pi * 3_000.0 * self.time_s)
        windows = WindowConfig(input="envelope", sample_rate_hz=600.0)
        store = prepared([recording(signal, fs_hz=self.fs_hz)], windows)
        train = segment(store, 0)[0]
        expected = 1 + 0.5 * np.cos(2 * np.pi * 30.0 * np.arange(len(train)) / 600.0)
        np.testing.assert_allclose(train[30:-30], expected[30:-30], atol=5e-3)

    def test_a_band_above_the_nyquist_of_a_recording_is_refused(self) -> None:
        recordings = [recording(noise(900), "fast", fs_hz=9000.0), recording(noise(800), "slow", fs_hz=4000.0)]
        windows = WindowConfig(input="envelope", envelope_band_hz=(500.0, 2000.0))
        with pytest.raises(ConfigError, match=r"2000 Hz is not below half .* of recording 'slow' \(4000 Hz\)"):
            prepared(recordings, windows)


@pytest.mark.parametrize(
    "other",
    [
        WindowConfig(input="envelope"),
        WindowConfig(sample_rate_hz=6000),
        WindowConfig(input="envelope", envelope_band_hz=(1000, 2000)),
    ],
)
def test_store_key_tells_preprocessing_apart_but_not_windows(other: WindowConfig) -> None:
    plain = WindowConfig()
    assert store_key(plain) == store_key(WindowConfig(length=64, hop=7, normalize="none"))
    assert store_key(other) != store_key(plain)
    assert store_key(other) == store_key(other.model_copy(update={"length": 99}))
