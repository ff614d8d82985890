"""Shape of a signal's power spectrum: how its energy is spread over frequency."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["SPECTRAL_BANDS", "SPECTRUM_NAMES", "spectrum_shape"]

SPECTRAL_BANDS = 24
SPECTRUM_NAMES = (
    *(f"band_{band:02d}" for band in range(1, SPECTRAL_BANDS + 1)),
    "centroid_hz",
    "spread_hz",
    "entropy",
    "flatness",
)

_FLOOR = 1e-12  # least share of the power that a logarithm is taken of: -120 dB, far below any sensor's range


def spectrum_shape(unit: NDArray[np.float32], *, fs_hz: float) -> NDArray[np.float64]:
    """Return band shares and moments of the Hann-windowed power spectrum, in the order of `SPECTRUM_NAMES`.

    `band_k` is log10 of the share of the power in the k-th of 24 equally wide bands from 0 to `fs_hz / 2`;
    the centroid and spread are the mean and standard deviation of frequency weighted by power; the entropy is
    Shannon's over bins, as a fraction of its maximum; the flatness is log10 of the geometric over the
    arithmetic mean. Bin 0 is left out, since z-scoring removed the mean. Of a constant row all are 0.

    Args:
        unit: Z-scored signal, float32 `[N, L]`.
        fs_hz: Sampling rate in Hz.

    Returns:
        float64 `[N, 28]`.
    """
    size = unit.shape[1]
    window = np.hanning(size + 1)[:-1].astype(np.float32)  # periodic
    amplitude = np.abs(scipy.fft.rfft(unit * window, axis=1)[:, 1:])
    power = amplitude.astype(np.float64) ** 2
    total = power.sum(axis=1, keepdims=True)
    varies = total[:, 0] > 0
    share = power / np.where(total > 0, total, 1.0)
    frequency = scipy.fft.rfftfreq(size, 1 / fs_hz)[1:]
    edges = np.linspace(0, share.shape[1], SPECTRAL_BANDS, endpoint=False).astype(int)
    bands = np.log10(np.maximum(np.add.reduceat(share, edges, axis=1), _FLOOR))
    centroid = share @ frequency
    spread = np.sqrt(np.maximum(share @ frequency**2 - centroid**2, 0.0))
    logarithm = np.log10(np.maximum(share, _FLOOR / share.shape[1]))
    entropy = -(share * logarithm).sum(axis=1) / np.log10(share.shape[1])
    flatness = logarithm.mean(axis=1) + np.log10(share.shape[1])
    return np.where(varies[:, None], np.column_stack([bands, centroid, spread, entropy, flatness]), 0.0)
