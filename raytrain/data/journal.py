"""Embedded data: a journal bearing that is healthy, or has one of seven faults, or one of three pairs of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from raytrain.data.journal_symptoms import SYMPTOMS, JournalMachine, background
from raytrain.data.recording import Recording
from raytrain.data.synthesis import require
from raytrain.physics.lubrication import dynamic_viscosity_pa_s, sommerfeld_number

__all__ = ["CLEARANCE_RATIO", "ISO_VG", "RATED_UNIT_LOAD_PA", "generate_journal"]

ISO_VG = 32
"""Oil of the simulated machines: a turbine oil."""
CLEARANCE_RATIO = 1.5e-3
"""Radial clearance over journal radius of their bearings."""
RATED_UNIT_LOAD_PA = 1.5e6
"""Load over projected area at a load fraction of one."""

_CLASSES: Mapping[str, tuple[str, ...]] = {
    "healthy": (),
    **{fault: (fault,) for fault in SYMPTOMS},
    "mixed_misalignment_imbalance": ("misalignment", "imbalance"),
    "mixed_wear_lubrication": ("wear", "lubrication"),
    "mixed_cavitation_looseness": ("cavitation", "looseness"),
}
_SEVERITIES = {"incipient": 0.25, "mild": 0.5, "moderate": 0.75, "severe": 1.0}
_LOAD_FRACTIONS = (0.3, 0.5, 0.75, 1.0)
_RATED_RPM = 3600.0
_LOWEST_FS_HZ = 20_000.0


def generate_journal(
    *,
    recordings_per_class: int = 8,
    duration_s: float = 5.0,
    fs_hz: float = 20_480.0,
    snr_db: float = 6.0,
    seed: int = 0,
) -> list[Recording]:
    """Generate recordings of the eleven classes of a journal bearing: `healthy`, seven faults, three `mixed_...`.

    Every recording is of a machine of its own (resonances, gain, residual imbalance, shares of harmonics), at its
    own speed of 3600 rpm +-10 % and oil temperature of 40 to 80 °C. Four severities and four loads from 30 to
    100 % take turns; sixteen recordings have all pairs. A recording depends on the seed, its class and its number
    only: asking for more changes none. `conditions` holds the operating point and its Sommerfeld number (N in
    rev/s), as process data would give them: nothing of the fault.

    Args:
        recordings_per_class: Recordings, hence machines, of each class.
        duration_s: Length of each in seconds.
        fs_hz: Sampling rate in Hz, at least 20 kHz.
        snr_db: Power of a severe fault's symptom at its reference condition over that of the noise, over the whole
            band. The amplitude at lesser severities is 0.75, 0.5 and 0.25 of it. Two faults have half the power each.
        seed: Seed of all randomness.

    Raises:
        ConfigError: A setting is out of range; the message begins with its name.
    """
    require("recordings_per_class", recordings_per_class, low=1)
    require("duration_s", duration_s, low=0.1)
    require("fs_hz", fs_hz, low=_LOWEST_FS_HZ)
    require("snr_db", snr_db, low=-200, high=200)
    require("seed", seed, low=0)
    return [
        _recording(fault, index, duration_s=duration_s, fs_hz=fs_hz, snr_db=snr_db, seed=seed)
        for fault in _CLASSES
        for index in range(recordings_per_class)
    ]


def _recording(fault: str, index: int, *, duration_s: float, fs_hz: float, snr_db: float, seed: int) -> Recording:
    rng = np.random.default_rng([seed, list(_CLASSES).index(fault), index])
    parents = _CLASSES[fault]
    severity = list(_SEVERITIES)[index % len(_SEVERITIES)] if parents else ""
    shaft_hz = _RATED_RPM / 60 * rng.uniform(0.9, 1.1)
    # One load further after each round of severities, or a severity would always have the same load.
    load_fraction = _LOAD_FRACTIONS[(index + index // len(_SEVERITIES)) % len(_LOAD_FRACTIONS)]
    conditions = _conditions(shaft_hz, load_fraction, oil_temperature_c=rng.uniform(40.0, 80.0))
    gain = rng.lognormal(sigma=0.4)
    machine = JournalMachine(
        rng,
        time_s=np.arange(round(duration_s * fs_hz)) / fs_hz,
        fs_hz=fs_hz,
        shaft_hz=shaft_hz,
        load_fraction=load_fraction,
        sommerfeld=conditions["sommerfeld_number"],
    )
    signal = background(machine)
    for parent in parents:
        amplitude = 10 ** (snr_db / 20) * _SEVERITIES[severity] / math.sqrt(len(parents))
        signal += amplitude * SYMPTOMS[parent](machine)
    return Recording(
        signal=(gain * signal).astype(np.float32)[None],
        fs_hz=fs_hz,
        shaft_speed_rpm=60 * shaft_hz,
        label=fault,
        fault_type=fault,
        recording_id=f"journal-{fault}-{index:03d}",
        bearing_id=f"journal-{fault}-{index:03d}",
        dataset="journal",
        channels=("x",),
        severity=severity,
        load=load_fraction,
        load_unit="fraction",
        bearing_model="plain journal bearing",
        conditions=conditions,
        source=f"generated: journal, seed {seed}",
    )


def _conditions(shaft_hz: float, load_fraction: float, *, oil_temperature_c: float) -> dict[str, float]:
    viscosity_pa_s = dynamic_viscosity_pa_s(oil_temperature_c, iso_vg=ISO_VG)
    sommerfeld = sommerfeld_number(
        viscosity_pa_s,
        shaft_hz,
        unit_load_pa=load_fraction * RATED_UNIT_LOAD_PA,
        clearance_ratio=CLEARANCE_RATIO,
    )
    return {
        "oil_temperature_c": oil_temperature_c,
        "viscosity_pa_s": float(viscosity_pa_s),
        "sommerfeld_number": float(sommerfeld),
        "load_fraction": load_fraction,
    }
