from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.tfr.short_time_fourier import Stft, stft


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    ("window_length", "hop", "samples"), [(128, 32, 2048), (64, 48, 1001), (65, 7, 500), (2, 1, 9)]
)
def test_agrees_with_scipy(window_length: int, hop: int, samples: int) -> None:
    signal = noise(3, 2, samples)
    window = scipy.signal.get_window("hann", window_length)
    oracle = scipy.signal.ShortTimeFFT(window, hop, 1.0, fft_mode="onesided2X", scale_to="magnitude")
    expected = np.abs(oracle.stft(signal.numpy(), p0=0, p1=samples // hop + 1, padding="even"))
    image = stft(signal, window_length=window_length, hop=hop, scale="magnitude").numpy()
    np.testing.assert_allclose(image, expected, rtol=1e-10, atol=1e-12)


def test_axes_agree_with_scipy() -> None:
    oracle = scipy.signal.ShortTimeFFT(scipy.signal.get_window("hann", 128), 32, 12_000.0)
    transform = Stft(12_000)
    np.testing.assert_allclose(transform.frequencies_hz, oracle.f, rtol=1e-14)
    np.testing.assert_allclose(transform.times_s(2000), oracle.t(2000, p0=0, p1=2000 // 32 + 1), rtol=1e-14)


@pytest.mark.parametrize("row", [1, 7, 31])
def test_a_tone_has_its_amplitude_on_its_row_and_half_beside_it(row: int) -> None:
    phase = 2 * torch.pi * row / 64 * torch.arange(640, dtype=torch.float64)
    column = stft(2.5 * torch.sin(phase + 1)[None, None], window_length=64, hop=16, scale="magnitude")[0, 0, :, 20]
    assert column[row].item() == pytest.approx(2.5, abs=0.02 if row in (1, 31) else 1e-10)
    if row == 7:  # the transform of a Hann window over a whole number of periods: 1/2, 1, 1/2
        np.testing.assert_allclose(column[5:10], [0, 1.25, 2.5, 1.25, 0], atol=1e-10)


@pytest.mark.parametrize(("row", "value"), [(0, 2.0), (32, 2.0)])
def test_the_mean_and_half_the_sample_rate_are_not_doubled(row: int, value: float) -> None:
    signal = value * torch.cos(torch.pi * (row // 32) * torch.arange(640, dtype=torch.float64))
    assert stft(signal[None, None], window_length=64, scale="magnitude")[0, 0, row, 10].item() == pytest.approx(value)


def test_power_under_all_windows_is_the_energy_of_the_signal() -> None:
    # Parseval for each column: half of the doubled rows' power, over F, is the windowed energy over sum(w)^2.
    signal, length, hop = noise(1, 1, 4096), 64, 16
    power = stft(signal, window_length=length, hop=hop, scale="power")[0, 0]
    two_sided = power[0] + power[-1] + power[1:-1].sum(dim=0) / 2
    window = torch.hann_window(length, dtype=torch.float64)
    padded = torch.nn.functional.pad(signal, (length // 2, length // 2), mode="reflect")[0, 0]
    energy = (padded.unfold(0, length, hop) * window).square().sum(dim=-1)
    torch.testing.assert_close(two_sided, length * energy / window.sum() ** 2)


def test_scales_are_functions_of_one_another() -> None:
    signal = noise(1, 1, 512)
    magnitude, power, log = (stft(signal, scale=scale) for scale in ("magnitude", "power", "log"))
    torch.testing.assert_close(magnitude.square(), power)
    torch.testing.assert_close(log, 10 * torch.log10(power + 1e-10))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_length": 1}, "tfr.window_length must be a finite number of at least 2, got 1"),
        ({"hop": 0}, "tfr.hop must be a finite number of at least 1, got 0"),
        ({"scale": "decibel"}, "tfr.scale must be magnitude, power or log, got 'decibel'"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Stft(12_000, **settings)
    with pytest.raises(ConfigError, match=message):
        stft(noise(1, 1, 512), **settings)


def test_too_short_windows_are_refused_with_what_would_work() -> None:
    with pytest.raises(ConfigError, match=r"needs at least 256; raise windows.length, or lower tfr.window_length"):
        stft(noise(1, 1, 255), window_length=256)
