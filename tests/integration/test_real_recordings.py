"""The readers on real recordings: the manifest as it is, and the original `.mat` layouts rebuilt from its arrays."""

from __future__ import annotations

import csv
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat
from scipy.signal import welch

from raytrain.config.schema import DataConfig
from raytrain.data.cwru import read_cwru
from raytrain.data.manifest import read_manifest
from raytrain.data.mfpt import read_mfpt
from raytrain.data.read import data_hash, read_recordings
from raytrain.data.recording import Recording
from raytrain.errors import DataError

# First numbers of the published files: https://engineering.case.edu/bearingdatacenter
FIRST_NUMBERS = {"IR007": 105, "B007": 118, "OR007@6": 130, "OR007@3": 144, "IR014": 169, "B014": 185}
FIRST_NUMBERS |= {"OR014@6": 197, "IR021": 209, "B021": 222, "OR021@6": 234, "OR021@3": 246, "OR021@12": 258}
FIRST_NUMBERS |= {"IR028": 3001, "B028": 3005, "normal": 97}
OR007_12 = (156, 158, 159, 160)


@pytest.fixture(scope="module")
def recordings(real_data: Path) -> list[Recording]:
    return read_manifest(real_data)


@pytest.fixture(scope="module")
def rows(real_data: Path) -> list[dict[str, str]]:
    with (real_data / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_are_read_as_the_manifest_says(recordings: list[Recording], rows: list[dict[str, str]]) -> None:
    assert len(recordings) == len(rows) == 84
    assert Counter(recording.dataset for recording in recordings) == {"cwru": 62, "cwru_normal_48k": 2, "mfpt": 20}
    for recording, row in zip(recordings, rows, strict=True):
        assert recording.recording_id == row["recording_id"]
        assert recording.fs_hz == float(row["fs_hz"])
        assert recording.shaft_speed_rpm == float(row["rpm"])
        assert (recording.label, recording.fault_type) == (row["label"], row["fault_type"])
        assert recording.severity == row["severity"].replace("none", "")
        assert (recording.load, recording.load_unit) == (float(row["load_value"]), row["load_unit"])
        assert (recording.location, recording.bearing_model) == (row["location"], row["bearing"])
        assert "+".join(recording.channels) == row["channels"]
        assert recording.signal.shape == (len(recording.channels), int(row["n_samples"]))
        assert recording.signal.dtype == np.float32
        assert recording.duration_s == pytest.approx(float(row["duration_s"]), abs=1e-3)
        assert np.isfinite(recording.signal).all()
        assert "duration_s" not in recording.conditions
        assert "source_fs_hz" not in recording.conditions


def test_samples_are_those_of_the_files(recordings: list[Recording], real_data: Path) -> None:
    for recording in recordings[::9]:
        with np.load(recording.source) as file:
            np.testing.assert_array_equal(recording.signal, np.stack([file[name] for name in recording.channels]))
        assert Path(recording.source).is_relative_to(real_data)


def test_all_loads_of_a_fault_are_one_bearing(recordings: list[Recording]) -> None:
    bearings = Counter(recording.bearing_id for recording in recordings if recording.dataset == "cwru")
    assert bearings["cwru:inner:14 mil"] == 4
    assert bearings["cwru:outer:7 mil"] == 12  # three positions
    assert bearings["cwru:normal:"] == 2
    assert len(bearings) == 12


def test_reading_is_quick(real_data: Path) -> None:
    start = time.process_time()
    read_manifest(real_data, dataset=["cwru"])
    assert time.process_time() - start < 4


def test_chosen_for_a_split_over_fault_sizes(real_data: Path) -> None:
    config = DataConfig(source=str(real_data), dataset=["cwru"], where={"severity": [7, 14, 21]})
    chosen = read_recordings(config)
    assert Counter(recording.fault_type for recording in chosen) == {"normal": 2, "inner": 12, "ball": 12, "outer": 28}
    assert {recording.channels for recording in chosen} == {("DE", "FE")}
    assert data_hash(chosen) == data_hash(read_recordings(config)[::-1])


def test_28_mil_leaves_one_shared_channel(real_data: Path) -> None:
    chosen = read_recordings(DataConfig(source=str(real_data), dataset=["cwru"]))
    assert len(chosen) == 62
    assert {recording.channels for recording in chosen} == {("DE",)}


def test_a_normal_recording_is_not_used_at_two_rates(real_data: Path) -> None:
    config = DataConfig(source=str(real_data), dataset=["cwru", "cwru_normal_48k"], channels=["DE"])
    with pytest.raises(DataError, match="the same measurement twice: cwru_normal_0 of cwru_normal_48k"):
        read_recordings(config)


def mains_line_db(recording: Recording, mains_hz: float) -> float:
    """Level of the spectral line at `mains_hz` over the median of its neighbours within 15 Hz, in dB."""
    frequency_hz, power = welch(recording.signal[0], recording.fs_hz, nperseg=round(4 * recording.fs_hz))
    near = np.abs(frequency_hz - mains_hz) < 15
    line = np.abs(frequency_hz - mains_hz) < 1
    return float(10 * np.log10(power[line].max() / np.median(power[near & ~line])))


@pytest.mark.parametrize("name", ["cwru_normal_0", "cwru_normal_3"])
def test_normal_is_the_same_measurement_at_48_and_12_khz(recordings: list[Recording], name: str) -> None:
    slow, fast = (recording for recording in recordings if recording.recording_id == name)
    assert (slow.fs_hz, fast.fs_hz) == (12_000, 48_000)
    assert slow.duration_s == pytest.approx(fast.duration_s, abs=1e-3)
    spectra = [welch(r.signal[0], r.fs_hz, nperseg=round(r.fs_hz))[1][20:4000] for r in (slow, fast)]
    np.testing.assert_allclose(10 * np.log10(spectra[0] / spectra[1]), 0, atol=0.5)
    for recording in (slow, fast):
        assert mains_line_db(recording, 120.1) > 15
        assert mains_line_db(recording, 360.0) > 15


def published_number(recording: Recording) -> int:
    load = int(recording.load or 0)
    return OR007_12[load] if recording.label == "OR007@12" else FIRST_NUMBERS[recording.label] + load


def test_cwru_files_as_published_give_the_recordings_of_the_manifest(
    recordings: list[Recording], tmp_path: Path
) -> None:
    wanted = {r.recording_id: r for r in recordings if r.dataset == "cwru" and r.fault_type != "normal"}
    wanted |= {r.recording_id: r for r in recordings if r.dataset == "cwru_normal_48k"}
    for index, recording in enumerate(wanted.values()):
        number = published_number(recording)
        first = {3001: 56, 3005: 48}.get(FIRST_NUMBERS.get(recording.label, 0))
        variable = number if first is None else first + int(recording.load or 0)
        variables: dict[str, NDArray[np.float32] | float] = {
            f"X{variable:03d}_{name}_time": samples[:8192, None]
            for name, samples in zip(recording.channels, recording.signal, strict=True)
        }
        if first is None:
            variables[f"X{variable:03d}RPM"] = recording.shaft_speed_rpm
        name = f"{number}.mat" if index % 2 else f"{recording.label}_{recording.load:.0f}.mat"
        savemat(tmp_path / name, variables)
    read = read_cwru(tmp_path)
    assert {recording.recording_id for recording in read} == set(wanted)
    for recording in read:
        expected = wanted[recording.recording_id]
        assert_same(recording, expected)
        np.testing.assert_array_equal(recording.signal, expected.signal[:, :8192])


def test_mfpt_files_as_published_give_the_recordings_of_the_manifest(
    recordings: list[Recording], tmp_path: Path
) -> None:
    folders = {"normal": "1 - Three Baseline Conditions", "inner": "4 - Seven Inner Race Fault Conditions"}
    wanted = {recording.recording_id: recording for recording in recordings if recording.dataset == "mfpt"}
    for recording in wanted.values():
        folder = tmp_path / folders.get(recording.fault_type, "3 - Seven More Outer Race Fault Conditions")
        folder.mkdir(exist_ok=True)
        bearing = {
            "sr": recording.fs_hz,
            "gs": recording.signal[0, :8192, None],
            "load": recording.load,
            "rate": recording.shaft_speed_rpm / 60,
        }
        savemat(folder / f"{Path(recording.source).stem}.mat", {"bearing": bearing})
    read = read_mfpt(tmp_path)
    assert {recording.recording_id for recording in read} == set(wanted)
    for recording in read:
        expected = wanted[recording.recording_id]
        assert_same(recording, expected)
        np.testing.assert_array_equal(recording.signal, expected.signal[:, :8192])


def assert_same(recording: Recording, expected: Recording) -> None:
    assert recording.bearing_id == expected.bearing_id.replace("cwru_normal_48k", "cwru")
    assert recording.dataset == expected.dataset.replace("cwru_normal_48k", "cwru")
    for name in ("fs_hz", "shaft_speed_rpm", "label", "fault_type", "severity", "load", "load_unit", "location"):
        assert getattr(recording, name) == getattr(expected, name), name
    assert recording.bearing_model == expected.bearing_model
    assert recording.channels == expected.channels


def test_one_changed_byte_is_found_by_the_checksum(
    recordings: list[Recording], real_data: Path, tmp_path: Path
) -> None:
    lines = (real_data / "manifest.csv").read_text().splitlines()
    source = Path(recordings[0].source)
    copy = tmp_path / source.relative_to(real_data)
    copy.parent.mkdir()
    content = bytearray(source.read_bytes())
    copy.write_bytes(content)
    (tmp_path / "manifest.csv").write_text("\n".join(lines[:2]) + "\n")
    assert len(read_manifest(tmp_path)) == 1
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(DataError, match=r"cwru/B007_0\.npz +2 +sha256 must be that of the file"):
        read_manifest(tmp_path)
