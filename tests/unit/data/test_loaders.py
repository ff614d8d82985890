from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from raytrain.config.schema import WindowConfig
from raytrain.data.loaders import WindowLoader
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.errors import ConfigError, DataError


def windows_of(count: int) -> Windows:
    """As many windows, each of which is its own recording's only one: its `recording` is its index."""
    zeros = np.zeros(count, dtype=np.int64)
    store = SegmentStore(
        signal=np.random.default_rng(0).standard_normal((1, 16 * count)).astype(np.float32),
        fs_hz=1000.0,
        offset=16 * np.arange(count),
        samples=np.full(count, 16),
        start=zeros,
        part=zeros.astype(np.int8),
        target=zeros,
        recording=np.arange(count),
        shaft_speed_rpm=zeros.astype(np.float32),
        load=zeros.astype(np.float32),
        fault_orders=np.zeros((count, 4)),
        classes=("a",),
        recording_ids=tuple(map(str, range(count))),
        channels=("x",),
    )
    return Windows(store, ["train"], WindowConfig(length=16))


def epoch(loader: WindowLoader, number: int = 0) -> list[list[int]]:
    """The windows of each batch of an epoch."""
    loader.set_epoch(number)
    return [batch.conditions["recording"].tolist() for batch in loader]


sizes = st.tuples(st.integers(1, 60), st.integers(1, 16), st.integers(1, 5)).filter(
    lambda size: size[2] <= size[0] // -(-size[0] // size[1])
)


@given(sizes, st.booleans(), st.integers(0, 3))
def test_workers_divide_the_same_global_batches_exactly(size: tuple[int, int, int], shuffle: bool, seed: int) -> None:
    count, batch_size, workers = size
    windows = windows_of(count)
    loaders = [
        WindowLoader(windows, batch_size=batch_size, shuffle=shuffle, seed=seed, rank=rank, world_size=workers)
        for rank in range(workers)
    ]
    shares = [epoch(loader, 2) for loader in loaders]
    together = [[i for share in batch for i in share] for batch in zip(*shares, strict=True)]
    assert sorted(i for batch in together for i in batch) == list(range(count))
    assert [len(batch) for batch in together] == loaders[0].global_sizes
    assert all(len(loader) == len(together) for loader in loaders)
    for batch in zip(*shares, strict=True):
        assert min(map(len, batch)) >= 1
        assert max(map(len, batch)) - min(map(len, batch)) <= 1
    alone = epoch(WindowLoader(windows, batch_size=batch_size, shuffle=shuffle, seed=seed), 2)
    assert together == alone
    assert max(map(len, alone)) - min(map(len, alone)) <= 1
    assert len(alone) == -(-count // batch_size)


@pytest.mark.parametrize(
    ("count", "batch_size", "expected"),
    [
        (10, 4, [4, 3, 3]),
        (9, 4, [3, 3, 3]),
        (8, 4, [4, 4]),
        (3, 1, [1, 1, 1]),
        (3, 8, [3]),
        (1, 8, [1]),
        (65, 64, [33, 32]),
    ],
)
def test_batches_are_as_few_and_as_equal_as_can_be(count: int, batch_size: int, expected: list[int]) -> None:
    assert WindowLoader(windows_of(count), batch_size=batch_size, shuffle=True).global_sizes == expected


def test_the_order_depends_on_seed_and_epoch_only() -> None:
    windows = windows_of(40)

    def loader(seed: int) -> WindowLoader:
        return WindowLoader(windows, batch_size=8, shuffle=True, seed=seed)

    one = loader(1)
    orders = [epoch(one, number) for number in range(3)]
    assert epoch(one, 1) == orders[1]
    assert epoch(loader(1), 2) == orders[2]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert epoch(loader(2)) != orders[0]
    state = torch.random.get_rng_state()
    list(islice(one, 2))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_every_window_is_equally_likely_to_come_first() -> None:
    loader = WindowLoader(windows_of(4), batch_size=1, shuffle=True)
    first = np.bincount([epoch(loader, number)[0][0] for number in range(400)])
    assert first.min() > 70


def test_evaluation_is_in_order() -> None:
    loader = WindowLoader(windows_of(10), batch_size=4, shuffle=False)
    assert epoch(loader, 0) == epoch(loader, 5) == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_batches_are_those_of_the_windows() -> None:
    windows = windows_of(6)
    for batch in WindowLoader(windows, batch_size=2, shuffle=True):
        expected = windows.batch(batch.conditions["recording"])
        assert isinstance(batch.inputs, Tensor)
        assert isinstance(expected.inputs, Tensor)
        assert torch.equal(batch.inputs, expected.inputs)


def test_a_batch_knows_the_index_of_its_windows() -> None:
    for batch in WindowLoader(windows_of(6), batch_size=3, shuffle=True):
        assert torch.equal(batch.conditions["window"], batch.conditions["recording"])


@pytest.mark.parametrize(
    ("count", "batch_size", "workers", "least", "message"),
    [
        (30, 3, 4, 1, "batch_size 3 cannot give each of the 4 workers 1 or more; use at least 4"),
        (30, 3, 2, 2, "batch_size 3 cannot give each of the 2 workers 2 or more; use at least 4, or batch_norm: sync"),
        (3, 8, 4, 1, "3 windows in batches of 3 cannot give each of the 4 workers 1 or more; use fewer workers"),
        (9, 8, 4, 2, "9 windows in batches of 4 cannot give .* another batch_size, or batch_norm: synchronized"),
    ],
)
def test_batches_too_small_for_the_workers_are_refused(
    count: int, batch_size: int, workers: int, least: int, message: str
) -> None:
    windows = windows_of(count)
    with pytest.raises(ConfigError if batch_size < workers * least else DataError, match=message):
        WindowLoader(windows, batch_size=batch_size, shuffle=True, world_size=workers, least_per_worker=least)
    WindowLoader(windows, batch_size=batch_size, shuffle=True, least_per_worker=least)  # one process may have any


class TestNeighbours:
    @given(
        lengths=st.lists(st.integers(1, 9), min_size=1, max_size=9),
        batch_size=st.integers(4, 12),
        longest=st.integers(2, 4),
        seed=st.integers(0, 9),
    )
    def test_runs_stay_together_where_they_fit(
        self, lengths: list[int], batch_size: int, longest: int, seed: int
    ) -> None:
        windows = recordings_of(lengths)
        loader = WindowLoader(windows, batch_size=batch_size, shuffle=True, seed=seed, neighbours=longest)
        batches = [batch.conditions["window"].tolist() for batch in loader]
        assert sorted(i for batch in batches for i in batch) == list(range(sum(lengths)))
        assert [len(batch) for batch in batches] == loader.global_sizes
        runs = expected_runs(lengths, longest)
        whole = sum(
            run[0] in batch and run == batch[batch.index(run[0]) :][: len(run)] for run in runs for batch in batches
        )
        # At most one run is cut for the gap of each batch.
        assert len(runs) - whole <= len(batches)

    def test_no_run_is_cut_where_batches_hold_whole_ones(self) -> None:
        loader = WindowLoader(recordings_of([12, 20]), batch_size=8, shuffle=True, neighbours=4)
        for number in range(4):
            loader.set_epoch(number)
            for batch in loader:
                starts = batch.conditions["window_start"].view(2, 4)
                assert bool((starts.diff(dim=1) == 8).all())
                assert bool((batch.conditions["recording"].view(2, 4).diff(dim=1) == 0).all())

    def test_the_order_of_runs_is_drawn_anew_in_each_epoch(self) -> None:
        loader = WindowLoader(recordings_of([40]), batch_size=8, shuffle=True, neighbours=4)
        orders = [epoch_of(loader, number) for number in range(3)]
        assert orders[0] != orders[1] != orders[2] != orders[0]
        assert epoch_of(loader, 1) == orders[1]

    def test_they_must_fit_into_a_batch(self) -> None:
        with pytest.raises(ConfigError, match="neighbours must be at most batch_size=3, got 4"):
            WindowLoader(recordings_of([40]), batch_size=3, shuffle=True, neighbours=4)


def recordings_of(lengths: list[int]) -> Windows:
    """Recordings with as many windows of 16 samples, each half over the next."""
    samples = np.array([8 * (length + 1) for length in lengths])
    count = len(lengths)
    store = replace(
        windows_of(count).store,
        signal=np.zeros((1, samples.sum()), dtype=np.float32),
        offset=np.cumsum(samples) - samples,
        samples=samples,
    )
    return Windows(store, ["train"], WindowConfig(length=16, hop=8))


def expected_runs(lengths: list[int], longest: int) -> list[list[int]]:
    firsts = np.cumsum(lengths) - lengths
    return [
        list(range(first + i, first + min(i + longest, length)))
        for first, length in zip(firsts.tolist(), lengths, strict=True)
        for i in range(0, length, longest)
    ]


def epoch_of(loader: WindowLoader, number: int) -> list[list[int]]:
    loader.set_epoch(number)
    return [batch.conditions["window"].tolist() for batch in loader]
