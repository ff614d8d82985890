from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat, wavfile

from raytrain.data.manifest import read_manifest
from raytrain.data.recording import Recording
from raytrain.errors import ConfigError, DataError

Cells = dict[str, str | float]

DE = np.sin(np.arange(1000) / 7).astype(np.float32)
FE = np.cos(np.arange(1000) / 9).astype(np.float32)
BASE: Cells = {"file": "a.npz", "fs_hz": 12_000, "rpm": 1797, "label": "IR007"}


def write(folder: Path, *rows: Cells) -> Path:
    """Write a manifest of these rows, and `a.npz` to `d.npz`, all different, where they are not there yet."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    for shift, name in enumerate("abcd"):
        if not (folder / f"{name}.npz").exists():
            np.savez(folder / f"{name}.npz", DE=np.roll(DE, shift), FE=np.roll(FE, shift))
    return folder


def read_one(folder: Path, **cells: str | float) -> Recording:
    (recording,) = read_manifest(write(folder, BASE | cells))
    return recording


def report(folder: Path) -> list[str]:
    """Return the lines of the report, after checking its first."""
    with pytest.raises(DataError) as caught:
        read_manifest(folder)
    title, header, *lines = str(caught.value).splitlines()
    plural = "s" if len(lines) > 1 else ""
    assert title == f"{folder / 'manifest.csv'}: {len(lines)} fault{plural}, nothing was loaded"
    assert header.split() == ["file", "row", "rule", "value"]
    return [" ".join(line.split()) for line in lines]


def test_four_columns_are_enough(tmp_path: Path) -> None:
    folder = tmp_path / "rig"
    folder.mkdir()
    recording = read_one(folder)
    np.testing.assert_array_equal(recording.signal, np.stack([DE, FE]))
    assert recording.signal.dtype == np.float32
    assert not recording.signal.flags.writeable
    assert recording.channels == ("DE", "FE")
    assert (recording.fs_hz, recording.shaft_speed_rpm) == (12_000, 1797)
    assert (recording.label, recording.fault_type) == ("IR007", "IR007")
    assert (recording.dataset, recording.recording_id, recording.bearing_id) == ("rig", "a", "rig:IR007:")
    assert (recording.severity, recording.load, recording.load_unit, recording.location) == ("", None, "", "")
    assert (recording.bearing_model, recording.conditions) == ("", {})
    assert recording.source == str(folder / "a.npz")


def test_every_column_arrives(tmp_path: Path) -> None:
    digest = hashlib.sha256((write(tmp_path, BASE) / "a.npz").read_bytes()).hexdigest()
    recording = read_one(
        tmp_path,
        recording_id="first",
        dataset="rig",
        fault_type="inner",
        severity="7 mil",
        fault_size_mil=9,
        load_value=2,
        load_unit="hp",
        location="6:00",
        bearing="SKF 6205",
        bearing_id="specimen 3",
        channels=" FE + DE ",
        n_samples=1000,
        duration_s=0.083,
        sha256=digest.upper(),
    )
    np.testing.assert_array_equal(recording.signal, np.stack([FE, DE]))
    assert recording.channels == ("FE", "DE")
    assert (recording.recording_id, recording.dataset, recording.bearing_id) == ("first", "rig", "specimen 3")
    assert (recording.label, recording.fault_type, recording.severity) == ("IR007", "inner", "7 mil")
    assert (recording.load, recording.load_unit, recording.location) == (2, "hp", "6:00")
    assert recording.bearing_model == "SKF 6205"


def test_other_spellings(tmp_path: Path) -> None:
    row: Cells = {"File": "a.npz", " FS_Hz ": 12_000, "shaft_speed_rpm": 1772, "LABEL": " ball ", "load": 1.5}
    write(tmp_path, row)
    text = (tmp_path / "manifest.csv").read_text()
    (tmp_path / "manifest.csv").write_text(f"{text}\n,,,,\n", encoding="utf-8-sig")  # as Excel saves it
    (recording,) = read_manifest(tmp_path)
    assert (recording.shaft_speed_rpm, recording.load, recording.label) == (1772, 1.5, "ball")


@pytest.mark.parametrize(
    ("severity", "size", "expected"),
    [("", 14, "14 mil"), ("", 0.5, "0.5 mil"), ("", 0, ""), ("", "", ""), ("none", 0, ""), ("None", 7, "")],
)
def test_severity_follows_from_the_fault_size_where_it_is_empty(
    tmp_path: Path, severity: str, size: str | float, expected: str
) -> None:
    assert read_one(tmp_path, severity=severity, fault_size_mil=size).severity == expected


def test_recordings_of_one_fault_and_size_share_a_bearing_unless_it_is_named(tmp_path: Path) -> None:
    fault: Cells = BASE | {"dataset": "rig", "fault_type": "inner", "bearing_id": ""}
    rows = [
        fault | {"file": "a.npz", "load": 0, "severity": "7 mil"},
        fault | {"file": "b.npz", "load": 3, "severity": "7 mil"},
        fault | {"file": "c.npz", "severity": "14 mil"},
        fault | {"file": "d.npz", "severity": "14 mil", "bearing_id": "spare"},
    ]
    bearings = [recording.bearing_id for recording in read_manifest(write(tmp_path, *rows))]
    assert bearings == ["rig:inner:7 mil", "rig:inner:7 mil", "rig:inner:14 mil", "spare"]


def test_columns_with_a_unit_are_conditions(tmp_path: Path) -> None:
    more: Cells = {
        "oil_temperature_c": 40,
        "viscosity_pa_s": "3e-2",
        "torque_nm": "",
        "note_s": "loud",
        "run": 3,
    }
    rows = [
        BASE | more,
        BASE | {"file": "b.npz", "torque_nm": 0.7},
        BASE | {"file": "c.npz", "source_fs_hz": 48_000},
    ]
    conditions = [recording.conditions for recording in read_manifest(write(tmp_path, *rows))]
    assert conditions == [{"oil_temperature_c": 40, "viscosity_pa_s": 0.03}, {"torque_nm": 0.7}, {}]


def test_files_may_lie_below_the_folder_and_are_named_by_their_path(tmp_path: Path) -> None:
    for part in ("one", "two"):
        (tmp_path / part).mkdir()
        np.save(tmp_path / part / "run.1.npy", DE)
    rows = [BASE | {"file": f"{part}/run.1.npy"} for part in ("one", "two")]
    assert [r.recording_id for r in read_manifest(write(tmp_path, *rows))] == ["one/run.1", "two/run.1"]


def test_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "rig").mkdir()
    (tmp_path / "rig" / "linked.npz").symlink_to(write(tmp_path, BASE) / "a.npz")
    (recording,) = read_manifest(write(tmp_path / "rig", BASE | {"file": "linked.npz"}))
    assert recording.samples == 1000


def save_wav(path: Path) -> None:
    wavfile.write(path, 12_000, DE)


def save_csv(path: Path) -> None:
    np.savetxt(path, DE, header="DE", comments="")


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.npy", lambda path: np.save(path, DE)),
        ("a.mat", lambda path: savemat(path, {"DE": DE})),
        ("a.wav", save_wav),
        ("a.csv", save_csv),
    ],
)
def test_every_format(tmp_path: Path, name: str, save: Callable[[Path], None]) -> None:
    save(tmp_path / name)
    np.testing.assert_allclose(read_one(tmp_path, file=name).signal, DE[None], rtol=1e-6)


def test_one_file_may_hold_two_recordings_in_different_channels(tmp_path: Path) -> None:
    rows: list[Cells] = [BASE | {"recording_id": name, "channels": name} for name in ("DE", "FE")]
    one, two = read_manifest(write(tmp_path, *rows))
    np.testing.assert_array_equal(one.signal, DE[None])
    np.testing.assert_array_equal(two.signal, FE[None])


def test_same_id_in_two_data_sets_is_no_fault(tmp_path: Path) -> None:
    rows: list[Cells] = [BASE | {"recording_id": "x", "dataset": "one"}]
    rows.append(BASE | {"recording_id": "x", "dataset": "two", "file": "b.npz"})
    assert [recording.dataset for recording in read_manifest(write(tmp_path, *rows))] == ["one", "two"]


def test_files_of_other_data_sets_are_not_opened(tmp_path: Path) -> None:
    rows = [BASE | {"dataset": "one"}, BASE | {"dataset": "two", "file": "absent.npz"}]
    write(tmp_path, *rows)
    assert [recording.dataset for recording in read_manifest(tmp_path, dataset=["one"])] == ["one"]
    with pytest.raises(DataError, match=r"absent\.npz"):
        read_manifest(tmp_path, dataset=["one", "two"])
    with pytest.raises(ConfigError, match=r"data\.dataset: no recording belongs to 'tow'; did you mean 'two'\?"):
        read_manifest(tmp_path, dataset=["tow"])
    assert read_manifest(tmp_path, dataset=[]) == []


FAULTS: list[tuple[Cells, str]] = [
    ({"file": ""}, "- 2 file must be given (empty)"),
    ({"file": "e.npz"}, "e.npz 2 the file must exist e.npz"),
    ({"file": "f.npz"}, "f.npz 2 the file must exist f.npz"),  # a folder
    ({"file": "x" * 300}, "File name too long"),
    ({"file": "../a.npz"}, "../a.npz 2 the file must lie within the folder ../a.npz"),
    ({"file": "sub/../../a.npz"}, " 2 the file must lie within the folder sub/../../a.npz"),
    ({"file": "/etc/hostname"}, " 2 the file must lie within the folder /etc/hostname"),
    ({"file": "a.txt"}, "a.txt: the file type must be one of .npz, .npy, .csv, .mat, .wav"),
    ({"file": "broken.npz"}, "broken.npz 2 the file must be readable"),
    ({"sha256": "0" * 64}, " 2 sha256 must be that of the file 000000000000..., of the file "),
    ({"fs_hz": ""}, "a.npz 2 fs_hz must be given (empty)"),
    ({"fs_hz": "12 kHz"}, "a.npz 2 fs_hz must be a positive number 12 kHz"),
    ({"fs_hz": "nan"}, "a.npz 2 fs_hz must be a positive number nan"),
    ({"fs_hz": "inf"}, "a.npz 2 fs_hz must be a positive number inf"),
    ({"fs_hz": 0}, "a.npz 2 fs_hz must be a positive number 0"),
    ({"fs_hz": -12_000}, "a.npz 2 fs_hz must be a positive number -12000"),
    ({"file": "a.wav", "fs_hz": 48_000}, "a.wav 2 fs_hz must be the rate in the file, 12000 48000"),
    ({"duration_s": 0.2}, "a.npz 2 fs_hz must fit duration_s: 1000 samples in 0.2 s 12000"),
    ({"duration_s": "long"}, "a.npz 2 duration_s must be a number long"),
    ({"rpm": 0}, "a.npz 2 rpm or shaft_speed_rpm must be a positive number 0"),
    ({"rpm": "fast"}, "a.npz 2 rpm or shaft_speed_rpm must be a positive number fast"),
    ({"label": " "}, "a.npz 2 label must be given (empty)"),
    ({"load_value": "heavy"}, "a.npz 2 load_value or load must be a number heavy"),
    ({"fault_size_mil": "big"}, "a.npz 2 fault_size_mil must be a number big"),
    ({"file": "nan.npz"}, "nan.npz 2 samples must be finite 2 NaN or infinite in DE, first at sample 17"),
    ({"file": "inf.npz"}, "inf.npz 2 samples must be finite 1 NaN or infinite in DE, first at sample 0"),
    ({"file": "empty.npz"}, "empty.npz 2 a recording must have samples 0 in DE"),
    ({"file": "uneven.npz"}, "uneven.npz 2 channels of a recording must be equally long DE 1000, FE 999"),
    ({"n_samples": 999}, "a.npz 2 n_samples must be that of the file, 1000 999"),
    ({"n_samples": "many"}, "a.npz 2 n_samples must be a number many"),
    ({"channels": "DE+BA"}, "a.npz 2 channels must be in the file, which has DE, FE BA"),
]


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """A folder with files of every kind of fault beside sound ones."""
    folder = tmp_path / "rig"
    (folder / "f.npz").mkdir(parents=True)
    bad = DE.copy()
    bad[[17, 400]] = np.nan
    np.savez(folder / "nan.npz", DE=bad)
    np.savez(folder / "inf.npz", DE=np.concatenate([[np.inf], DE]))
    np.savez(folder / "empty.npz", DE=DE[:0])
    np.savez(folder / "uneven.npz", DE=DE, FE=FE[1:])
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    (folder / "a.txt").write_text("1")
    save_wav(folder / "a.wav")
    np.save(tmp_path / "a.npy", DE)
    return write(folder, BASE)


@pytest.mark.parametrize(("cells", "line"), FAULTS)
def test_every_fault_names_file_row_rule_and_value(rig: Path, cells: Cells, line: str) -> None:
    (told,) = report(write(rig, BASE | cells, BASE | {"file": "b.npz"}))
    assert line in told


def test_all_faults_are_in_one_report(rig: Path) -> None:
    rows = [BASE | {"recording_id": str(number)} | cells for number, (cells, _) in enumerate(FAULTS)]
    told = report(write(rig, *rows))
    for row, (_, line) in enumerate(FAULTS, start=2):
        expected = line.replace(" 2 ", f" {row} ", 1)
        assert any(expected in each for each in told), expected


def test_one_row_tells_all_its_faults(rig: Path) -> None:
    cells: Cells = {"file": "nan.npz", "fs_hz": -1, "rpm": "x", "label": "", "n_samples": 5, "sha256": "0"}
    told = report(write(rig, BASE | cells))
    assert len(told) == 6
    assert all(line.startswith("nan.npz 2 ") for line in told)


def test_unreadable_condition_is_a_fault_once_another_row_has_a_number(rig: Path) -> None:
    rows = [BASE | {"oil_temperature_c": 40}, BASE | {"file": "b.npz", "oil_temperature_c": "4O"}]
    assert report(write(rig, *rows)) == ["b.npz 3 oil_temperature_c must be a number 4O"]


def test_repeated_ids_and_files(rig: Path) -> None:
    rows: list[Cells] = [BASE | {"recording_id": "x"}, BASE | {"recording_id": "y"}]
    rows.append(BASE | {"file": "b.npz", "recording_id": "x"})
    assert report(write(rig, *rows)) == [
        "a.npz 3 a recording must be listed once; row 2 has the same file and channels a.npz",
        "b.npz 4 recording_id must be unique in a data set; row 2 has it too x",
    ]


def test_missing_columns_are_told_once_with_the_nearest(rig: Path) -> None:
    rows: list[Cells] = [{"filename": f"{name}.npz", "lable": "x", "fs_hz": -1} for name in "ab"]
    assert report(write(rig, *rows)) == [
        "manifest.csv 1 column file is missing is 'filename' meant for it?",
        "manifest.csv 1 column rpm or shaft_speed_rpm is missing columns: filename, lable, fs_hz",
        "manifest.csv 1 column label is missing is 'lable' meant for it?",
        "- 2 fs_hz must be a positive number -1",
        "- 3 fs_hz must be a positive number -1",
    ]


def test_files_are_checked_even_where_a_column_is_missing(rig: Path) -> None:
    rows: list[Cells] = [{"file": "nan.npz", "rpm": 1, "fs_hz": 1}]
    missing, samples = report(write(rig, *rows))
    assert missing.startswith("manifest.csv 1 column label is missing")
    assert samples.startswith("nan.npz 2 samples must be finite")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("file,fs_hz,rpm,label\na.npz,1,1\n", "a.npz 2 a row must have 4 cells, as the header has 3"),
        ("file,fs_hz,rpm,label\na.npz,1,1,x,y\n", "a.npz 2 a row must have 4 cells, as the header has 5"),
        ("file,fs_hz,rpm,label,RPM\na.npz,1,1,x,2\n", "manifest.csv 1 column names must differ rpm"),
        ("file;fs_hz;rpm;label\na.npz;1;1;x\n", "column rpm or shaft_speed_rpm is missing"),
    ],
)
def test_table_that_is_not_regular(rig: Path, text: str, line: str) -> None:
    (rig / "manifest.csv").write_text(text)
    assert any(line in told for told in report(rig))


def test_rows_are_lines_of_the_file(rig: Path) -> None:
    (rig / "manifest.csv").write_text('file,fs_hz,rpm,label,note\na.npz,1,1,x,"two\nlines"\n\nb.npz,-1,1,x,\n')
    assert report(rig) == ["b.npz 5 fs_hz must be a positive number -1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there must be a line of column names and at least one line below it"),
        (b"file,fs_hz,rpm,label\n\n", "at least one line below it"),
        (b"file,fs_hz,rpm,label\n\xff\xfe,1,1,x\n", "not readable as comma-separated values in UTF-8"),
        (b'file,fs_hz,rpm,label\n"a.npz,1,1,x\n', "not readable as comma-separated values in UTF-8"),
        (None, "not readable as comma-separated values in UTF-8"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(tmp_path)
    assert str(tmp_path / "manifest.csv") in str(caught.value)
