"""How a journal bearing's faults sound: one function per fault, each after the source its docstring names.

A symptom has unit RMS under its reference condition, and grows or shrinks with the condition as its physics says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytrain.data.synthesis import band_noise, coloured_noise, harmonics, ring_down, unit_rms

__all__ = ["SYMPTOMS", "JournalMachine", "background"]

_RATED_SHAFT_HZ = 60.0
_MIXED_FILM_SOMMERFELD = 0.1


@dataclass(frozen=True, slots=True)
class JournalMachine:
    """One specimen at one operating point.

    Attributes:
        rng: Source of all randomness of this specimen.
        time_s: Times of the samples `[T]`.
        fs_hz: Sampling rate.
        shaft_hz: Revolutions per second.
        load_fraction: Load over rated load.
        sommerfeld: Sommerfeld number, N in revolutions per second.
    """

    rng: np.random.Generator
    time_s: NDArray[np.float64]
    fs_hz: float
    shaft_hz: float
    load_fraction: float
    sommerfeld: float

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.time_s.size

    def lines(self, levels: Sequence[float], *, fundamental: float = 1.0) -> NDArray[np.float64]:
        """Return lines at 1, 2, ... times an order, of levels that the specimen varies, at random phases."""
        return harmonics(
            self.time_s,
            fundamental_hz=fundamental * self.shaft_hz,
            amplitudes=np.asarray(levels) * self.rng.lognormal(sigma=0.2, size=len(levels)),
            phases_rad=self.rng.uniform(0, 2 * np.pi, len(levels)),
        )

    def noise(self, low_hz: float, high_hz: float) -> NDArray[np.float64]:
        """Return noise of unit RMS in a band."""
        return band_noise(self.rng, self.samples, fs_hz=self.fs_hz, low_hz=low_hz, high_hz=high_hz)


def background(machine: JournalMachine) -> NDArray[np.float64]:
    """Return what every machine has: noise of unit RMS, and imbalance and misalignment within tolerance."""
    rng = machine.rng
    modes = [
        (rng.uniform(low, high), rng.uniform(0.03, 0.1), rng.uniform(0.5, 2.0))
        for low, high in ((400.0, 1500.0), (1500.0, 4000.0), (4000.0, 9000.0))
    ]
    noise = coloured_noise(rng, machine.samples, fs_hz=machine.fs_hz, modes=modes)
    return noise + machine.lines([0.15, 0.06, 0.03])


def _misalignment(machine: JournalMachine) -> NDArray[np.float64]:
    """Coupling forces twice and three times per turn, in proportion to the load carried.

    Source: Bently & Hatch, "Fundamentals of Rotating Machinery Diagnostics" (2002).
    """
    return machine.load_fraction * unit_rms(machine.lines([0.3, 1.0, 0.4]))


def _imbalance(machine: JournalMachine) -> NDArray[np.float64]:
    """A force m e w² once per turn (ISO 21940-11)."""
    return (machine.shaft_hz / _RATED_SHAFT_HZ) ** 2 * unit_rms(machine.lines([1.0]))


def _looseness(machine: JournalMachine) -> NDArray[np.float64]:
    """Impacts every second turn: half orders and many harmonics.

    Source: Muszynska & Goldman, Chaos Solitons Fractals 5 (1995) 1683-1704.
    """
    return unit_rms(machine.lines([k**-0.5 for k in range(1, 25)], fundamental=0.5))


def _lubrication(machine: JournalMachine) -> NDArray[np.float64]:
    """Noise of asperities that touch once per turn; its power follows the share of mixed film, 1 / (1 + S / S0).

    Source: Stribeck's curve; Mirhadizadeh, Moncholi & Mba, Tribol. Int. 43 (2010) 1760-1767 on acoustic emission.
    """
    phase_rad = machine.rng.uniform(0, 2 * np.pi)
    touch = 1 + 0.5 * np.cos(2 * np.pi * machine.shaft_hz * machine.time_s + phase_rad)
    share = 1 / (1 + machine.sommerfeld / _MIXED_FILM_SOMMERFELD)
    return math.sqrt(2 * share) * unit_rms(touch * machine.noise(2000.0, 6000.0))


def _cavitation(machine: JournalMachine) -> NDArray[np.float64]:
    """Bursts of collapsing bubbles, about three per turn, at random times.

    Source: Dowson & Taylor, Annu. Rev. Fluid Mech. 11 (1979) 35-66; Brennen, "Cavitation and Bubble Dynamics" (1995).
    """
    rng, duration_s = machine.rng, machine.samples / machine.fs_hz
    onsets_s = rng.uniform(0, duration_s, 1 + rng.poisson(3 * machine.shaft_hz * duration_s))
    bursts = ring_down(
        onsets_s,
        rng.lognormal(sigma=0.8, size=onsets_s.size),
        resonance_hz=rng.uniform(7000.0, 9000.0),
        damping_ratio=rng.uniform(0.03, 0.06),
        fs_hz=machine.fs_hz,
        samples=machine.samples,
    )
    return unit_rms(bursts)


def _wear(machine: JournalMachine) -> NDArray[np.float64]:
    """Grown clearance: whole harmonics, and rubbing noise of the same power.

    Source: Machado & Cavalca, Mech. Res. Commun. 69 (2015) 15-23.
    """
    lines = unit_rms(machine.lines([k**-0.5 for k in range(1, 9)]))
    return math.sqrt(0.5) * (lines + machine.noise(500.0, 2500.0))


def _oil_whirl(machine: JournalMachine) -> NDArray[np.float64]:
    """The film carries the journal round at 0.43 to 0.47 x speed, its phase drifting; the lighter the load, the more.

    Source: Muszynska, J. Sound Vib. 110 (1986) 443-462.
    """
    rng = machine.rng
    cycles = rng.uniform(0.43, 0.47) * machine.shaft_hz * machine.time_s
    drift = np.cumsum(rng.standard_normal(machine.samples)) * math.sqrt(0.02 / machine.fs_hz)
    return math.sqrt(0.5 / machine.load_fraction) * unit_rms(np.cos(2 * np.pi * (cycles + drift)))


SYMPTOMS: Mapping[str, Callable[[JournalMachine], NDArray[np.float64]]] = {
    "misalignment": _misalignment,
    "imbalance": _imbalance,
    "looseness": _looseness,
    "lubrication": _lubrication,
    "cavitation": _cavitation,
    "wear": _wear,
    "oil_whirl": _oil_whirl,
}
"""Fault -> its share of the casing's acceleration `[T]`."""
