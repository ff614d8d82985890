from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import scipy.stats
from numpy.typing import NDArray

from raytrain.classical.shape import zscore
from raytrain.classical.spectrum import SPECTRAL_BANDS, SPECTRUM_NAMES, spectrum_shape

FS_HZ = 12_000.0


def _noise(length: int) -> NDArray[np.float32]:
    return zscore(np.random.default_rng(1).standard_normal((4, length)).astype(np.float32))


def _tone(frequency_hz: float) -> NDArray[np.float32]:
    return zscore(np.sin(2 * np.pi * frequency_hz * np.arange(2048) / FS_HZ)[None].astype(np.float32))


def _value(features: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    return features[:, SPECTRUM_NAMES.index(name)]


@pytest.mark.parametrize("length", [96, 97, 2048, 5001])
def test_shares_of_the_bands_sum_to_one(length: int) -> None:
    bands = spectrum_shape(_noise(length), fs_hz=FS_HZ)[:, :SPECTRAL_BANDS]
    np.testing.assert_allclose((10**bands).sum(axis=1), 1.0, rtol=1e-6)


def test_moments_agree_with_scipy_periodogram() -> None:
    unit = _noise(2048)
    features = spectrum_shape(unit, fs_hz=FS_HZ)
    frequency, power = scipy.signal.periodogram(unit, FS_HZ, window="hann", detrend=False)
    frequency, power = frequency[1:], power[:, 1:].copy()
    power[:, -1] *= 2  # the periodogram is one-sided, which halves the bin at half the sampling rate
    share = power / power.sum(axis=1, keepdims=True)
    centroid = share @ frequency
    np.testing.assert_allclose(_value(features, "centroid_hz"), centroid, rtol=1e-4)
    spread = np.sqrt((share * (frequency - centroid[:, None]) ** 2).sum(axis=1))
    np.testing.assert_allclose(_value(features, "spread_hz"), spread, rtol=1e-4)
    entropy = scipy.stats.entropy(share, axis=1) / np.log(share.shape[1])
    np.testing.assert_allclose(_value(features, "entropy"), entropy, rtol=1e-4)
    flatness = np.log10(scipy.stats.gmean(share, axis=1) / share.mean(axis=1))
    np.testing.assert_allclose(_value(features, "flatness"), flatness, rtol=1e-3)


@pytest.mark.parametrize("frequency_hz", [625.0, 3125.0, 5875.0])
def test_a_tone_fills_its_own_band(frequency_hz: float) -> None:
    features = spectrum_shape(_tone(frequency_hz), fs_hz=FS_HZ)
    own = int(frequency_hz // (FS_HZ / 2 / SPECTRAL_BANDS))
    assert features[0, own] == pytest.approx(0.0, abs=1e-3)
    assert np.delete(features[0, :SPECTRAL_BANDS], own).max() < -3
    assert _value(features, "centroid_hz")[0] == pytest.approx(frequency_hz, rel=1e-3)


def test_noise_is_flatter_than_a_tone() -> None:
    noise, tone = spectrum_shape(_noise(2048), fs_hz=FS_HZ), spectrum_shape(_tone(1000.0), fs_hz=FS_HZ)
    # the power of Gaussian noise is exponentially distributed: geometric over arithmetic mean = exp(-gamma)
    np.testing.assert_allclose(_value(noise, "flatness"), np.log10(np.exp(-np.euler_gamma)), atol=0.05)
    assert _value(noise, "entropy").min() > 0.9
    assert _value(tone, "entropy")[0] < 0.2
    assert _value(tone, "flatness")[0] < -4


def test_a_constant_row_has_no_spectrum() -> None:
    assert not spectrum_shape(np.zeros((1, 128), dtype=np.float32), fs_hz=FS_HZ).any()
