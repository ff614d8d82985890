"""What the embedded generators build vibration from: harmonics, ring-downs, noise; and a check of settings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raytrain.errors import ConfigError

__all__ = ["band_noise", "coloured_noise", "harmonics", "require", "ring_down", "unit_rms"]


def require(field: str, value: float, *, low: float, high: float = math.inf) -> None:
    """Check that a setting is a number from `low` to `high`.

    Raises:
        ConfigError: It is not; the message begins with `field`.
    """
    if not (low <= value <= high and math.isfinite(value)):
        rule = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise ConfigError(f"{field} must be {rule}, got {value:g}")


def unit_rms(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `signal` scaled to a root mean square of one."""
    return signal / math.sqrt(float(np.mean(np.square(signal))))


def harmonics(
    time_s: NDArray[np.float64], *, fundamental_hz: float, amplitudes: ArrayLike, phases_rad: ArrayLike
) -> NDArray[np.float64]:
    """Return the sum of a_k cos(2 pi k f t + phase_k) over k = 1 ... K at `time_s` `[T]`, f the fundamental.

    It is the real part of a polynomial in exp(2 pi i f t), by Horner's rule: one exponential, not K cosines.
    """
    turn = np.exp(2j * np.pi * fundamental_hz * time_s)
    total = np.zeros_like(turn)
    for coefficient in (np.asarray(amplitudes) * np.exp(1j * np.asarray(phases_rad)))[::-1]:
        total += coefficient
        total *= turn
    return np.ascontiguousarray(total.real)


def ring_down(
    onsets_s: NDArray[np.float64],
    strengths: NDArray[np.float64],
    *,
    resonance_hz: float,
    damping_ratio: float,
    fs_hz: float,
    samples: int,
) -> NDArray[np.float64]:
    """Return the response `[samples]` of a one-mode structure to impacts.

    x(t) = sum of a exp(-zeta w (t - t0)) sin(w sqrt(1 - zeta²) (t - t0)) for t >= t0, w = 2 pi f; each term ends
    at -60 dB. Onsets may fall between samples, and before zero.

    Args:
        onsets_s: Times of impact t0 `[K]` in seconds.
        strengths: Amplitudes a `[K]`.
        resonance_hz: Natural frequency f of the mode.
        damping_ratio: Its damping zeta, as a share of critical.
        fs_hz: Sampling rate.
        samples: Number of samples to return.
    """
    decay = damping_ratio * 2 * np.pi * resonance_hz
    damped = 2 * np.pi * resonance_hz * math.sqrt(1 - damping_ratio**2)
    length = math.ceil(fs_hz * math.log(1000) / decay)
    index = np.ceil(onsets_s * fs_hz).astype(np.int64)[:, None] + np.arange(length)
    elapsed_s = index / fs_hz - onsets_s[:, None]
    response = strengths[:, None] * np.exp(-decay * elapsed_s) * np.sin(damped * elapsed_s)
    inside = (index >= 0) & (index < samples)
    return np.bincount(index[inside], weights=response[inside], minlength=samples).astype(np.float64)


def band_noise(
    rng: np.random.Generator, samples: int, *, fs_hz: float, low_hz: float, high_hz: float
) -> NDArray[np.float64]:
    """Return Gaussian noise `[samples]` of unit RMS with a flat spectrum from `low_hz` to `high_hz`."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / fs_hz)
    spectrum[(frequency < low_hz) | (frequency > high_hz)] = 0
    return unit_rms(np.fft.irfft(spectrum, samples))


def coloured_noise(
    rng: np.random.Generator, samples: int, *, fs_hz: float, modes: Sequence[tuple[float, float, float]]
) -> NDArray[np.float64]:
    """Return Gaussian noise `[samples]` of unit RMS: white, raised around the modes of the structure.

    Args:
        rng: Source of randomness.
        samples: Number of samples to return.
        fs_hz: Sampling rate.
        modes: Natural frequency in Hz, damping ratio, and height at resonance over the white floor, of each.
    """
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / fs_hz)
    gain = np.ones_like(frequency)
    for resonance_hz, damping_ratio, height in modes:
        detuning = (1 - (frequency / resonance_hz) ** 2) / (2 * damping_ratio)
        gain += height / np.sqrt(1 + np.square(detuning))
    return unit_rms(np.fft.irfft(spectrum * gain, samples))
