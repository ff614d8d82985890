"""Lines of the envelope spectrum at the frequencies that a bearing's geometry and shaft speed predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["BANDS", "FAULTS", "HARMONICS", "Line", "envelope_lines", "envelope_spectrum", "observable_lines"]

FAULTS = ("bpfo", "bpfi", "2bsf", "ftf")
"""Columns of `fault_orders`: outer race, inner race, twice the ball spin, cage."""
HARMONICS = (1, 2, 3)
BANDS = {"low": (0.05, 0.35), "mid": (0.35, 0.65), "high": (0.65, 0.95)}
"""Demodulated bands, as fractions of the Nyquist frequency."""

_SLIP = 0.01  # rolling elements slip: lines lie up to 1 to 2 % off their kinematic frequency
_LEAST_BINS = 2  # half the main lobe of a Hann window: nearer to 0 Hz a line merges with the removed mean
_NEIGHBOURHOOD_BINS = 20  # where the background of a line is estimated: wide enough for a median, still local


@dataclass(frozen=True, slots=True)
class Line:
    """One harmonic of one characteristic frequency; `source` is one of `FAULTS`, or `shaft`."""

    source: str
    harmonic: int

    @property
    def name(self) -> str:
        """Name within a feature's name, e.g. `bpfi.h1`."""
        return f"{self.source}.h{self.harmonic}"

    def frequency_hz(
        self, shaft_speed_rpm: NDArray[np.floating], fault_orders: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return the line's frequency in Hz, `[N]`, at speeds `[N]` of bearings with orders `[N, 4]`."""
        order = 1.0 if self.source == "shaft" else fault_orders[:, FAULTS.index(self.source)]
        return np.asarray(self.harmonic * order * shaft_speed_rpm / 60.0, dtype=np.float64)


def observable_lines(
    length: int, *, fs_hz: float, shaft_speed_rpm: NDArray[np.floating], fault_orders: NDArray[np.floating]
) -> tuple[Line, ...]:
    """Return the lines that windows of `length` samples can show at all the given speeds and bearings.

    A line is left out where its frequency is unknown, where it is below the resolution (2/T for a Hann window
    of T seconds), and where it exceeds the bandwidth of the demodulated bands.

    Args:
        length: Samples per window.
        fs_hz: Sampling rate in Hz.
        shaft_speed_rpm: The shaft speeds that occur, `[N]`.
        fault_orders: BPFO, BPFI, 2xBSF and FTF per shaft revolution, `[N, 4]`; NaN where unknown.
    """
    lowest = _LEAST_BINS * fs_hz / length
    narrowest = min(high - low for low, high in (_bins(band, length) for band in BANDS.values()))
    highest = narrowest * fs_hz / length

    def observable(line: Line) -> bool:
        frequency = line.frequency_hz(shaft_speed_rpm, fault_orders)
        return bool(np.all((frequency >= lowest) & (frequency * (1 + _SLIP) <= highest)))  # false for NaN

    lines = (Line(source, harmonic) for source in (*FAULTS, "shaft") for harmonic in HARMONICS)
    return tuple(filter(observable, lines))


def envelope_spectrum(
    transform: NDArray[np.complex64], *, band: tuple[float, float], length: int
) -> NDArray[np.float32]:
    """Return the magnitude spectrum of the squared envelope of one band, in steps of half a bin.

    The band's bins alone, shifted to 0 Hz, are the analytic signal at a lower rate. Its squared magnitude has
    twice the bandwidth, so twice as many samples as bins keep it free of aliasing.

    Source: R. B. Randall, J. Antoni, Rolling element bearing diagnostics - a tutorial, Mechanical Systems and
    Signal Processing 25 (2011) 485-520.

    Args:
        transform: `rfft` of the signal, `[N, length // 2 + 1]`.
        band: Low and high edge as fractions of the Nyquist frequency.
        length: Samples per window.

    Returns:
        float32 `[N, F]`; column k is k / (2 T) Hz for windows of T seconds.
    """
    low, high = _bins(band, length)
    samples = scipy.fft.next_fast_len(2 * (high - low))
    analytic = scipy.fft.ifft(transform[:, low:high], n=samples, axis=1)
    squared = analytic.real**2 + analytic.imag**2
    squared -= squared.mean(axis=1, keepdims=True)
    squared *= np.hanning(samples + 1)[:-1].astype(np.float32)  # periodic
    return np.abs(scipy.fft.rfft(squared, n=2 * samples, axis=1)[:, : 2 * (high - low) + 1])


def envelope_lines(
    unit: NDArray[np.float32], *, frequency_hz: NDArray[np.float64], fs_hz: float
) -> NDArray[np.float64]:
    """Return how far each line stands out of its neighbourhood, in the envelope spectrum of each band.

    The value is log10 of the largest magnitude within 1 % of the line's frequency over the median magnitude
    of the 20/T around it. A constant row has no lines: all are 0.

    Args:
        unit: Z-scored signal, float32 `[N, L]`.
        frequency_hz: Frequencies of observable lines in Hz, `[N, Q]`.
        fs_hz: Sampling rate in Hz.

    Returns:
        float64 `[N, len(BANDS) * Q]`, the lines of the first band first.
    """
    length = unit.shape[1]
    transform = scipy.fft.rfft(unit, axis=1)
    column = frequency_hz * 2 * length / fs_hz
    spectra = (envelope_spectrum(transform, band=band, length=length) for band in BANDS.values())
    return np.concatenate([_prominence(spectrum, column) for spectrum in spectra], axis=1)


def _prominence(spectrum: NDArray[np.float32], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log10 of peak over background of `spectrum` `[N, F]` near the real-valued `column` `[N, Q]`."""
    reach = int(np.ceil(_SLIP * column.max(initial=1.0)))
    near = np.rint(column[..., None] * (1 + _SLIP * np.linspace(-1, 1, 2 * reach + 1)))
    last = spectrum.shape[1] - 1
    half = min(_NEIGHBOURHOOD_BINS, (last - _LEAST_BINS) // 2)  # columns are half bins
    centre = np.clip(np.rint(column), _LEAST_BINS + half, last - half)
    around = centre[..., None] + np.arange(-half, half + 1)
    peak = _take(spectrum, near).max(axis=2)
    background = np.median(_take(spectrum, around), axis=2)
    present = (peak > 0) & (background > 0)
    return np.log10(np.where(present, peak, 1.0) / np.where(present, background, 1.0)).astype(np.float64)


def _take(spectrum: NDArray[np.float32], columns: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.take_along_axis(spectrum[:, None, :], columns.astype(np.intp), axis=2)


def _bins(band: tuple[float, float], length: int) -> tuple[int, int]:
    low, high = band
    return round(low * length / 2), round(high * length / 2)
