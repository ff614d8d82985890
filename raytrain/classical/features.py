"""Features of vibration windows for classical models: waveform, spectrum and envelope lines by channel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytrain.classical.envelope import BANDS, FAULTS, Line, envelope_lines, observable_lines
from raytrain.classical.shape import SHAPE_NAMES, waveform_shape, zscore
from raytrain.classical.spectrum import SPECTRAL_BANDS, SPECTRUM_NAMES, spectrum_shape
from raytrain.errors import DataError

__all__ = ["MIN_LENGTH", "FeatureTable", "extract_features", "is_envelope_line", "is_fault_line"]

MIN_LENGTH = 4 * SPECTRAL_BANDS
"""Fewest samples per window: two bins in each spectral band."""

_BLOCK_SAMPLES = 1 << 18  # worked on at once; keeps the intermediate arrays within the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Features of N windows: `values` float64 `[N, F]` and the name of each column."""

    values: NDArray[np.float64]
    names: tuple[str, ...]


def extract_features(
    signal: NDArray[np.float32],
    *,
    fs_hz: float,
    shaft_speed_rpm: NDArray[np.floating],
    fault_orders: NDArray[np.floating],
    channels: Sequence[str],
    lines: Sequence[Line] | None = None,
) -> FeatureTable:
    """Return the features of windows, each channel's in turn, named `CHANNEL.GROUP.FEATURE`.

    Every window and channel is z-scored first: scale and offset tell the acquisition, not the fault.

    Args:
        signal: Windows `[N, C, L]`, raw or z-scored.
        fs_hz: Sampling rate in Hz.
        shaft_speed_rpm: Shaft speed of each window, `[N]`.
        fault_orders: BPFO, BPFI, 2xBSF and FTF per shaft revolution, `[N, 4]`; NaN where unknown.
        channels: Names of the C channels.
        lines: Envelope lines to measure, all of them observable in all windows. Give the same lines for all
            parts of a split, so that they have the same features; all that are observable here when absent.

    Raises:
        DataError: Windows are shorter than `MIN_LENGTH`, or do not have the named channels.
    """
    count, rows, length = signal.shape
    if length < MIN_LENGTH:
        raise DataError(f"windows of {length} samples are too short for features: the least is {MIN_LENGTH}")
    if rows != len(channels):
        raise DataError(f"windows have {rows} channels, but {len(channels)} are named: {', '.join(channels)}")
    if lines is None:
        lines = observable_lines(length, fs_hz=fs_hz, shaft_speed_rpm=shaft_speed_rpm, fault_orders=fault_orders)
    frequency_hz = np.empty((count, len(lines)))
    for column, line in enumerate(lines):
        frequency_hz[:, column] = line.frequency_hz(shaft_speed_rpm, fault_orders)
    names = _names(channels, lines)
    values = np.empty((count, len(names)))
    step = max(1, _BLOCK_SAMPLES // length)
    for start in range(0, count, step):
        block = slice(start, start + step)
        values[block] = np.concatenate(
            [
                _channel_features(signal[block, row], frequency_hz=frequency_hz[block], fs_hz=fs_hz)
                for row in range(rows)
            ],
            axis=1,
        )
    return FeatureTable(values, names)


def is_envelope_line(name: str) -> bool:
    """Return whether a feature is an envelope line.

    >>> is_envelope_line("DE.envelope.mid.shaft.h1"), is_envelope_line("DE.time.kurtosis")
    (True, False)
    """
    return re.search(rf"\.envelope\.({'|'.join(BANDS)})\.\w+\.h\d$", name) is not None


def is_fault_line(name: str) -> bool:
    """Return whether a feature is an envelope line at one of a bearing's fault frequencies.

    >>> is_fault_line("DE.envelope.mid.bpfi.h1"), is_fault_line("DE.envelope.mid.shaft.h1")
    (True, False)
    """
    return is_envelope_line(name) and name.split(".")[-2] in FAULTS


def _names(channels: Sequence[str], lines: Sequence[Line]) -> tuple[str, ...]:
    features = (
        *(f"time.{name}" for name in SHAPE_NAMES),
        *(f"spectrum.{name}" for name in SPECTRUM_NAMES),
        *(f"envelope.{band}.{line.name}" for band in BANDS for line in lines),
    )
    return tuple(f"{channel}.{feature}" for channel in channels for feature in features)


def _channel_features(
    signal: NDArray[np.float32], *, frequency_hz: NDArray[np.float64], fs_hz: float
) -> NDArray[np.float64]:
    unit = zscore(signal)
    return np.concatenate(
        [
            waveform_shape(unit),
            spectrum_shape(unit, fs_hz=fs_hz),
            envelope_lines(unit, frequency_hz=frequency_hz, fs_hz=fs_hz),
        ],
        axis=1,
    )
