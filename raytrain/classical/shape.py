"""Shape of a signal's waveform: statistics that do not change with its scale or offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHAPE_NAMES", "waveform_shape", "zscore"]

SHAPE_NAMES = ("kurtosis", "skewness", "crest", "shape", "impulse", "clearance")


def zscore(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows of `signal` `[N, L]` with mean 0 and standard deviation 1; constant rows become 0."""
    centred = (signal - signal.mean(axis=1, dtype=np.float64, keepdims=True)).astype(np.float32)
    deviation = np.sqrt(np.einsum("nl,nl->n", centred, centred) / signal.shape[1])[:, None]
    unit: NDArray[np.float32] = centred / np.where(deviation > 0, deviation, np.float32(1.0))
    return unit


def waveform_shape(unit: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the shape statistics of z-scored rows, in the order of `SHAPE_NAMES`.

    With RMS 1 the factors are: crest `max|x|`, shape `1 / mean|x|`, impulse `max|x| / mean|x|` and clearance
    `max|x| / mean(sqrt|x|)**2`; kurtosis is 3 for a Gaussian signal. A constant row has no shape: all are 0.

    Source: R. B. Randall, Vibration-based Condition Monitoring, 2nd ed., Wiley 2021, ch. 5.

    Args:
        unit: Z-scored signal, float32 `[N, L]`.

    Returns:
        float64 `[N, 6]`.
    """
    size = unit.shape[1]
    square = unit * unit
    magnitude = np.abs(unit)
    peak = magnitude.max(axis=1).astype(np.float64)
    mean = magnitude.mean(axis=1, dtype=np.float64)
    root = np.sqrt(magnitude).mean(axis=1, dtype=np.float64) ** 2
    varies = peak > 0
    kurtosis = np.einsum("nl,nl->n", square, square) / size
    skewness = np.einsum("nl,nl->n", square, unit) / size
    mean, root = np.where(varies, mean, 1.0), np.where(varies, root, 1.0)
    return np.stack([kurtosis, skewness, peak, varies / mean, peak / mean, peak / root], axis=1)
