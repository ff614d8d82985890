"""The envelope spectrum of real recordings shows the line of the damaged part, where kinematics say, and no other.

Rule: squared envelope of four bands from 0.2 of the Nyquist frequency on (shaft harmonics and mains lie below); the
score of a characteristic frequency is the highest line within 2 % of it over the median within 15 %, in the band where
that is largest. Nothing is fitted to a recording but the choice of its band, which is made for each frequency alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from raytrain.data.manifest import read_manifest
from raytrain.data.preprocess import envelope
from raytrain.data.recording import Recording
from raytrain.losses import FrequencyConsistencyLoss
from raytrain.physics import BEARINGS, FaultSignatureDatabase, find_bearing

BANDS_OF_NYQUIST = ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95))
SLIP = 0.02
NEIGHBOURHOOD = 0.15
SECONDS = 10.0
FAULTS = ("inner", "outer", "ball")

Scores = Mapping[str, dict[str, tuple[float, float]]]
"""Recording -> fault -> score, and frequency in Hz of the line."""


def scores(recording: Recording) -> dict[str, tuple[float, float]]:
    """Return score and frequency in Hz of the highest line of each fault in the first channel."""
    bearing = find_bearing(recording.bearing_model)
    assert bearing is not None
    database = FaultSignatureDatabase.rolling(bearing)
    fs_hz, samples = recording.fs_hz, min(recording.samples, round(SECONDS * recording.fs_hz))
    frequency = np.fft.rfftfreq(samples, 1 / fs_hz)
    found = dict.fromkeys(FAULTS, (0.0, 0.0))
    for low, high in BANDS_OF_NYQUIST:
        squared = envelope(recording.signal[0, :samples], fs_hz, band_hz=(low * fs_hz / 2, high * fs_hz / 2)) ** 2
        spectrum = np.abs(np.fft.rfft((squared - squared.mean()) * np.hanning(samples)))
        for fault in FAULTS:
            centre = database.lookup(fault).orders[0] * recording.shaft_speed_rpm / 60
            near = np.flatnonzero(np.abs(frequency / centre - 1) <= SLIP)
            around = spectrum[np.abs(frequency / centre - 1) <= NEIGHBOURHOOD]
            peak = near[spectrum[near].argmax()]
            found[fault] = max(found[fault], (float(spectrum[peak] / np.median(around)), float(frequency[peak])))
    return found


@pytest.fixture(scope="module")
def recordings(real_data: Path) -> Mapping[str, Recording]:
    read = read_manifest(real_data, dataset=["cwru", "mfpt"])
    return {recording.recording_id: recording for recording in read}


@pytest.fixture(scope="module")
def scored(recordings: Mapping[str, Recording]) -> Scores:
    shown = {
        name: recording
        for name, recording in recordings.items()
        if recording.fault_type != "ball" and "OR014" not in name  # no usable line: Smith & Randall, MSSP 64-65 (2015)
    }
    return {name: scores(recording) for name, recording in shown.items()}


def of(scored: Scores, *prefixes: str) -> dict[str, dict[str, tuple[float, float]]]:
    return {name: found for name, found in scored.items() if name.startswith(prefixes)}


INNER_CWRU = ("cwru_IR",)
OUTER_CWRU = ("cwru_OR007", "cwru_OR021")
INNER_MFPT = ("mfpt_InnerRace",)
OUTER_MFPT = ("mfpt_OuterRace",)


@pytest.mark.parametrize(
    ("prefixes", "count", "fault"),
    [(INNER_CWRU, 16, "inner"), (OUTER_CWRU, 24, "outer"), (INNER_MFPT, 7, "inner"), (OUTER_MFPT, 10, "outer")],
)
def test_the_line_of_the_damaged_part_scores_highest(
    scored: Scores, prefixes: tuple[str, ...], count: int, fault: str
) -> None:
    damaged = of(scored, *prefixes)
    assert len(damaged) == count
    highest = {name: max(found, key=lambda one: found[one][0]) for name, found in damaged.items()}
    assert highest == dict.fromkeys(damaged, fault)


@pytest.mark.parametrize(
    ("prefixes", "fault", "other"),
    [
        (INNER_CWRU, "inner", "outer"),
        (OUTER_CWRU, "outer", "inner"),
        (INNER_MFPT, "inner", "outer"),
        (OUTER_MFPT, "outer", "inner"),
    ],
)
def test_the_other_race_would_never_be_blamed(
    scored: Scores, prefixes: tuple[str, ...], *, fault: str, other: str
) -> None:
    """Damage of 28 mil is in a bearing of another make, and shows little."""
    for name, found in of(scored, *prefixes).items():
        factor, least = (1.2, 4) if "IR028" in name else (2, 12)
        assert found[fault][0] > max(least, factor * found[other][0]), (name, found)


@pytest.mark.parametrize(
    ("prefixes", "fault", "low_hz", "high_hz"),
    [(INNER_MFPT, "inner", 117.5, 118.0), (OUTER_MFPT, "outer", 80.0, 81.0)],
)
def test_lines_of_the_slipping_bearing_lie_where_they_were_found(
    scored: Scores,
    prefixes: tuple[str, ...],
    fault: str,
    *,
    low_hz: float,
    high_hz: float,
) -> None:
    """A little below the kinematic 118.9 and 81.1 Hz: rolling elements slip."""
    for name, found in of(scored, *prefixes).items():
        assert low_hz - 0.2 <= found[fault][1] <= high_hz + 0.2, name


def test_healthy_bearings_show_neither_line(scored: Scores) -> None:
    """But for the mains' second harmonic at 120 Hz, which lies within 2 % of the MFPT rig's BPFI."""
    healthy = of(scored, "cwru_normal", "mfpt_baseline")
    assert len(healthy) == 5
    for name, found in healthy.items():
        assert found["outer"][0] < 6, name
        score, frequency_hz = found["inner"]
        assert score < 6 or (score < 12 and abs(frequency_hz - 120) < 0.5), name


def test_a_wrong_speed_finds_nothing(recordings: Mapping[str, Recording]) -> None:
    """The lines are where this bearing at this speed puts them, not anywhere: 15 % off there is none."""
    for name, fault in (("cwru_IR007_0", "inner"), ("cwru_OR007@6_0", "outer"), ("mfpt_OuterRaceFault_1", "outer")):
        recording = recordings[name]
        wrong = replace(recording, shaft_speed_rpm=0.85 * recording.shaft_speed_rpm)
        assert scores(wrong)[fault][0] < 0.3 * scores(recording)[fault][0], name


@pytest.mark.parametrize(
    ("prefix", "fault", "least"),
    [
        ("cwru_IR007", "inner", 0.95),
        ("cwru_IR021", "inner", 0.95),
        ("cwru_OR007", "outer", 0.9),
        ("cwru_normal", "normal", 0.9),
    ],
)
def test_single_windows_contradict_their_own_class_least(
    recordings: Mapping[str, Recording], prefix: str, *, fault: str, least: float
) -> None:
    """A sixth of a second is enough for damage of 7 mil; of 21 mil outer a third do, of 14, 28 mil and balls few."""
    classes = ("normal", *FAULTS)
    loss = FrequencyConsistencyLoss(FaultSignatureDatabase.rolling(BEARINGS["6205"]), classes, sample_rate_hz=12_000.0)
    chosen = [recording for name, recording in recordings.items() if name.startswith(prefix)]
    assert len(chosen) >= 2
    right = []
    for recording in chosen:
        windows = torch.from_numpy(recording.signal[:1, :57_344].copy()).reshape(-1, 1, 2048)
        degree = loss.degree(windows, speed_rpm=torch.full((len(windows),), recording.shaft_speed_rpm))
        right.append(degree.argmin(dim=1) == classes.index(fault))
    assert torch.cat(right).float().mean() > least
