from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import hilbert
from torch import Tensor

from raytrain.losses.line_evidence import BAND_OF_NYQUIST, envelope_power, line_surprise

SAMPLES = 1024


def noise(count: int, *, seed: int = 0, channels: int = 1, samples: int = SAMPLES) -> Tensor:
    return torch.randn(count, channels, samples, generator=torch.Generator().manual_seed(seed))


def reference_power(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Band-pass by zeroing bins, SciPy's analytic signal, square, Hann, zero-padded spectrum; in float64."""
    samples = windows.shape[-1]
    low, high = (round(edge * samples / 2) for edge in BAND_OF_NYQUIST)
    spectrum = np.fft.rfft(windows)
    spectrum[..., :low] = spectrum[..., high:] = 0
    squared = np.abs(hilbert(np.fft.irfft(spectrum, samples))) ** 2 / 4  # the analytic signal is doubled
    centred = squared - squared.mean(axis=-1, keepdims=True)
    return np.asarray(np.abs(np.fft.rfft(centred * np.hanning(samples + 1)[:-1], 2 * samples)) ** 2)


@pytest.mark.parametrize("samples", [1024, 1000, 1021])
def test_power_is_that_of_scipys_analytic_signal(samples: int) -> None:
    windows = noise(3, channels=2, samples=samples)
    power = envelope_power(windows, demodulate=True)
    expected = reference_power(windows.double().numpy())
    assert power.shape == (3, 2, samples + 1)
    np.testing.assert_allclose(power.numpy(), expected, rtol=1e-3, atol=1e-5 * expected.max())


def test_an_envelope_is_taken_as_it_is() -> None:
    windows = noise(2).double().numpy()
    taper = np.hanning(SAMPLES + 1)[:-1]
    expected = np.abs(np.fft.rfft((windows - windows.mean(axis=-1, keepdims=True)) * taper, 2 * SAMPLES)) ** 2
    power = envelope_power(torch.from_numpy(windows), demodulate=False)
    np.testing.assert_allclose(power.numpy(), expected, rtol=1e-3, atol=1e-5 * expected.max())


@given(cycles=st.floats(15.0, 150.0), carrier=st.floats(0.35, 0.7))
def test_modulation_is_seen_at_its_frequency(cycles: float, carrier: float) -> None:
    time = torch.arange(SAMPLES, dtype=torch.float64)
    modulation = 1 + 0.5 * torch.cos(2 * torch.pi * cycles * time / SAMPLES)
    window = modulation * torch.cos(torch.pi * carrier * time)
    column = envelope_power(window[None, None], demodulate=True)[0, 0].argmax().item()
    assert column == pytest.approx(2 * cycles, abs=1.0)


def reference_surprise(power: NDArray[np.float64], column: float, tolerance: float) -> float:
    """The formula of the docstring, with every column in the band and around."""
    reach = np.arange(int(np.rint(column * (1 - tolerance))), int(np.rint(column * (1 + tolerance))) + 1)
    around = power[round(column) - 20 : round(column) + 21]
    height = power[reach].max() / (np.median(around) / np.log(2))
    return float(-np.log(1 - (1 - np.exp(-height)) ** (1 + tolerance * column)))


@pytest.mark.parametrize("tolerance", [0.01, 0.02, 0.1])
def test_surprise_is_the_formula(tolerance: float) -> None:
    power = torch.rand(4, 2, 1025, generator=torch.Generator().manual_seed(3)) + 0.1
    columns = torch.tensor([[60.0, 101.3, 399.6, 800.2]]).expand(4, -1)
    found = line_surprise(power, columns, tolerance=tolerance)
    assert found.shape == (4, 2, 4)
    for window, channel, line in np.ndindex(4, 2, 4):
        expected = reference_surprise(power[window, channel].double().numpy(), columns[0, line].item(), tolerance)
        assert found[window, channel, line].item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("tolerance", [0.005, 0.02, 0.05])
@pytest.mark.parametrize("demodulate", [True, False])
def test_noise_surprises_as_seldom_as_it_says(tolerance: float, *, demodulate: bool) -> None:
    """`exp(-surprise)` is a p-value, whatever the band, but for what the median of few bins is uncertain."""
    power = envelope_power(noise(800), demodulate=demodulate)
    columns = torch.linspace(60, 300, 8).expand(800, -1)
    chance = torch.exp(-line_surprise(power, columns, tolerance=tolerance)).flatten()
    for level in (0.01, 0.05, 0.2):
        share = (chance < level).float().mean().item()
        assert 0.4 * level < share < 2.5 * level, level


@given(scale=st.floats(1e-6, 1e6))
def test_scale_changes_nothing(scale: float) -> None:
    power = envelope_power(noise(4), demodulate=True)
    columns = torch.tensor([[80.0, 120.0]]).expand(4, -1)
    torch.testing.assert_close(
        line_surprise(power * scale, columns, tolerance=0.02),
        line_surprise(power, columns, tolerance=0.02),
        rtol=1e-3,
        atol=1e-4,
    )


def test_nothing_is_seen_in_a_constant_window() -> None:
    power = envelope_power(torch.zeros(2, 1, SAMPLES), demodulate=True)
    assert not line_surprise(power, torch.full((2, 3), 90.0), tolerance=0.02).any()


def test_an_overwhelming_line_stays_finite() -> None:
    power = torch.rand(1, 1, 1025, generator=torch.Generator().manual_seed(0)) + 0.5
    power[..., 200] = 1e12
    found = line_surprise(power, torch.tensor([[200.0, 300.0]]), tolerance=0.02)[0, 0]
    assert 50 < found[0] < 60
    assert found[1] < 5
