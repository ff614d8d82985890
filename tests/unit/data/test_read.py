from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from raytrain.config.schema import DataConfig
from raytrain.data.read import data_hash, read_recordings, read_source
from raytrain.data.recording import Recording
from raytrain.errors import ConfigError, DataError

DE = np.sin(np.arange(600) / 7).astype(np.float32)


def save_manifest(folder: Path, *rows: tuple[str, str, str]) -> None:
    """Write recordings of (id, data set, severity), each with channels of its own samples: DE, and FE unless 28 mil."""
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "recording_id", "dataset", "severity", "fs_hz", "rpm", "label"])
        for shift, (name, dataset, severity) in enumerate(rows):
            if severity == "28 mil":
                np.savez(folder / f"{shift}.npz", DE=np.roll(DE, shift))
            else:
                np.savez(folder / f"{shift}.npz", DE=np.roll(DE, shift), FE=np.roll(DE, -shift))
            writer.writerow([f"{shift}.npz", name, dataset, severity, 12_000, 1797, "inner"])


def save_cwru(folder: Path) -> None:
    savemat(folder / "105.mat", {"X105_DE_time": DE})


def save_mfpt(folder: Path) -> None:
    savemat(folder / "baseline_1.mat", {"bearing": {"sr": 97_656, "gs": DE, "load": 270, "rate": 25}})


def save_own(folder: Path) -> None:
    save_manifest(folder, ("a", "own", "7 mil"))


@pytest.mark.parametrize(
    ("saves", "dataset"),
    [
        ([save_own], "own"),
        ([save_cwru], "cwru"),
        ([save_mfpt], "mfpt"),
        ([save_mfpt, save_cwru, save_own], "own"),
    ],
)
def test_source_is_recognised_by_its_files(tmp_path: Path, saves: list[Callable[[Path], None]], dataset: str) -> None:
    for save in saves:
        save(tmp_path)
    (recording,) = read_recordings(DataConfig(source=str(tmp_path)))
    assert recording.dataset == dataset
    np.testing.assert_array_equal(recording.signal[0], DE)


def test_embedded_data_by_name_with_options() -> None:
    options = {"recordings_per_class": 3, "duration_s": 0.25}
    few = read_recordings(DataConfig(source="rolling", options=options, where={"fault_type": ["inner"]}))
    assert [recording.fault_type for recording in few] == ["inner"] * 3
    assert few[0].duration_s == pytest.approx(0.25)


def test_folder_of_the_name_of_embedded_data_needs_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rolling").mkdir()
    save_own(tmp_path / "rolling")
    monkeypatch.chdir(tmp_path)
    assert [recording.dataset for recording in read_source("./rolling")] == ["own"]


def test_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_own(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(read_source("~")) == 1


def test_misspelt_source_is_told_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"data\.source: 'roling' is neither a folder nor .* did you mean 'rolling'\?"):
        read_recordings(DataConfig(source="roling"))


def test_folder_without_recordings_is_told_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.csv, no CWRU file .*MFPT file .*file, fs_hz, rpm, label"):
        read_recordings(DataConfig(source=str(tmp_path)))


def test_options_belong_to_embedded_data_only(tmp_path: Path) -> None:
    save_own(tmp_path)
    with pytest.raises(ConfigError, match=r"data\.options: only embedded data \(.*rolling.*\) has options"):
        read_recordings(DataConfig(source=str(tmp_path), options={"seed": 1}))


def test_dataset_where_and_channels_are_applied(tmp_path: Path) -> None:
    rows = [("a", "one", "7 mil"), ("b", "one", "28 mil"), ("c", "two", "7 mil"), ("d", "one", "14 mil")]
    save_manifest(tmp_path, *rows)
    config = DataConfig(source=str(tmp_path), dataset=["one"])
    chosen = read_recordings(config)
    assert [(r.recording_id, r.channels) for r in chosen] == [("a", ("DE",)), ("b", ("DE",)), ("d", ("DE",))]
    chosen = read_recordings(config.model_copy(update={"where": {"severity": [7, 14]}, "channels": ["FE", "DE"]}))
    assert [(r.recording_id, r.channels) for r in chosen] == [("a", ("FE", "DE")), ("d", ("FE", "DE"))]
    with pytest.raises(ConfigError, match=r"data\.channels: b has no 'FE'"):
        read_recordings(config.model_copy(update={"channels": ["FE"]}))


def test_a_manifest_opens_only_the_wanted_data_sets(tmp_path: Path) -> None:
    save_manifest(tmp_path, ("a", "one", ""), ("b", "two", ""))
    (tmp_path / "1.npz").unlink()
    assert len(read_recordings(DataConfig(source=str(tmp_path), dataset=["one"]))) == 1
    with pytest.raises(DataError, match=r"1\.npz +3 +the file must exist"):
        read_recordings(DataConfig(source=str(tmp_path)))


def test_same_measurement_in_two_data_sets_is_read_but_not_used_together(tmp_path: Path) -> None:
    save_manifest(tmp_path, ("x", "one", ""), ("x", "two", ""), ("y", "two", ""))
    assert len(read_source(str(tmp_path))) == 3
    assert len(read_recordings(DataConfig(source=str(tmp_path), dataset=["two"]))) == 2
    with pytest.raises(DataError, match=r"the same measurement twice: x of two .* is x of one .*data\.dataset"):
        read_recordings(DataConfig(source=str(tmp_path)))


def test_same_samples_under_two_names_are_refused(tmp_path: Path) -> None:
    save_manifest(tmp_path, ("x", "one", ""), ("y", "one", ""), ("z", "one", ""))
    (tmp_path / "2.npz").write_bytes((tmp_path / "0.npz").read_bytes())
    with pytest.raises(DataError, match=r"the same measurement twice: z of one .* is x of one"):
        read_recordings(DataConfig(source=str(tmp_path)))


def recording(name: str, signal: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> Recording:
    return Recording(
        signal=signal,
        fs_hz=12_000,
        shaft_speed_rpm=1797,
        label="IR007",
        fault_type="inner",
        recording_id=name,
        bearing_id="b",
        dataset="d",
        channels=("DE", "FE"),
        conditions={"oil_temperature_c": 40.0, "viscosity_pa_s": 0.03},
    )


A = recording("a", np.stack([DE, -DE]))
B = recording("b", np.stack([-DE, DE]))


def test_hash_is_the_same_for_the_same_data_wherever_it_lies() -> None:
    known = data_hash([A, B])
    assert len(known) == 64
    assert data_hash([B, A]) == known
    assert data_hash([replace(A, source="elsewhere"), B]) == known
    assert data_hash([replace(A, signal=np.asfortranarray(A.signal)), B]) == known
    assert data_hash([replace(A, conditions=dict(reversed(list(A.conditions.items())))), B]) == known


@pytest.mark.parametrize(
    "changed",
    [
        [A],
        [A, A],
        [A, replace(B, recording_id="c")],
        [A, replace(B, fs_hz=48_000.0)],
        [A, replace(B, shaft_speed_rpm=1796.0)],
        [A, replace(B, label="IR014")],
        [A, replace(B, fault_type="outer")],
        [A, replace(B, severity="7 mil")],
        [A, replace(B, load=1.0)],
        [A, replace(B, bearing_id="c")],
        [A, replace(B, channels=("FE", "DE"))],
        [A, replace(B, conditions={"oil_temperature_c": 41.0})],
        [A, replace(B, signal=np.nextafter(B.signal, np.float32(2)))],
        [A, replace(B, signal=B.signal[:, :-1].copy())],
        [A, replace(B, signal=B.signal.reshape(1, -1).copy())],
        [replace(A, signal=B.signal.copy()), replace(B, signal=A.signal.copy())],
    ],
)
def test_hash_changes_with_anything_known_of_the_data(changed: list[Recording]) -> None:
    assert data_hash(changed) != data_hash([A, B])
