"""From recordings and a split to the one store of signals that all windows of a sweep are cut from.

Each segment is filtered and resampled by itself, so that no filter carries samples over a cut. Window length
and hop are not decided here: trials that differ in these share a store.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from raytrain.config.schema import WindowConfig
from raytrain.data.folds import Fold
from raytrain.data.guard import prove_disjoint
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, Segment, Split
from raytrain.data.splits import target_of
from raytrain.data.store import DRAWN, SegmentStore
from raytrain.errors import ConfigError, DataError
from raytrain.physics.catalogue import find_bearing

__all__ = ["envelope", "prepare", "resample"]

BAND_OF_NYQUIST = (0.2, 0.9)
BAND_ORDER = 4
FILTER_PADDING = 3 * (2 * BAND_ORDER + 1)
LARGEST_FACTOR = 10_000


def prepare(
    recordings: Sequence[Recording], split: Split, config: WindowConfig, *, target: str, folds: Sequence[Fold] = ()
) -> SegmentStore:
    """Preprocess every segment of a split, after proving its parts disjoint (unless it is marked leaky).

    Args:
        recordings: All recordings of the split.
        split: What to prepare.
        config: Envelope and sampling rate are used; window length and hop are not.
        target: What is predicted, `fault_type` or `label`.
        folds: How the training part of `split` is divided, each time anew, into training and validation.

    Raises:
        ConfigError: The envelope's band reaches the Nyquist frequency of a recording.
        DataError: The split leaks, or recordings differ in their channels.
    """
    prove_disjoint(split, recordings)
    _check_channels(recordings)
    by_id = {recording.recording_id: recording for recording in recordings}
    placed = [(segment, part) for part, name in enumerate(PARTS) for segment in split.part(name)]
    if split.random is not None:
        placed += [(segment, DRAWN) for segment in split.random.segments]
    used = [by_id[segment.recording_id] for segment, _ in placed]
    fs_hz = config.sample_rate_hz or min(recording.fs_hz for recording in used)
    signals = [_segment_signal(r, s, config, fs_hz) for (s, _), r in zip(placed, used, strict=True)]
    starts = [math.ceil(s.start * _factor(r.fs_hz, fs_hz)) for (s, _), r in zip(placed, used, strict=True)]
    samples = np.array([signal.shape[1] for signal in signals], dtype=np.int64)
    ids = tuple(dict.fromkeys(recording.recording_id for recording in used))
    signal = np.concatenate(signals, axis=1)
    signal.flags.writeable = False
    return SegmentStore(
        signal=signal,
        fs_hz=fs_hz,
        offset=np.cumsum(samples) - samples,
        samples=samples,
        start=np.array(starts, dtype=np.int64),
        part=np.array([part for _, part in placed], dtype=np.int8),
        target=np.array([split.classes.index(target_of(r, target)) for r in used], dtype=np.int64),
        recording=np.array([ids.index(r.recording_id) for r in used], dtype=np.int64),
        shaft_speed_rpm=np.array([r.shaft_speed_rpm for r in used], dtype=np.float32),
        load=np.array([np.nan if r.load is None else r.load for r in used], dtype=np.float32),
        fault_orders=np.array([_fault_orders(r.bearing_model) for r in used], dtype=np.float64),
        classes=split.classes,
        recording_ids=ids,
        channels=used[0].channels,
        leaky=split.leaky,
        conditions=_conditions(used),
        random=split.random,
        folds={fold.name: _parts(placed, fold) for fold in folds},
    )


def envelope(
    signal: NDArray[np.floating], fs_hz: float, *, band_hz: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """Return the magnitude of the analytic signal of `signal` `[..., T]` in a band.

    The band is cut out by a fourth-order Butterworth filter run forwards and backwards, so without delay.
    Source: Randall & Antoni, "Rolling element bearing diagnostics - a tutorial", MSSP 25 (2011), section 5.3.

    Args:
        signal: Signal at `fs_hz`.
        fs_hz: Sampling rate.
        band_hz: Pass band; 0.2 to 0.9 of the Nyquist frequency when absent.
    """
    from scipy.fft import next_fast_len
    from scipy.signal import butter, hilbert, sosfiltfilt  # half a second, that no trial's process needs

    low, high = band_hz or (BAND_OF_NYQUIST[0] * fs_hz / 2, BAND_OF_NYQUIST[1] * fs_hz / 2)
    sos = butter(BAND_ORDER, (low, high), btype="bandpass", fs=fs_hz, output="sos")
    length = signal.shape[-1]
    band = sosfiltfilt(sos, np.asarray(signal, dtype=np.float64), axis=-1, padlen=min(FILTER_PADDING, length - 1))
    return np.abs(hilbert(band, N=next_fast_len(length), axis=-1)[..., :length])


def resample(signal: NDArray[np.floating], fs_hz: float, *, to_hz: float) -> NDArray[np.float64]:
    """Resample `signal` `[..., T]` by a rational factor, with scipy's linear-phase anti-aliasing filter.

    The factor is exact for the whole rates in use; the rate of others is met to within one part in 10 000.
    """
    factor = _factor(fs_hz, to_hz)
    wide = np.asarray(signal, dtype=np.float64)
    if factor == 1:
        return wide
    from scipy.signal import resample_poly

    return resample_poly(wide, factor.numerator, factor.denominator, axis=-1, padtype="mean")


def _factor(fs_hz: float, to_hz: float) -> Fraction:
    """Return `to_hz / fs_hz` as a fraction, its smaller number at most 10 000."""
    exact = Fraction(to_hz) / Fraction(fs_hz)
    if exact < 1:
        return 1 / (1 / exact).limit_denominator(LARGEST_FACTOR)
    return exact.limit_denominator(LARGEST_FACTOR)


def _segment_signal(recording: Recording, segment: Segment, config: WindowConfig, to_hz: float) -> NDArray[np.float32]:
    """Return one segment `[C, samples]` at the new rate, without what would count as the next segment's."""
    signal: NDArray[np.floating] = recording.signal[:, segment.start : segment.stop]
    if config.input == "envelope":
        band, nyquist = config.envelope_band_hz, recording.fs_hz / 2
        if band is not None and band[1] >= nyquist:
            raise ConfigError(
                f"windows.envelope_band_hz: {band[1]:g} Hz is not below half the sampling rate of recording "
                f"{recording.recording_id!r} ({recording.fs_hz:g} Hz); its band must end below {nyquist:g} Hz"
            )
        signal = envelope(signal, recording.fs_hz, band_hz=band)
    factor = _factor(recording.fs_hz, to_hz)
    count = math.ceil(segment.stop * factor) - math.ceil(segment.start * factor)
    return resample(signal, recording.fs_hz, to_hz=to_hz)[:, :count].astype(np.float32)


def _parts(placed: Sequence[tuple[Segment, int]], fold: Fold) -> NDArray[np.int8]:
    """Return the part of each segment when what `fold` validates on is taken out of the training part."""
    validation = set(fold.validation)
    return np.array([PARTS.index("validation") if s in validation else part for s, part in placed], dtype=np.int8)


def _fault_orders(bearing_model: str) -> tuple[float, float, float, float]:
    bearing = find_bearing(bearing_model)
    if bearing is None:
        return (np.nan, np.nan, np.nan, np.nan)
    return (bearing.bpfo, bearing.bpfi, 2 * bearing.bsf, bearing.ftf)


def _conditions(used: Sequence[Recording]) -> dict[str, NDArray[np.float32]]:
    names = dict.fromkeys(name for recording in used for name in recording.conditions)
    return {name: np.array([one.conditions.get(name, np.nan) for one in used], dtype=np.float32) for name in names}


def _check_channels(recordings: Sequence[Recording]) -> None:
    first = recordings[0]
    for recording in recordings:
        if recording.channels != first.channels:
            raise DataError(
                f"channels differ: recording {first.recording_id!r} has {', '.join(first.channels)}, "
                f"{recording.recording_id!r} has {', '.join(recording.channels)}; choose common ones in "
                "data.channels"
            )
