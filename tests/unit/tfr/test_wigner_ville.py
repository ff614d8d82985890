from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from numpy.typing import NDArray
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.tfr.analytic import analytic_signal
from raytrain.tfr.wigner_ville import Wvd, wvd


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def tone(frequency: float, samples: int) -> Tensor:
    """Return a tone of unit amplitude, `frequency` in cycles per sample."""
    return torch.cos(2 * torch.pi * frequency * torch.arange(samples, dtype=torch.float64))[None, None]


def by_definition(signal: NDArray[np.float64], bins: int, hop: int) -> NDArray[np.float64]:
    """Return the distribution of one window as its definition reads: a double sum, one value after another."""
    z = scipy.signal.hilbert(signal)
    instants = range(0, len(z), hop)
    image = np.zeros((bins, len(instants)), dtype=complex)
    for column, n in enumerate(instants):
        for m in range(-((bins - 1) // 2), (bins - 1) // 2 + 1):
            if 0 <= n + m < len(z) and 0 <= n - m < len(z):
                product = z[n + m] * z[n - m].conj()
                image[:, column] += product * np.exp(-2j * np.pi * np.arange(bins) * m / bins) / bins
    assert np.abs(image.imag).max() < 1e-12
    return image.real


@pytest.mark.parametrize(("bins", "hop", "samples"), [(16, 1, 40), (15, 3, 41), (64, 7, 40), (2, 1, 5), (8, 100, 30)])
def test_agrees_with_its_definition(bins: int, hop: int, samples: int) -> None:
    signal = noise(1, 1, samples)
    expected = by_definition(signal[0, 0].numpy(), bins, hop)
    np.testing.assert_allclose(wvd(signal, frequency_bins=bins, hop=hop)[0, 0], expected, atol=1e-12)


@pytest.mark.parametrize("samples", [1, 2, 33, 64])
def test_the_analytic_signal_is_scipys(samples: int) -> None:
    signal = noise(2, 1, samples)
    np.testing.assert_allclose(analytic_signal(signal), scipy.signal.hilbert(signal.numpy()), atol=1e-13)


@pytest.mark.parametrize("bins", [7, 64, 300])
def test_rows_sum_to_the_instantaneous_power(bins: int) -> None:
    signal = noise(2, 1, 200)
    power = analytic_signal(signal).abs().square()
    torch.testing.assert_close(wvd(signal, frequency_bins=bins, hop=1).sum(dim=2), power)


def test_columns_sum_to_the_spectrum() -> None:
    samples = 100
    signal = noise(1, 1, samples)
    spectrum = torch.fft.fft(analytic_signal(signal), 2 * samples).abs().square()[0, 0]
    summed = wvd(signal, frequency_bins=samples, hop=1).sum(dim=-1)[0, 0]
    # Exactly, with what the analytic signal's finite length leaves half the sample rate above; no more at even rows.
    torch.testing.assert_close(summed, (spectrum[:samples] + spectrum[samples:]) / (2 * samples))
    torch.testing.assert_close(summed[2::2], spectrum[2:samples:2] / (2 * samples))


def test_everything_sums_to_the_energy() -> None:
    signal = noise(3, 1, 256)
    energy = analytic_signal(signal).abs().square().sum(dim=-1)
    torch.testing.assert_close(wvd(signal, frequency_bins=64, hop=1).sum(dim=(2, 3)), energy)


def test_a_tone_has_its_power_on_its_row_alone() -> None:
    # With an odd number of rows all lags count, so that the rows are orthogonal.
    image = wvd(3 * tone(10 / 130, 520), frequency_bins=65, hop=10)[0, 0, :, 10:40]
    expected = torch.zeros_like(image)
    expected[10] = 9
    torch.testing.assert_close(image, expected)


def test_a_tone_near_half_the_sample_rate_does_not_fold() -> None:
    image = wvd(tone(0.45, 1000), frequency_bins=100, hop=10)[0, 0, :, 20:80]
    assert (image.argmax(dim=0) == 90).all()
    # A real signal in place of the analytic one folds its row 90 to row 10, and interferes at row zero.
    assert image[[0, 10]].abs().max() < 0.03


def test_a_chirp_is_a_line_of_the_finest_width() -> None:
    samples, bins = 1024, 1024
    time = torch.arange(samples, dtype=torch.float64)
    signal = torch.cos(2 * torch.pi * (0.1 * time + 0.3 / samples * time.square() / 2))[None, None]
    image = wvd(signal, frequency_bins=bins, hop=64)[0, 0]
    expected = 2 * bins * (0.1 + 0.3 / samples * 64 * torch.arange(16))
    for column in range(4, 13):
        assert abs(image[:, column].argmax().item() - expected[column].item()) <= 1
    # At the middle all lags count: the line holds what a stationary tone would, 1/2 the unwindowed lags' share.
    row = image[:, 8]
    assert row.max() > 0.5
    assert (row > row.max() / 2).sum() <= 3


def test_two_tones_interfere_halfway_at_their_difference() -> None:
    low, high, bins = 20, 60, 200
    signal = tone(low / (2 * bins), 2000) + 0.5 * tone(high / (2 * bins), 2000)
    image = wvd(signal, frequency_bins=bins, hop=1)[0, 0, :, 400:1600]
    cross = image[(low + high) // 2]
    time = torch.arange(400, 1600, dtype=torch.float64)
    # Twice the product of the amplitudes, over the share of lags that count, swinging at the difference.
    expected = 2 * 0.5 * torch.cos(2 * torch.pi * (high - low) / (2 * bins) * time) * (bins - 1) / bins
    torch.testing.assert_close(cross, expected, atol=0.01, rtol=0)
    spectrum = torch.fft.rfft(cross).abs()
    assert spectrum.argmax().item() == round((high - low) / (2 * bins) * len(cross))


def test_two_pulses_interfere_halfway_in_time() -> None:
    samples, frequency = 600, 0.2
    time = torch.arange(samples, dtype=torch.float64)
    pulses = sum(torch.exp(-((time - at) ** 2) / (2 * 15**2)) for at in (200, 400))
    signal = (pulses * torch.cos(2 * torch.pi * frequency * time))[None, None]
    image = wvd(signal, frequency_bins=601, hop=1)[0, 0]
    energy = image.abs().sum(dim=0)
    peaks, _ = scipy.signal.find_peaks(energy.numpy(), height=0.3 * energy.max().item(), distance=50)
    assert peaks.tolist() == pytest.approx([200, 300, 400], abs=2)
    # Halfway between the pulses there is no signal: the power there is zero, the distribution is not.
    assert abs(image[:, 300].sum().item()) < 1e-3
    assert image[:, 300].abs().max() > image[:, 200].max()


def test_columns_are_instants() -> None:
    signal = noise(1, 1, 333)
    torch.testing.assert_close(wvd(signal, hop=10), wvd(signal, hop=1)[..., ::10])
    transform = Wvd(1000.0, hop=10)
    assert transform.times_s(333).tolist() == pytest.approx([0.01 * column for column in range(34)])


def test_rows_divide_half_the_sample_rate() -> None:
    assert Wvd(1000.0, frequency_bins=5).frequencies_hz.tolist() == [0, 100, 200, 300, 400]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frequency_bins": 1}, "tfr.frequency_bins must be a finite number of at least 2, got 1"),
        ({"hop": 0}, "tfr.hop must be a finite number of at least 1, got 0"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Wvd(12_000, **settings)
    with pytest.raises(ConfigError, match=message):
        wvd(noise(1, 1, 64), **settings)


def test_the_mean_of_a_constant_is_on_row_zero() -> None:
    image = wvd(torch.full((1, 1, 300), 2.0, dtype=torch.float64), frequency_bins=33, hop=50)[0, 0, :, 1:5]
    torch.testing.assert_close(image[0], torch.full((4,), 4.0, dtype=torch.float64))
    assert image[1:].abs().max() < 1e-12
    assert math.isclose(image.sum().item(), 16.0)
