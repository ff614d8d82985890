"""Embedded data: a rolling-element bearing with a spot on the inner race, the outer race or a ball, or none.

Impacts of a spot excite a resonance of the structure (McFadden & Smith, J. Sound Vib. 96 (1984) 69-82). The time
between them varies at random, so their phase drifts (Antoni & Randall, J. Vib. Acoust. 125 (2003) 282-289). Their
strength follows the load on the element that strikes: Stribeck's distribution (Randall & Antoni, MSSP 25 (2011)
485-520).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytrain.data.recording import Recording
from raytrain.data.synthesis import coloured_noise, harmonics, require, ring_down, unit_rms
from raytrain.errors import ConfigError, nearest
from raytrain.physics.catalogue import BEARINGS
from raytrain.physics.kinematics import BearingGeometry

__all__ = ["generate_rolling"]

_CLASSES = ("normal", "inner", "outer", "ball")
_SIZES_MM = (0.2, 0.4, 0.8)
_LOADS_KN = (0.5, 1.0, 1.5, 2.0)
_NOMINAL_RPM = 1800.0
_LOWEST_FS_HZ = 10_000.0


@dataclass(frozen=True, slots=True)
class _Settings:
    duration_s: float
    fs_hz: float
    bearing: str
    snr_db: float
    slip: float
    seed: int


@dataclass(frozen=True, slots=True)
class _Machine:
    """One specimen of bearing and structure, under one operating condition."""

    rng: np.random.Generator
    samples: int
    fs_hz: float
    shaft_hz: float
    resonance_hz: float
    damping_ratio: float

    @property
    def time_s(self) -> NDArray[np.float64]:
        return np.arange(self.samples) / self.fs_hz

    def ring(self, onsets_s: NDArray[np.float64], strengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the response of the structure to impacts, with unit RMS."""
        return unit_rms(
            ring_down(
                onsets_s,
                strengths,
                resonance_hz=self.resonance_hz,
                damping_ratio=self.damping_ratio,
                fs_hz=self.fs_hz,
                samples=self.samples,
            )
        )


def generate_rolling(
    *,
    recordings_per_class: int = 12,
    duration_s: float = 2.0,
    fs_hz: float = 12_800.0,
    bearing: str = "6205",
    snr_db: float = -2.0,
    slip: float = 0.01,
    seed: int = 0,
) -> list[Recording]:
    """Generate recordings of the classes `normal`, `inner`, `outer` and `ball`.

    Every recording is of a bearing and a machine of its own (resonance, damping, gain, background), at its own
    speed of 1800 rpm +-10 %. Sizes of 0.2, 0.4, 0.8 mm and loads of 0.5, 1, 1.5, 2 kN take turns; twelve
    recordings have all pairs. A recording depends on the seed, its class and its number only: asking for more
    changes none.

    Args:
        recordings_per_class: Recordings, hence bearings, of each class.
        duration_s: Length of each in seconds.
        fs_hz: Sampling rate in Hz, at least 10 kHz.
        bearing: A name of the catalogue, which gives the fault frequencies.
        snr_db: Power of the impacts of a 0.4 mm spot at 1 kN over that of the noise, over the whole band. Their
            amplitude over the noise goes with the size and the square root of load (noise grows with load, too).
        slip: Standard deviation of the time between impacts over its mean, and how far off a specimen's mean may be.
        seed: Seed of all randomness.

    Raises:
        ConfigError: A setting is out of range; the message begins with its name.
    """
    require("recordings_per_class", recordings_per_class, low=1)
    require("duration_s", duration_s, low=0.1)
    require("fs_hz", fs_hz, low=_LOWEST_FS_HZ)
    require("snr_db", snr_db, low=-200, high=200)
    require("slip", slip, low=0, high=0.05)
    require("seed", seed, low=0)
    if bearing not in BEARINGS:
        raise ConfigError(f"bearing must be in the catalogue, got {bearing!r}; {nearest(bearing, BEARINGS)}")
    settings = _Settings(duration_s, fs_hz, bearing, snr_db, slip, seed)
    return [_recording(fault, index, settings) for fault in _CLASSES for index in range(recordings_per_class)]


def _recording(fault: str, index: int, settings: _Settings) -> Recording:
    rng = np.random.default_rng([settings.seed, _CLASSES.index(fault), index])
    size_mm, load_kn = _SIZES_MM[index % len(_SIZES_MM)], _LOADS_KN[index % len(_LOADS_KN)]
    machine = _Machine(
        rng,
        samples=round(settings.duration_s * settings.fs_hz),
        fs_hz=settings.fs_hz,
        shaft_hz=_NOMINAL_RPM / 60 * rng.uniform(0.9, 1.1),
        resonance_hz=rng.uniform(2200.0, 4200.0),
        damping_ratio=rng.uniform(0.03, 0.07),
    )
    gain = rng.lognormal(sigma=0.4)
    signal = _background(machine)
    if fault != "normal":
        amplitude = 10 ** (settings.snr_db / 20) * size_mm / 0.4 * math.sqrt(load_kn)
        signal += amplitude * _impacts(machine, fault, geometry=BEARINGS[settings.bearing], slip=settings.slip)
    severity = "" if fault == "normal" else f"{size_mm:g} mm"
    return Recording(
        signal=(gain * signal).astype(np.float32)[None],
        fs_hz=settings.fs_hz,
        shaft_speed_rpm=60 * machine.shaft_hz,
        label=f"{fault} {severity}".strip(),
        fault_type=fault,
        recording_id=f"rolling-{fault}-{index:03d}",
        bearing_id=f"rolling-{fault}-{index:03d}",
        dataset="rolling",
        channels=("x",),
        severity=severity,
        load=load_kn,
        load_unit="kN",
        location="6:00" if fault == "outer" else "",
        bearing_model=settings.bearing,
        source=f"generated: rolling, seed {settings.seed}",
    )


def _background(machine: _Machine) -> NDArray[np.float64]:
    """Return what every machine has: noise of unit RMS, stray knocks in it, and shaft harmonics."""
    rng = machine.rng
    modes = [
        (machine.resonance_hz, machine.damping_ratio, rng.uniform(0.5, 2.0)),
        (rng.uniform(800.0, 1800.0), rng.uniform(0.03, 0.08), rng.uniform(0.5, 2.0)),
    ]
    noise = coloured_noise(rng, machine.samples, fs_hz=machine.fs_hz, modes=modes)
    lines = harmonics(
        machine.time_s,
        fundamental_hz=machine.shaft_hz,
        amplitudes=np.array([0.4, 0.2, 0.1]) * rng.lognormal(sigma=0.3, size=3),
        phases_rad=rng.uniform(0, 2 * np.pi, 3),
    )
    duration_s = machine.samples / machine.fs_hz
    onsets_s = rng.uniform(0, duration_s, size=1 + rng.poisson(10 * duration_s))
    knocks = machine.ring(onsets_s, rng.lognormal(sigma=0.5, size=onsets_s.size))
    return unit_rms(noise + rng.uniform(0.1, 0.4) * knocks) + lines


def _impacts(machine: _Machine, fault: str, *, geometry: BearingGeometry, slip: float) -> NDArray[np.float64]:
    """Return the response to the impacts of a spot, with unit RMS."""
    rng = machine.rng
    order = {"inner": geometry.bpfi, "outer": geometry.bpfo, "ball": 2 * geometry.bsf}[fault]
    interval_s = (1 + slip * rng.uniform(-1, 1)) / (order * machine.shaft_hz)
    count = 2 + math.ceil(1.2 * machine.samples / machine.fs_hz / interval_s)
    onsets_s = interval_s * (rng.uniform(-1, 0) + np.cumsum(1 + slip * rng.standard_normal(count)))
    strengths = rng.normal(1.0, 0.1, count)
    angle = rng.uniform(0, 2 * np.pi)
    if fault == "inner":
        strengths *= _load_zone(angle + 2 * np.pi * machine.shaft_hz * onsets_s)
    if fault == "ball":
        strengths *= _load_zone(angle + 2 * np.pi * geometry.ftf * machine.shaft_hz * onsets_s)
        strengths[1::2] *= rng.uniform(0.6, 0.9)  # on the inner race, the longer way to the sensor
    return machine.ring(onsets_s, strengths)


def _load_zone(angle_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the relative load at an angle from the load: Stribeck's (1 - (1 - cos) / (2 e))^1.5, e = 1/2."""
    return np.maximum(np.cos(angle_rad), 0.0) ** 1.5
