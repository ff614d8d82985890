from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from raytrain.augment import RESIZES, ProgressiveResize, create_resize, resize_signal
from raytrain.augment.resize import ResizeMethod
from raytrain.errors import ConfigError, DataError
from raytrain.types import FINAL, Batch, Progress

SAMPLES = 2048


def tone(cycles: float, *, samples: int, of: int = SAMPLES) -> Tensor:
    """Return `samples` of a tone with `cycles` in a window of `of`, each at the middle of its share of the window."""
    place = (torch.arange(samples, dtype=torch.float64) + 0.5) * of / samples - 0.5
    return torch.cos(2 * math.pi * cycles * place / of + 0.3)[None, None]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def at(epoch: int) -> Progress:
    return Progress(epoch=epoch, step=7 * epoch, fraction=0.5)


@pytest.mark.parametrize("length", [1, 64, 100, 511, 512, 777, 1024])
def test_interpolation_is_that_of_the_cosine_series(length: int) -> None:
    signal = noise(2, 3, 512)
    series = scipy.fft.dct(signal.numpy())[..., : min(512, length)]
    padded = np.zeros((2, 3, length))
    padded[..., : series.shape[-1]] = series
    expected = scipy.fft.idct(padded) * length / 512
    np.testing.assert_allclose(resize_signal(signal, length).numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [512, 999, 4096])
@pytest.mark.parametrize("cycles", [3.0, 20.5, 100.3, 180.0])
def test_a_tone_stays_that_tone(cycles: float, length: int) -> None:
    inner = slice(length // 8, -(length // 8))
    error = resize_signal(tone(cycles, samples=SAMPLES), length) - tone(cycles, samples=length)
    assert error[..., inner].abs().max() < 5e-3


def test_a_tone_above_the_new_band_is_removed_where_linear_interpolation_folds_it_down() -> None:
    high = tone(700.3, samples=SAMPLES)
    folded = torch.nn.functional.interpolate(high, 512, mode="linear")
    assert folded.abs().max() > 0.4
    assert resize_signal(high, 512)[..., 64:-64].abs().max() < 5e-3


def test_ends_ring_less_than_those_of_the_fourier_series() -> None:
    signal = tone(20.5, samples=SAMPLES)
    fourier = torch.from_numpy(scipy.signal.resample(signal.numpy(), 512, axis=-1))
    start = torch.cos(2 * math.pi * 20.5 * torch.arange(512, dtype=torch.float64) * 4 / SAMPLES + 0.3)
    assert (fourier - start).abs().max() > 0.5
    assert (resize_signal(signal, 512) - tone(20.5, samples=512)).abs().max() < 0.02


@given(samples=st.integers(2, 60), length=st.integers(1, 60), seed=st.integers(0, 99))
def test_interpolation_keeps_the_mean_and_is_undone_by_going_back(samples: int, length: int, seed: int) -> None:
    signal = noise(1, 2, samples, seed=seed)
    resized = resize_signal(signal, length)
    assert resized.shape == (1, 2, length)
    torch.testing.assert_close(resized.mean(-1), signal.mean(-1), rtol=0, atol=1e-12)
    if length >= samples:
        torch.testing.assert_close(resize_signal(resized, samples), signal, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_truncation_and_padding_by_hand(dtype: torch.dtype) -> None:
    signal = noise(2, 3, 10).to(dtype)
    assert torch.equal(resize_signal(signal, 4, method="truncate"), signal[..., :4])
    padded = resize_signal(signal, 13, method="pad")
    assert torch.equal(padded[..., :10], signal)
    assert torch.equal(padded[..., 10:], torch.zeros(2, 3, 3, dtype=dtype))
    assert padded.dtype == resize_signal(signal, 7).dtype == dtype


@pytest.mark.parametrize("method", ["interpolate", "truncate", "pad"])
def test_the_same_length_changes_nothing(method: ResizeMethod) -> None:
    signal = noise(2, 1, 10)
    assert torch.equal(resize_signal(signal, 10, method=method), signal)


def test_gradients_are_those_of_finite_differences() -> None:
    signal = noise(1, 1, 9).requires_grad_()
    for length in (4, 12):
        assert torch.autograd.gradcheck(lambda one, n=length: resize_signal(one, n), (signal,))


def test_single_precision_is_near_double_precision_and_stays_on_the_device() -> None:
    signal = noise(2, 1, 20_000)
    error = resize_signal(signal.float(), 7000).double() - resize_signal(signal, 7000)
    assert error.abs().max() < 1e-5
    assert resize_signal(torch.empty(2, 1, 64, device="meta"), 30).device.type == "meta"


@given(
    stages=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=1, max_size=5), epoch=st.integers(0, 30)
)
def test_lengths_follow_the_schedule_and_stay_at_its_end(stages: list[tuple[int, int]], epoch: int) -> None:
    by_epoch = [length for length, epochs in stages for _ in range(epochs)]
    resize = ProgressiveResize(stages)
    assert resize.length_at(epoch) == (by_epoch[epoch] if epoch < len(by_epoch) else by_epoch[-1])
    assert resize.lengths == tuple(length for length, _ in stages)
    assert resize.length_at(FINAL.epoch) == resize.final_length == stages[-1][0]


def test_the_schedule_by_default() -> None:
    resize = create_resize("interpolate", settings={})
    found = [resize.length_at(epoch) for epoch in (0, 19, 20, 34, 35, 44, 45, 49, 1000)]
    assert found == [25_600, 25_600, 51_200, 51_200, 76_800, 76_800, 102_400, 102_400, 102_400]


def test_a_batch_gets_the_epochs_length_and_keeps_everything_else() -> None:
    signal = noise(3, 2, 40)
    batch = Batch(signal, torch.arange(3), {"load": torch.zeros(3)}, waveform=signal)
    resize = ProgressiveResize([(10, 1), (20, 2)], method="truncate")
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    for epoch, length in ((0, 10), (1, 20), (2, 20), (5, 20)):
        resized = resize(batch, at(epoch), generator)
        assert torch.equal(resized.signal, signal[..., :length])
        assert resized.measured is signal
        assert resized.targets is batch.targets
        assert resized.conditions is batch.conditions
    assert resize(batch, FINAL, generator).signal.shape == (3, 2, 20)
    assert torch.equal(generator.get_state(), before)
    assert resize.in_evaluation


def test_views_are_refused() -> None:
    batch = Batch({"stft": torch.zeros(2, 1, 4, 4)}, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(TypeError, match="views stft instead of one signal"):
        ProgressiveResize([(2, 1)])(batch, FINAL, torch.Generator())


@pytest.mark.parametrize("name", sorted(RESIZES))
def test_the_table_makes_what_it_names(name: str) -> None:
    resize = create_resize(name, settings={"schedule": [[512, 2], [1024, 1]]})
    assert resize.method == name
    assert resize.lengths == (512, 1024)
    [setting] = inspect.signature(RESIZES[name]).parameters.values()
    assert setting.kind is inspect.Parameter.KEYWORD_ONLY


def test_lengths_out_of_reach_are_refused() -> None:
    message = r"windows of 8 samples cannot be truncated to 9; lower it to at most 8, raise windows.length, or use"
    with pytest.raises(ConfigError, match=message):
        ProgressiveResize([(4, 1), (9, 1)], method="truncate").check(8)
    with pytest.raises(ConfigError, match=message):
        resize_signal(noise(1, 1, 8), 9, method="truncate")
    with pytest.raises(ConfigError, match="windows of 8 samples cannot be padded to 7; raise it to at least 8"):
        ProgressiveResize([(7, 1)], method="pad").check(8)
    ProgressiveResize([(4, 1), (9, 1)]).check(8)


@pytest.mark.parametrize("shape", [(8,), (2, 8), (2, 1, 8, 8)])
def test_what_is_no_signal_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"resizing takes signals \[batch, channels, samples\], got \["):
        resize_signal(torch.zeros(shape), 4)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ([], r"resize.schedule must have at least one stage \[samples, epochs\], got none"),
        ([(0, 3)], "resize.schedule must have lengths of at least 1 sample, got 0"),
        ([(8, 1), (9, 0)], "resize.schedule must give each stage at least 1 epoch, got 0 for 9"),
    ],
)
def test_impossible_schedules_are_refused(schedule: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ProgressiveResize(schedule)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="there is no resizing 'truncat'; did you mean 'truncate'"):
        create_resize("truncat", settings={})
    with pytest.raises(ConfigError, match=r"resize.stages: 'pad' has no such setting; valid: schedule"):
        create_resize("pad", settings={"stages": []})
    unknown: Any = "linear"
    with pytest.raises(ConfigError, match=r"resize.name must be interpolate, truncate or pad, got 'linear'"):
        resize_signal(noise(1, 1, 8), 4, method=unknown)
