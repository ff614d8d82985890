from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from numpy.typing import NDArray
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.tfr.analytic import analytic_signal
from raytrain.tfr.lag_products import smoothed_lag_products
from raytrain.tfr.smoothed_wigner_ville import SmoothedPseudoWvd, smoothed_pseudo_wvd
from raytrain.tfr.wigner_ville import wvd


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(6))


def tone(frequency: float, samples: int) -> Tensor:
    return torch.cos(2 * torch.pi * frequency * torch.arange(samples, dtype=torch.float64))[None, None]


def hann(length: int) -> NDArray[np.float64]:
    window: NDArray[np.float64] = scipy.signal.windows.hann(length + 2)[1:-1]
    return window


def by_definition(
    signal: NDArray[np.float64], *, bins: int, hop: int, time_length: int, lag_length: int
) -> NDArray[np.float64]:
    """Return the distribution of one window as its definition reads."""
    z = np.pad(scipy.signal.hilbert(signal), 200)
    over_time = hann(time_length) / hann(time_length).sum()
    instants = np.arange(0, len(signal), hop)
    shifts = np.arange(time_length) - time_length // 2
    image = np.zeros((bins, len(instants)), dtype=complex)
    for height, m in zip(hann(lag_length), np.arange(lag_length) - lag_length // 2, strict=True):
        at = 200 + instants[:, None] + shifts
        smoothed = (z[at + m] * z[at - m].conj()) @ over_time
        image += height * np.exp(-2j * np.pi * np.arange(bins) * m / bins)[:, None] * smoothed / bins
    assert np.abs(image.imag).max() < 1e-12
    return image.real


@pytest.mark.parametrize(
    ("bins", "hop", "time_length", "lag_length", "samples"),
    [(16, 4, 9, 15, 60), (16, 1, 1, 5, 33), (31, 8, 31, 31, 97), (32, 50, 65, 31, 40)],
)
def test_agrees_with_its_definition(bins: int, hop: int, time_length: int, lag_length: int, samples: int) -> None:
    signal = noise(2, 1, samples)
    image = smoothed_pseudo_wvd(
        signal, frequency_bins=bins, hop=hop, time_window_length=time_length, lag_window_length=lag_length
    )
    for found, window in zip(image, signal, strict=True):
        expected = by_definition(window[0].numpy(), bins=bins, hop=hop, time_length=time_length, lag_length=lag_length)
        np.testing.assert_allclose(found[0], expected, atol=1e-12)


def test_without_smoothing_over_time_it_is_the_distribution_blurred_in_frequency() -> None:
    signal, bins = noise(1, 1, 300), 64
    pseudo = smoothed_pseudo_wvd(signal, frequency_bins=bins, hop=1, time_window_length=1, lag_window_length=63)
    lags = np.roll(np.pad(hann(63), (0, 1)), -31)  # as the transform over rows orders them
    sharp = np.fft.fft(wvd(signal, frequency_bins=bins, hop=1)[0, 0].numpy(), axis=0)
    blurred = np.fft.ifft(sharp * lags[:, None], axis=0).real
    np.testing.assert_allclose(pseudo[0, 0], blurred, atol=1e-12)


def test_rows_sum_to_the_power_averaged_over_the_time_window() -> None:
    signal = noise(1, 1, 400)
    weights = hann(65) / hann(65).sum()
    expected = np.convolve(analytic_signal(signal).abs().square()[0, 0].numpy(), weights, mode="same")[::32]
    np.testing.assert_allclose(smoothed_pseudo_wvd(signal)[0, 0].sum(dim=0), expected, rtol=1e-12)


@pytest.mark.parametrize("difference", [1 / 100, 1 / 40, 1 / 20, 1 / 10])
@pytest.mark.parametrize("length", [33, 65])
def test_the_cross_term_shrinks_by_the_response_of_the_time_window(difference: float, length: int) -> None:
    bins, middle = 400, 0.2
    signal = tone(middle - difference / 2, 4000) + tone(middle + difference / 2, 4000)
    row = round(2 * bins * middle)
    time = torch.arange(1000, 3000, dtype=torch.float64)

    def swing(image: Tensor) -> float:
        """Return the amplitude at the difference frequency of the row halfway between the tones."""
        phase = torch.exp(-2j * torch.pi * difference * time)
        return 2 * (image[0, 0, row, 1000:3000] * phase).mean().abs().item()

    def smoothed(time_length: int) -> Tensor:
        return smoothed_pseudo_wvd(
            signal, frequency_bins=bins, hop=1, time_window_length=time_length, lag_window_length=399
        )

    shifts = np.arange(length) - length // 2
    response = abs((hann(length) * np.exp(2j * np.pi * difference * shifts)).sum() / hann(length).sum())
    assert swing(smoothed(length)) / swing(smoothed(1)) == pytest.approx(response, abs=1e-3)


def test_the_default_window_keeps_less_than_a_thirtieth_of_distant_tones_interference() -> None:
    distances = np.linspace(1 / 33, 0.5, 2000)
    shifts = np.arange(65) - 32
    response = np.abs(np.exp(2j * np.pi * distances[:, None] * shifts) @ hann(65)) / hann(65).sum()
    assert response.max() < 1 / 30
    low, high, bins = 32, 96, 128
    signal = tone(low / (2 * bins), 2048) + tone(high / (2 * bins), 2048)
    sharp, smooth = (image[0, 0, :, 10:-10] for image in (wvd(signal), smoothed_pseudo_wvd(signal)))
    assert sharp[(low + high) // 2].abs().max() > 1.9  # twice either tone
    assert smooth[(low + high) // 2].abs().max() < 0.001 * smooth[low].min()


def test_lag_products_are_zero_outside_the_signal() -> None:
    z = torch.tensor([1 + 1j, 2, 3j], dtype=torch.complex128)
    found = smoothed_lag_products(z, lag_window=torch.tensor([1.0, 0.5]), time_window=torch.ones(3), hop=2)
    # |z|^2 = 2, 4, 9 summed over neighbours; the only whole product of lag one is z[2] z*[0] = 3j (1 - 1j) = 3 + 3j.
    expected = torch.tensor([[6, 13], [0.5 * (3 + 3j), 0.5 * (3 + 3j)]], dtype=torch.complex128)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frequency_bins": 1}, "tfr.frequency_bins must be a finite number of at least 2, got 1"),
        ({"hop": 0}, "tfr.hop must be a finite number of at least 1, got 0"),
        ({"time_window_length": 64}, "tfr.time_window_length must be odd and at least 1, got 64; try 65"),
        ({"lag_window_length": -3}, "tfr.lag_window_length must be odd and at least 1, got -3; try 1"),
        ({"lag_window_length": 129}, "tfr.lag_window_length must be at most frequency_bins=128.*got 129"),
        ({"time_window_length": 31}, "tfr.time_window_length must be at least hop=32.*got 31"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SmoothedPseudoWvd(12_000, **settings)
    with pytest.raises(ConfigError, match=message):
        smoothed_pseudo_wvd(noise(1, 1, 64), **settings)
