from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import pywt
import torch
from numpy.typing import NDArray
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.tfr import wavelet
from raytrain.tfr.wavelet import Cwt, cwt

RATE_HZ = 1000.0


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def magnitudes(signal: Tensor, frequencies_hz: Tensor, **settings: Any) -> NDArray[np.float64]:  # noqa: ANN401
    image = cwt(signal, RATE_HZ, frequencies_hz=frequencies_hz, scale="magnitude", hop=1, **settings)
    return np.asarray(image.numpy())


@pytest.mark.parametrize("omega0", [5.0, 6.0, 9.0])
def test_agrees_with_the_wavelets_definition_in_time(omega0: float) -> None:
    """Sum over time with the reflected signal, the ends included."""
    signal, frequencies = noise(1, 1, 400), tensor(20.0, 47.0, 110.0)
    if omega0 > 6:
        frequencies = frequencies[1:]
    expected = []
    for frequency in frequencies.tolist():
        deviation = omega0 * RATE_HZ / (2 * np.pi * frequency)
        reach = min(399, math.ceil(7 * deviation))
        time = np.arange(-reach, reach + 1) / deviation
        mother = 2 / (deviation * np.sqrt(2 * np.pi)) * np.exp(-(time**2) / 2 + 1j * omega0 * time)
        reflected = np.pad(signal[0, 0].numpy(), reach, mode="reflect")
        expected.append(np.abs(np.convolve(reflected, mother, mode="valid")))
    found = magnitudes(signal, frequencies, omega0=omega0)[0, 0]
    # Apart from the negative frequencies, of which the definition has exp(-omega0^2 / 2), and the wavelet's far end.
    np.testing.assert_allclose(found, expected, atol=2e-3 if omega0 > 5 else 5e-3)


def test_agrees_with_pywavelets_away_from_the_ends() -> None:
    signal, frequencies, omega0 = noise(1, 1, 2048), tensor(10.0, 20.0, 30.0, 45.0), 6.0
    # cmorB-C has the envelope exp(-t^2 / B) and the frequency C: B = 2, C = omega0 / 2 pi is ours.
    name = f"cmor2.0-{omega0 / (2 * np.pi):.15f}"
    scales = omega0 * RATE_HZ / (2 * np.pi * frequencies.numpy())
    oracle, named = pywt.cwt(signal[0, 0].numpy(), scales, name, 1 / RATE_HZ, method="fft", precision=18)
    np.testing.assert_allclose(named, frequencies, rtol=0.02)  # read off a coarse spectrum of the wavelet
    expected = 2 * np.abs(oracle) / np.sqrt(scales)[:, None]  # theirs is the L2 norm, without the factor two
    found = magnitudes(signal, frequencies)[0, 0]
    # PyWavelets averages the wavelet over each sample and stretches a sampled one, which costs it up to 1 % here.
    error = np.abs(found - expected)[:, 500:-500].max(axis=1) / expected.max(axis=1)
    assert error.max() < 0.01


def test_agrees_with_ssqueezepy_away_from_the_ends() -> None:
    import ssqueezepy  # compiles itself for seconds, so not when tests are merely collected

    signal, frequencies, omega0 = noise(1, 1, 2048), tensor(200.0, 120.0, 60.0, 30.0), 6.0
    scales = omega0 * RATE_HZ / (2 * np.pi * frequencies.numpy())
    oracle, _ = ssqueezepy.cwt(signal[0, 0].numpy(), ("morlet", {"mu": omega0, "dtype": "float64"}), scales=scales)
    expected = np.abs(oracle) * 2 / (np.sqrt(2) * np.pi**0.25)  # both L1; their peak is sqrt(2) pi^(1/4), ours 2
    found = magnitudes(signal, frequencies)[0, 0]
    np.testing.assert_allclose(found[:, 300:-300], expected[:, 300:-300], atol=1e-5)


def test_a_tone_excites_each_row_by_the_gaussian_of_its_distance() -> None:
    frequency, rows = 100.0, tensor(60.0, 80.0, 100.0, 130.0, 160.0)
    signal = 3 * torch.cos(2 * torch.pi * frequency / RATE_HZ * torch.arange(2000, dtype=torch.float64))
    found = magnitudes(signal[None, None], rows)[0, 0, :, 1000]
    np.testing.assert_allclose(found, 3 * np.exp(-((36 * (frequency / rows.numpy() - 1) ** 2) / 2)), atol=1e-6)


def test_the_cone_of_influence_is_where_an_impulse_falls_to_exp_minus_two_in_power() -> None:
    transform = Cwt(RATE_HZ, frequency_bins=4, low_hz=20, high_hz=150, hop=1, scale="power")
    signal = torch.zeros(1, 1, 1001, dtype=torch.float64)
    signal[..., 500] = 1
    power = transform.transform(signal)[0, 0]
    for row, reach in zip(power, transform.cone_of_influence_s * RATE_HZ, strict=True):
        at = np.interp(500 + reach.item(), np.arange(1001), row.numpy())
        assert at / row[500].item() == pytest.approx(math.exp(-2), rel=0.02)


def test_a_column_is_the_mean_power_of_its_samples() -> None:
    signal, rows = noise(2, 1, 509), tensor(40.0, 200.0)
    fine = cwt(signal, RATE_HZ, frequencies_hz=rows, hop=1, scale="power")
    coarse = cwt(signal, RATE_HZ, frequencies_hz=rows, hop=50, scale="power")
    torch.testing.assert_close(coarse, fine[..., :500].reshape(2, 1, 2, 10, 50).mean(dim=-1))
    root = cwt(signal, RATE_HZ, frequencies_hz=rows, hop=50, scale="magnitude")
    torch.testing.assert_close(root.square(), coarse)
    log = cwt(signal, RATE_HZ, frequencies_hz=rows, hop=50, scale="log")
    torch.testing.assert_close(log, 10 * torch.log10(coarse + 1e-10))


@pytest.mark.parametrize("start", [512, 520, 529, 543])
def test_no_impulse_falls_between_columns(start: int) -> None:
    transform = Cwt(RATE_HZ, low_hz=20, scale="power")
    signal = torch.zeros(2, 1, 1024, dtype=torch.float64)
    signal[0, 0, 527] = signal[1, 0, start] = 1
    reference, moved = transform.transform(signal)[:, 0, -1].sum(dim=-1)
    torch.testing.assert_close(moved, reference, rtol=1e-6, atol=0)


def test_rows_are_geometric_from_low_to_high() -> None:
    rows = Cwt(RATE_HZ, frequency_bins=5, low_hz=10, high_hz=160).frequencies_hz
    torch.testing.assert_close(rows, tensor(10, 20, 40, 80, 160))


def test_default_rows_reach_from_a_128th_to_a_third_of_the_sample_rate() -> None:
    rows = Cwt(12_000).frequencies_hz
    assert rows[[0, -1]].tolist() == pytest.approx([93.75, 4000.0])
    # Of the last row's wavelet, half the sample rate is three standard deviations above the centre.
    narrow = Cwt(12_000, omega0=12).frequencies_hz[-1].item()
    assert (6000 - narrow) / (narrow / 12) == pytest.approx(3)


def test_the_last_row_may_be_half_the_sample_rate() -> None:
    transform = Cwt(12_000, high_hz=6000)
    assert 5999.999 < transform.frequencies_hz[-1].item() <= 6000
    assert torch.isfinite(transform.transform(noise(1, 1, 1024))).all()


def test_groups_of_rows_give_what_all_rows_give(monkeypatch: pytest.MonkeyPatch) -> None:
    transform, signal = Cwt(RATE_HZ), noise(2, 1, 1024)
    together = transform.transform(signal)
    monkeypatch.setattr(wavelet, "_CHUNK", 1)
    assert torch.equal(transform.transform(signal), together)


@pytest.mark.parametrize(("least", "length"), [(1, 1), (7, 8), (11, 12), (97, 100), (3026, 3072), (4001, 4050)])
def test_lengths_have_only_small_prime_factors(least: int, length: int) -> None:
    assert wavelet._fast_length(least) == length


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frequency_bins": 1}, "tfr.frequency_bins must be a finite number of at least 2, got 1"),
        ({"omega0": 4.0}, "tfr.omega0 must be a finite number of at least 5, got 4"),
        ({"hop": 0}, "tfr.hop must be a finite number of at least 1, got 0"),
        ({"scale": "db"}, "tfr.scale must be magnitude, power or log, got 'db'"),
        ({"low_hz": 0.0}, "tfr.low_hz must be above 0 and below high_hz.*500 Hz; got 0 and 333.333 Hz"),
        ({"low_hz": 200.0, "high_hz": 100.0}, "tfr.low_hz must be .* got 200 and 100 Hz"),
        ({"high_hz": 501.0}, "at most half the sample rate, 500 Hz; got 7.8125 and 501 Hz"),
        ({"low_hz": math.nan}, "tfr.low_hz must be"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Cwt(RATE_HZ, **settings)


@pytest.mark.parametrize("frequencies", [tensor(), tensor(0.0, 10.0), tensor(501.0), tensor(10.0)[None]])
def test_impossible_frequencies_are_refused(frequencies: Tensor) -> None:
    with pytest.raises(ConfigError, match="frequencies_hz must be"):
        cwt(noise(1, 1, 512), RATE_HZ, frequencies_hz=frequencies)


def test_too_short_windows_are_refused_with_what_would_work() -> None:
    with pytest.raises(ConfigError, match=r"at least 383; raise windows.length, or raise tfr.low_hz"):
        cwt(noise(1, 1, 300), RATE_HZ, frequencies_hz=tensor(10.0))
