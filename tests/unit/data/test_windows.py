from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import zscore
from torch import Tensor

from raytrain.config.schema import WindowConfig
from raytrain.data.guard import prove_windows_disjoint
from raytrain.data.segments import PARTS, RandomWindows
from raytrain.data.store import DRAWN, SegmentStore
from raytrain.data.windows import Windows, zscore_
from raytrain.errors import DataError


def store_of(
    samples: list[int],
    part: list[int],
    *,
    recording: list[int] | None = None,
    channels: int = 1,
    signal: NDArray[np.float32] | None = None,
) -> SegmentStore:
    """A store of noise whose arrays are all read-only, as they come out of Ray's object store."""
    count = len(samples)
    index = np.arange(count) if recording is None else np.array(recording)
    if signal is None:
        signal = np.random.default_rng(0).standard_normal((channels, sum(samples))).astype(np.float32) + 3
    store = SegmentStore(
        signal=signal,
        fs_hz=1000.0,
        offset=np.cumsum(samples) - np.array(samples),
        samples=np.array(samples),
        start=100 * np.arange(count),
        part=np.array(part, dtype=np.int8),
        target=index % 3,
        recording=index,
        shaft_speed_rpm=np.linspace(1000, 2000, count).astype(np.float32),
        load=np.array([np.nan, *range(1, count)], dtype=np.float32),
        fault_orders=np.arange(4.0 * count).reshape(count, 4),
        classes=("a", "b", "c"),
        recording_ids=tuple(f"r{i}" for i in range(int(index.max()) + 1)),
        channels=("x", "y")[:channels],
    )
    for field in fields(store):
        value: Any = getattr(store, field.name)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return store


def leaky(store: SegmentStore, *, seed: int = 0, validation: float = 0.2, test: float = 0.3) -> SegmentStore:
    drawn = np.full(len(store.part), DRAWN, dtype=np.int8)
    return replace(store, part=drawn, leaky=True, random=RandomWindows((), validation, test, seed))


def inputs(windows: Windows, indices: Tensor | None = None) -> NDArray[np.float32]:
    batch = windows.batch(torch.arange(len(windows)) if indices is None else indices)
    assert isinstance(batch.inputs, Tensor)
    return batch.inputs.numpy()


class TestIndex:
    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize(("length", "hop"), [(16, 16), (16, 5), (50, 60), (20, None)])
    def test_windows_are_those_cut_by_hand(self, channels: int, length: int, hop: int | None) -> None:
        samples, part = [100, 55, 120, 61], [0, 1, 0, 2]
        store = store_of(samples, part, channels=channels)
        windows = Windows(store, ["train"], WindowConfig(length=length, hop=hop, normalize="none"))
        step = hop or length // 2
        expected, starts, owners = [], [], []
        for index in (0, 2):
            own = store.signal[:, store.offset[index] : store.offset[index] + samples[index]]
            for first in range(0, samples[index] - length + 1, step):
                expected.append(own[:, first : first + length])
                starts.append(100 * index + first)
                owners.append(index)
        np.testing.assert_array_equal(inputs(windows), np.stack(expected))
        assert windows.window_start.tolist() == starts
        assert windows.recordings.tolist() == owners
        assert windows.targets.tolist() == [owner % 3 for owner in owners]
        assert len(windows) == len(expected)

    def test_no_window_crosses_the_end_of_a_segment(self) -> None:
        samples = [40, 33, 70, 16]
        signal = np.repeat(np.arange(4, dtype=np.float32), samples)[None]
        windows = Windows(
            store_of(samples, [0] * 4, signal=signal), ["train"], WindowConfig(length=16, hop=1, normalize="none")
        )
        assert len(windows) == sum(n - 15 for n in samples)
        found = inputs(windows)
        np.testing.assert_array_equal(found, found[:, :, :1].repeat(16, axis=2))
        np.testing.assert_array_equal(found[:, 0, 0], windows.recordings)

    def test_parts_are_taken_together(self) -> None:
        store = store_of([50, 50, 50], [0, 1, 2])
        config = WindowConfig(length=16)
        both = Windows(store, ["train", "validation"], config)
        assert sorted(set(both.recordings.tolist())) == [0, 1]
        assert len(both) == sum(len(Windows(store, [part], config)) for part in PARTS[:2])

    def test_batch_has_what_is_known_of_each_window(self) -> None:
        store = store_of([50, 60, 70], [0, 0, 0])
        windows = Windows(store, ["train"], WindowConfig(length=16))
        indices = torch.tensor([len(windows) - 1, 0, 7])
        batch = windows.batch(indices)
        assert batch.targets.dtype == torch.int64
        assert batch.targets.tolist() == windows.targets[indices.numpy()].tolist()
        assert set(batch.conditions) == {"shaft_speed_rpm", "load", "recording", "window_start", "window"}
        assert batch.conditions["window"].tolist() == indices.tolist()
        assert batch.conditions["recording"].tolist() == windows.recordings[indices.numpy()].tolist()
        assert batch.conditions["window_start"].tolist() == windows.window_start[indices.numpy()].tolist()
        assert batch.conditions["shaft_speed_rpm"].tolist() == [2000.0, 1000.0, 1500.0]
        assert batch.conditions["load"].isnan().tolist() == [False, True, False]

    @pytest.mark.parametrize("chunk", [1, 7, 1000])
    def test_arrays_are_all_windows_in_order(self, chunk: int) -> None:
        store = store_of([50, 60, 70], [0, 2, 0], channels=2)
        windows = Windows(store, ["train"], WindowConfig(length=16))
        chunks = list(windows.arrays(chunk))
        assert max(len(some.targets) for some in chunks) <= chunk
        np.testing.assert_array_equal(np.concatenate([some.signal for some in chunks]), inputs(windows))
        np.testing.assert_array_equal(np.concatenate([some.targets for some in chunks]), windows.targets)
        np.testing.assert_array_equal(np.concatenate([some.recordings for some in chunks]), windows.recordings)
        orders = np.concatenate([some.fault_orders for some in chunks])
        np.testing.assert_array_equal(orders, store.fault_orders[windows.recordings])
        speeds = np.concatenate([some.shaft_speed_rpm for some in chunks])
        np.testing.assert_array_equal(speeds, store.shaft_speed_rpm[windows.recordings])


class TestSharedMemory:
    def test_the_signal_is_not_copied(self) -> None:
        store = store_of([50, 60], [0, 1])
        windows = Windows(store, ["train"], WindowConfig(length=16))
        assert windows._windows.data_ptr() == store.signal.ctypes.data

    @pytest.mark.parametrize("normalize", ["zscore", "none"])
    def test_changing_a_batch_in_place_leaves_the_store_as_it_was(self, normalize: str) -> None:
        store = store_of([500, 60], [0, 1], channels=2)
        before = store.signal.tobytes()
        config = WindowConfig.model_validate({"length": 16, "hop": 4, "normalize": normalize})
        windows = Windows(store, ["train"], config)
        batch = windows.batch(torch.arange(len(windows)))
        assert isinstance(batch.inputs, Tensor)
        expected = batch.inputs.clone()
        batch.inputs.fill_(-1e9)
        batch.targets.zero_()
        for values in batch.conditions.values():
            values.zero_()
        assert store.signal.tobytes() == before
        np.testing.assert_array_equal(inputs(windows), expected.numpy())
        assert windows.batch(torch.tensor([3])).conditions["window_start"].tolist() == [12]


class TestNormalisation:
    def test_is_the_zscore_of_each_window_and_channel(self) -> None:
        store = store_of([300], [0], channels=2)
        config = WindowConfig(length=64, hop=10)
        found = inputs(Windows(store, ["train"], config))
        raw = inputs(Windows(store, ["train"], config.model_copy(update={"normalize": "none"})))
        np.testing.assert_allclose(found, zscore(raw.astype(np.float64), axis=-1), atol=1e-5)

    @given(
        value=st.floats(-(2.0**90), 2.0**90, width=32).filter(lambda v: v == 0 or abs(v) > 2.0**-90),
        length=st.integers(16, 5000),
    )
    def test_a_constant_window_becomes_zeros(self, value: float, length: int) -> None:
        assert not zscore_(torch.full((2, 1, length), value)).any()

    def test_a_small_signal_on_a_large_offset_is_kept(self) -> None:
        wave = torch.sin(torch.arange(2048) / 10.0)[None]
        found = zscore_(100 + 0.01 * wave)
        assert float(torch.corrcoef(torch.cat([found, wave]))[0, 1]) > 0.999
        assert float(found.std(correction=0)) == pytest.approx(1, abs=1e-4)

    def test_nan_is_not_hidden(self) -> None:
        assert zscore_(torch.tensor([[1.0, float("nan"), 2.0]])).isnan().any()


class TestRefusals:
    def test_a_window_longer_than_a_recording(self) -> None:
        store = store_of([500, 90, 80, 70, 60, 100, 40], [0, 0, 0, 0, 0, 1, 2])
        with pytest.raises(DataError) as caught:
            Windows(store, ["train"], WindowConfig(length=99))
        assert str(caught.value) == (
            "windows.length: 99 samples at 1000 Hz do not fit into every recording of the train part: "
            "'r4' has 60, 'r3' has 70, 'r2' has 80 and 1 more; the longest that fits all parts is 40"
        )
        for part in PARTS:
            assert len(Windows(store, [part], WindowConfig(length=40))) > 0

    def test_a_recording_with_one_long_enough_segment_is_fine(self) -> None:
        store = store_of([50, 10, 50], [0, 0, 1], recording=[0, 0, 1])
        assert len(Windows(store, ["train"], WindowConfig(length=50))) == 1

    def test_each_part_of_several_is_checked(self) -> None:
        store = store_of([50, 20], [0, 1])
        with pytest.raises(DataError, match=r"recording of the validation part: 'r1' has 20; the longest"):
            Windows(store, ["train", "validation"], WindowConfig(length=30))

    def test_an_empty_part(self) -> None:
        with pytest.raises(DataError, match=r"the test part has no recordings; change data.split"):
            Windows(store_of([50, 50], [0, 1]), ["test"], WindowConfig(length=16))


class TestRandomWindows:
    config = WindowConfig(length=16, hop=8)

    def test_the_parts_divide_all_windows_by_the_fractions(self) -> None:
        store = leaky(store_of([500, 300], [0, 0]))
        parts = [Windows(store, [part], self.config) for part in PARTS]
        everything = Windows(store_of([500, 300], [0, 0]), ["train"], self.config)
        keys = [set(zip(w.recordings.tolist(), w.window_start.tolist(), strict=True)) for w in parts]
        assert set.union(*keys) == set(
            zip(everything.recordings.tolist(), everything.window_start.tolist(), strict=True)
        )
        assert [len(key) for key in keys] == [len(everything) - 19 - 29, 19, 29]
        assert len(set.union(*keys)) == len(everything) == 97
        for part in parts:
            assert set(part.recordings.tolist()) == {0, 1}

    def test_the_seed_decides(self) -> None:
        stores = [leaky(store_of([500], [0]), seed=seed) for seed in (0, 0, 1)]
        starts = [Windows(store, ["test"], self.config).window_start.tolist() for store in stores]
        assert starts[0] == starts[1] != starts[2]

    def test_they_are_what_the_guard_refuses(self) -> None:
        store = leaky(store_of([500], [0]))
        with pytest.raises(DataError, match="windows share samples with another part"):
            prove_windows_disjoint(*(Windows(store, [part], self.config) for part in ("train", "test")))

    def test_too_few_to_divide(self) -> None:
        with pytest.raises(DataError, match="2 windows are too few to divide"):
            Windows(leaky(store_of([24], [0])), ["train"], self.config)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_made_on_a_gpu_are_those_of_the_cpu() -> None:
    store = store_of([500, 300], [0, 0], channels=2)
    config = WindowConfig(length=64)
    on_gpu = Windows(store, ["train"], config, device=torch.device("cuda")).batch(torch.arange(9))
    assert isinstance(on_gpu.inputs, Tensor)
    assert on_gpu.inputs.is_cuda
    np.testing.assert_allclose(
        on_gpu.inputs.cpu().numpy(), inputs(Windows(store, ["train"], config), torch.arange(9)), atol=1e-5
    )


def test_batches_carry_the_conditions_of_their_recordings() -> None:
    store = replace(store_of([40, 40], [0, 0]), conditions={"viscosity_pa_s": np.array([0.02, 0.03], dtype=np.float32)})
    windows = Windows(store, ["train"], WindowConfig(length=16, hop=16))
    assert "viscosity_pa_s" in windows.condition_names
    batch = windows.batch(torch.tensor([3, 0]))
    assert batch.conditions["viscosity_pa_s"].tolist() == pytest.approx([0.03, 0.02])
    assert windows.condition("viscosity_pa_s").tolist() == pytest.approx([0.02, 0.02, 0.03, 0.03])
