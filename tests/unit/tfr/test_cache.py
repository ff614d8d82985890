from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from raytrain.errors import ConfigError, DataError
from raytrain.tfr import IMAGES, CachedImages, Stft, Views, Wvd, create_transform
from raytrain.types import FINAL, Batch, Progress

RATE_HZ = 12_000.0
COUNT, SAMPLES = 23, 600
START = Progress(epoch=0, step=0, fraction=0.0)
WVD_BYTES = 128 * 19 * 4  # of one image of 600 samples


def windows(count: int = COUNT, samples: int = SAMPLES) -> Tensor:
    return torch.randn(count, 1, samples, generator=torch.Generator().manual_seed(0))


class Loader:
    """The windows in batches of `size`, in another order each epoch, as one of several workers sees them."""

    def __init__(self, *, size: int = 5, rank: int = 0, workers: int = 1) -> None:
        self.signals = windows()
        self.epoch = 0
        self._size, self._rank, self._workers = size, rank, workers

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(COUNT / self._size)

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(self.epoch))
        for indices in torch.split(order, self._size):
            mine = torch.tensor_split(indices, self._workers)[self._rank]
            yield Batch(self.signals[mine], mine % 3, {"window": mine})


class Counting(Wvd):
    """Counts the windows it has transformed."""

    def __init__(self) -> None:
        super().__init__(RATE_HZ)
        self.made = 0

    def transform(self, signal: Tensor) -> Tensor:
        self.made += len(signal)
        return super().transform(signal)


def named(inputs: Any) -> dict[str, Tensor]:  # noqa: ANN401
    return {"": inputs} if isinstance(inputs, Tensor) else dict(inputs)


def strides(images: Tensor) -> list[int]:
    return [images.stride(dimension) for dimension in range(images.dim()) if images.shape[dimension] > 1]


def assert_same(found: Any, expected: Any) -> None:  # noqa: ANN401
    found, expected = named(found), named(expected)
    assert found.keys() == expected.keys()
    for name, images in expected.items():
        assert torch.equal(found[name], images)
        # In another order in memory the same numbers would be added up in another order by what comes next.
        assert strides(found[name]) == strides(images)


@pytest.mark.parametrize("name", [*IMAGES, "views"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kept_images_are_exactly_those_of_the_transform(name: str, dtype: torch.dtype) -> None:
    transform = create_transform(name, sample_rate_hz=RATE_HZ, settings={})
    images = CachedImages(transform, count=COUNT, limit_mb=64)
    signals = windows().to(dtype)
    for epoch in range(3):
        order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(epoch))
        for some in torch.split(order, 4 + epoch):
            batch = Batch(signals[some], some, {"window": some})
            assert_same(images(batch, START, torch.Generator()).inputs, transform.transform(signals[some]))
    assert images.kept == (COUNT if transform.worth_keeping else 0)


def test_each_image_is_made_once() -> None:
    transform, loader = Counting(), Loader()
    images = CachedImages(transform, count=COUNT, limit_mb=1)
    for epoch in range(3):
        loader.set_epoch(epoch)
        for batch in loader:
            images(batch, START, torch.Generator())
    assert transform.made == COUNT + 1  # one more to see how large an image is
    assert images.caching


def test_a_worker_that_sees_a_part_of_each_epoch_gets_the_right_images_and_then_has_all() -> None:
    transform = Counting()
    images = CachedImages(transform, count=COUNT, limit_mb=1)
    loader, epochs = Loader(rank=1, workers=2), 0
    seen: set[int] = set()
    while len(seen) < COUNT:
        loader.set_epoch(epochs)
        for batch in loader:
            expected = Wvd(RATE_HZ).transform(batch.signal)
            assert torch.equal(images(batch, START, torch.Generator()).signal, expected)
            seen |= set(batch.conditions["window"].tolist())
            assert images.kept == len(seen)
        epochs += 1
    assert epochs > 1
    assert transform.made == COUNT + 1


def test_once_all_windows_are_known_signals_are_not_looked_at_and_the_host_waits_for_nothing() -> None:
    images = CachedImages(Wvd(RATE_HZ), count=COUNT, limit_mb=1)
    images(Batch(windows(), torch.arange(COUNT), {"window": torch.arange(COUNT)}), START, torch.Generator())
    # A meta tensor has no values: transforming it, or asking which windows are new, would fail or give no values.
    index = torch.tensor([3, 1])
    batch = Batch(torch.empty(2, 1, SAMPLES, device="meta"), index, {"window": index})
    found = images(batch, START, torch.Generator()).signal
    assert torch.equal(found, Wvd(RATE_HZ).transform(windows()[index]))


@pytest.mark.parametrize(("limit_mb", "caching"), [(0, False), (0.99, False), (1.0, True)])
def test_images_over_the_limit_are_not_kept(limit_mb: float, caching: bool) -> None:
    count = 2**20 // WVD_BYTES
    images = CachedImages(Wvd(RATE_HZ), count=count, limit_mb=limit_mb)
    if limit_mb:
        assert images.caching is None
    batch = Batch(windows(3), torch.arange(3), {"window": torch.arange(3)})
    assert torch.equal(images(batch, START, torch.Generator()).signal, Wvd(RATE_HZ).transform(windows(3)))
    assert images.caching is caching
    assert images.kept == (3 if caching else 0)
    assert images.needed_mb == (count * WVD_BYTES / 2**20 if limit_mb else 0)


def test_what_is_cheap_to_make_is_not_kept() -> None:
    assert CachedImages(Stft(RATE_HZ), count=COUNT, limit_mb=64).caching is False
    assert [name for name in IMAGES if not IMAGES[name].worth_keeping] == ["stft"]
    assert not Views(RATE_HZ, cwt=None, wvd=None).worth_keeping
    assert Views(RATE_HZ, cwt=None).worth_keeping


def test_memory_is_that_of_the_images_of_all_views() -> None:
    views = Views(RATE_HZ)
    images = CachedImages(views, count=100, limit_mb=64)
    images(Batch(windows(2), torch.arange(2), {"window": torch.arange(2)}), START, torch.Generator())
    floats = sum(rows * columns for rows, columns in views.output_shapes(SAMPLES).values())
    assert images.needed_mb == 4 * floats * 100 / 2**20


def test_what_evaluation_filled_can_be_trained_on() -> None:
    images = CachedImages(Wvd(RATE_HZ), count=4, limit_mb=1)
    index = torch.arange(4)
    batch = Batch(windows(4), index, {"window": index})
    with torch.inference_mode():
        images(Batch(windows(4)[:2], index[:2], {"window": index[:2]}), FINAL, torch.Generator())
    weight = torch.ones((), requires_grad=True)
    (images(batch, START, torch.Generator()).signal * weight).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad == pytest.approx(Wvd(RATE_HZ).transform(windows(4)).sum().item(), rel=1e-4)


def test_what_is_fetched_may_be_changed() -> None:
    images = CachedImages(Wvd(RATE_HZ), count=3, limit_mb=1)
    batch = Batch(windows(3), torch.arange(3), {"window": torch.arange(3)})
    first = images(batch, START, torch.Generator()).signal
    kept = first.clone()
    first.zero_()
    assert torch.equal(images(batch, START, torch.Generator()).signal, kept)


def test_a_batch_gets_the_image_and_keeps_everything_else() -> None:
    images = CachedImages(Wvd(RATE_HZ), count=3, limit_mb=1)
    signal = windows(3)
    batch = Batch(signal, torch.arange(3), {"window": torch.arange(3)}, waveform=signal)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    result = images(batch, START, generator)
    assert torch.equal(generator.get_state(), before)
    assert result.targets is batch.targets
    assert result.conditions is batch.conditions
    assert result.measured is signal
    assert images.in_evaluation


def test_windows_of_two_loaders_are_told_apart_by_their_numbers() -> None:
    images = CachedImages(Wvd(RATE_HZ), count=2 * COUNT, limit_mb=2, expected=2 * COUNT - 3)
    signals = [windows(), -windows().flip(0)[:-3]]
    for _ in range(2):
        for first, some in zip((0, COUNT), signals, strict=True):
            numbers = first + torch.arange(len(some))
            batch = Batch(some, numbers, {"window": numbers})
            assert torch.equal(images(batch, START, torch.Generator()).signal, Wvd(RATE_HZ).transform(some))


def test_when_as_many_are_kept_as_expected_nobody_looks_for_more() -> None:
    images = CachedImages(Wvd(RATE_HZ), count=5, limit_mb=1, expected=3)
    for numbers in ([4], [0, 2]):
        index = torch.tensor(numbers)
        images(Batch(windows()[index], index, {"window": index}), START, torch.Generator())
    # A meta tensor has no values, so looking at the signals would fail.
    index = torch.tensor([2, 4, 1])
    found = images(Batch(torch.empty(3, 1, SAMPLES, device="meta"), index, {"window": index}), START, torch.Generator())
    assert torch.equal(found.signal[:2], Wvd(RATE_HZ).transform(windows()[index[:2]]))
    assert found.signal[2].isnan().all()


def test_windows_without_an_index_are_refused() -> None:
    images = CachedImages(Wvd(RATE_HZ), count=3, limit_mb=1)
    with pytest.raises(DataError, match="kept by the condition 'window', the index of each window, which batches lack"):
        images(Batch(windows(3), torch.arange(3)), START, torch.Generator())


def test_an_index_beyond_the_count_is_refused() -> None:
    images = CachedImages(Wvd(RATE_HZ), count=3, limit_mb=1)
    with pytest.raises(IndexError, match="out of bounds"):
        images(Batch(windows(1), torch.arange(1), {"window": torch.tensor([3])}), START, torch.Generator())


@pytest.mark.parametrize("expected", [0, 4])
def test_an_impossible_expectation_is_refused(expected: int) -> None:
    with pytest.raises(ConfigError, match=rf"images are expected of 1 window to all 3, got {expected}"):
        CachedImages(Wvd(RATE_HZ), count=3, limit_mb=1, expected=expected)


@pytest.mark.parametrize(("count", "limit_mb"), [(0, 1.0), (1, -1.0)])
def test_impossible_numbers_are_refused(count: int, limit_mb: float) -> None:
    with pytest.raises(ConfigError, match=rf"at least 1 window and 0 MB, got {count} and {limit_mb:g}"):
        CachedImages(Wvd(RATE_HZ), count=count, limit_mb=limit_mb)
