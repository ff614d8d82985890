from __future__ import annotations

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
    lambda size: size[2] <= min(size[:2])
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
    assert [i for batch in together for i in batch] == [i for batch in alone for i in batch]
    full = min(len(alone), len(together)) - 1
    assert together[:full] == alone[:full]


@pytest.mark.parametrize(
    ("count", "batch_size", "workers", "expected"),
    [
        (10, 4, 1, [4, 4, 2]),
        (9, 4, 1, [4, 5]),
        (8, 4, 1, [4, 4]),
        (3, 1, 1, [1, 1, 1]),
        (3, 8, 1, [3]),
        (1, 8, 1, [1]),
        (19, 8, 2, [8, 11]),
        (20, 8, 2, [8, 8, 4]),
        (3, 8, 3, [3]),
        (11, 4, 3, [4, 7]),
    ],
)
def test_a_last_batch_too_small_for_every_worker_joins_the_one_before(
    count: int, batch_size: int, workers: int, expected: list[int]
) -> None:
    loader = WindowLoader(windows_of(count), batch_size=batch_size, shuffle=True, world_size=workers)
    assert loader.global_sizes == expected


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
    assert epoch(loader, 0) == epoch(loader, 5) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_batches_are_those_of_the_windows() -> None:
    windows = windows_of(6)
    for batch in WindowLoader(windows, batch_size=2, shuffle=True):
        expected = windows.batch(batch.conditions["recording"])
        assert isinstance(batch.inputs, Tensor)
        assert isinstance(expected.inputs, Tensor)
        assert torch.equal(batch.inputs, expected.inputs)


def test_more_workers_than_windows() -> None:
    with pytest.raises(DataError, match="3 windows cannot be divided between 4 workers; use at most 3"):
        WindowLoader(windows_of(3), batch_size=8, shuffle=True, world_size=4)


def test_more_workers_than_windows_in_a_batch() -> None:
    with pytest.raises(ConfigError, match="batch_size 3 gives some of the 4 workers nothing; use at least 4"):
        WindowLoader(windows_of(30), batch_size=3, shuffle=True, world_size=4)
