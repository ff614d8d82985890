from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from raytrain.classical.shape import SHAPE_NAMES, waveform_shape, zscore


def _noise(rows: int = 5, length: int = 1000) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(0).gamma(2.0, size=(rows, length)).astype(np.float32)


def test_zscore_agrees_with_scipy() -> None:
    signal = _noise() + 100
    np.testing.assert_allclose(zscore(signal), scipy.stats.zscore(signal.astype(np.float64), axis=1), atol=2e-4)


def test_constant_rows_become_zero() -> None:
    signal = np.full((2, 64), 0.1, dtype=np.float32)
    assert not zscore(signal).any()
    assert not waveform_shape(zscore(signal)).any()


def test_moments_agree_with_scipy() -> None:
    signal = _noise()
    shape = waveform_shape(zscore(signal))
    expected = scipy.stats.kurtosis(signal.astype(np.float64), axis=1, fisher=False)
    np.testing.assert_allclose(shape[:, SHAPE_NAMES.index("kurtosis")], expected, rtol=1e-5)
    expected = scipy.stats.skew(signal.astype(np.float64), axis=1)
    np.testing.assert_allclose(shape[:, SHAPE_NAMES.index("skewness")], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("wave", "expected"),
    [
        # closed forms over one period: mean|sin| = 2/pi, mean sqrt|sin| = 0.7628 (a Beta function)
        ("sine", [1.5, 0.0, np.sqrt(2), np.pi / np.sqrt(8), np.pi / 2, 1 / 0.762759763**2]),
        ("square", [1.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_factors_of_known_waveforms(wave: str, expected: list[float]) -> None:
    phase = 2 * np.pi * (np.arange(4096) + 0.5) / 4096
    signal = np.sin(phase) if wave == "sine" else np.sign(np.sin(phase))
    np.testing.assert_allclose(
        waveform_shape(zscore(signal[None].astype(np.float32)))[0], expected, atol=1e-4, rtol=1e-4
    )


@given(scale=st.floats(1e-4, 1e4), offset=st.floats(-10, 10))
def test_neither_scale_nor_offset_matters(scale: float, offset: float) -> None:
    signal = _noise(2, 256)
    moved = (scale * (signal.astype(np.float64) + offset)).astype(np.float32)
    np.testing.assert_allclose(waveform_shape(zscore(moved)), waveform_shape(zscore(signal)), rtol=1e-3)
