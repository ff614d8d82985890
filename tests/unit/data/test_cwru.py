from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from raytrain.data.cwru import holds_cwru, read_cwru
from raytrain.data.recording import Recording
from raytrain.errors import DataError

DE = np.sin(np.arange(600) / 7)
FE = np.cos(np.arange(600) / 9)


def save(path: Path, variable: int, **changes: object) -> Path:
    """Save a file as published: columns and a speed named by a number of three digits. None leaves a variable out."""
    known = {"_DE_time": DE[:, None], "_FE_time": FE[:, None], "RPM": np.array([[1796.0]])} | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {f"X{variable:03d}{name}": value for name, value in known.items() if value is not None})
    return path


def read_one(folder: Path) -> Recording:
    (recording,) = read_cwru(folder)
    return recording


def faults(folder: Path) -> str:
    with pytest.raises(DataError, match=r"faults?, nothing was loaded") as caught:
        read_cwru(folder)
    return " ".join(str(caught.value).split())


def test_fault_by_number(tmp_path: Path) -> None:
    path = save(tmp_path / "132.mat", 132, _BA_time=DE[:, None] / 2)
    recording = read_one(tmp_path)
    np.testing.assert_array_equal(recording.signal, np.stack([DE, FE, DE / 2]).astype(np.float32))
    assert recording.channels == ("DE", "FE", "BA")
    assert (recording.fs_hz, recording.shaft_speed_rpm) == (12_000, 1796)
    assert (recording.label, recording.fault_type, recording.severity) == ("OR007@6", "outer", "7 mil")
    assert (recording.load, recording.load_unit, recording.location) == (2, "hp", "6:00")
    assert (recording.dataset, recording.recording_id) == ("cwru", "cwru_OR007@6_2")
    assert recording.bearing_id == "cwru:outer:7 mil"
    assert recording.bearing_model == "SKF 6205-2RS JEM (drive end)"
    assert recording.source == str(path)


@pytest.mark.parametrize(
    ("name", "variable", "label", "load"),
    [
        ("97", 97, "normal", 0),
        ("105", 105, "IR007", 0),
        ("121", 121, "B007", 3),
        ("147", 147, "OR007@3", 3),
        ("156", 156, "OR007@12", 0),
        ("158", 158, "OR007@12", 1),
        ("171", 171, "IR014", 2),
        ("186", 186, "B014", 1),
        ("197", 197, "OR014@6", 0),
        ("212", 212, "IR021", 3),
        ("224", 224, "B021", 2),
        ("237", 237, "OR021@6", 3),
        ("246", 246, "OR021@3", 0),
        ("261", 261, "OR021@12", 3),
        ("3001", 56, "IR028", 0),
        ("3008", 51, "B028", 3),
        ("Normal_1", 98, "normal", 1),
        ("IR007_0", 105, "IR007", 0),
        ("or007@12_3", 160, "OR007@12", 3),
        ("B028_2", 50, "B028", 2),
    ],
)
def test_published_numbers_and_names(tmp_path: Path, name: str, variable: int, label: str, load: float) -> None:
    save(tmp_path / f"{name}.mat", variable)
    recording = read_one(tmp_path)
    assert (recording.label, recording.load) == (label, load)
    assert recording.recording_id == f"cwru_{label}_{load}"
    assert holds_cwru(tmp_path)


def test_the_two_sets_are_complete(tmp_path: Path) -> None:
    """4 normal, 3 sizes of inner and ball and of outer at 6:00, 2 of outer at 3:00 and 12:00, 28 mil; at 4 loads."""
    variables = {number: number for number in range(97, 262)}
    variables |= {3001 + hp: 56 + hp for hp in range(4)} | {3005 + hp: 48 + hp for hp in range(4)}
    for number, variable in variables.items():
        save(tmp_path / f"{number}.mat", variable)
    recordings = read_cwru(tmp_path)
    kinds = [(recording.fault_type, recording.severity, recording.location) for recording in recordings]
    sizes = ("7 mil", "14 mil", "21 mil")
    expected = {("normal", "", ""): 4, ("inner", "28 mil", ""): 4, ("ball", "28 mil", ""): 4}
    expected |= {(kind, size, ""): 4 for kind in ("inner", "ball") for size in sizes}
    expected |= {("outer", size, "6:00"): 4 for size in sizes}
    expected |= {("outer", size, at): 4 for size in ("7 mil", "21 mil") for at in ("3:00", "12:00")}
    assert {kind: kinds.count(kind) for kind in kinds} == expected
    assert len({recording.recording_id for recording in recordings}) == 64
    assert len({recording.bearing_id for recording in recordings}) == 12


def test_normal_is_sampled_at_48_khz(tmp_path: Path) -> None:
    save(tmp_path / "100.mat", 100)
    recording = read_one(tmp_path)
    assert (recording.fs_hz, recording.fault_type, recording.severity) == (48_000, "normal", "")
    assert recording.bearing_id == "cwru:normal:"


def test_99_takes_its_own_number_and_not_the_signal_of_98(tmp_path: Path) -> None:
    both = {f"X{number:03d}_{end}_time": np.full((600, 1), number / 100) for number in (98, 99) for end in ("DE", "FE")}
    savemat(tmp_path / "99.mat", both)
    recording = read_one(tmp_path)
    np.testing.assert_array_equal(recording.signal, np.full((2, 600), 0.99, np.float32))
    assert recording.shaft_speed_rpm == 1750  # the file has no speed


def test_28_mil_has_one_channel_no_speed_and_another_bearing(tmp_path: Path) -> None:
    save(tmp_path / "3006.mat", 49, _FE_time=None, RPM=None)
    recording = read_one(tmp_path)
    assert (recording.channels, recording.shaft_speed_rpm) == (("DE",), 1772)
    assert recording.bearing_model == "NTN equivalent of 6205 (drive end)"


@pytest.mark.parametrize(("hp", "rpm"), [(0, 1797), (1, 1772), (2, 1750), (3, 1730)])
def test_nominal_speed_where_the_file_has_none(tmp_path: Path, hp: int, rpm: float) -> None:
    save(tmp_path / f"{105 + hp}.mat", 105 + hp, RPM=None)
    assert read_one(tmp_path).shaft_speed_rpm == rpm


def test_files_of_other_sets_are_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "12k_Drive_End" / "IR007_0.mat", 105)
    save(tmp_path / "48k_Drive_End" / "IR007_0.mat", 109)
    save(tmp_path / "12k_Fan_End" / "IR007_0.mat", 278)
    save(tmp_path / "12k_Fan_End" / "OR014@3_0.mat", 310)
    save(tmp_path / "12k_Fan_End" / "279.mat", 279)
    (tmp_path / "readme.txt").write_text("credit the data center")
    assert Path(read_one(tmp_path).source).parent.name == "12k_Drive_End"


def test_all_faults_are_in_one_report(tmp_path: Path) -> None:
    hole = DE[:, None].copy()
    hole[5] = np.nan
    save(tmp_path / "105.mat", 105)
    save(tmp_path / "copy" / "IR007_0.mat", 105)
    save(tmp_path / "106.mat", 107)
    save(tmp_path / "118.mat", 118, _DE_time=hole)
    save(tmp_path / "119.mat", 119, _FE_time=FE[:-1])
    save(tmp_path / "120.mat", 120, RPM=0.0)
    save(tmp_path / "121.mat", 121, RPM="fast")
    save(tmp_path / "IR7_0.mat", 105)
    savemat(tmp_path / "B014_0.mat", {"signal": DE})
    (tmp_path / "130.mat").write_text("damaged")
    told = faults(tmp_path)
    assert told.startswith(f"{tmp_path}: 9 faults")
    for line in (
        f"copy/IR007_0.mat - a recording must be there once; {tmp_path / '105.mat'} is it too cwru_IR007_0",
        "106.mat - variable X106_DE_time must be in the file X107_DE_time, X107_FE_time, X107RPM",
        "118.mat - samples must be finite 1 NaN or infinite in DE, first at sample 5",
        "119.mat - channels of a recording must be equally long DE 600, FE 599",
        "120.mat - X120RPM must be a positive number 0.0",
        "121.mat - the file must be readable and laid out as published could not convert string to float: 'fast'",
        "IR7_0.mat - the name must be as published (105.mat, IR007_0.mat), else write a manifest.csv IR7_0",
        "B014_0.mat - variable X185_DE_time must be in the file signal",
        "130.mat - the file must be readable and laid out as published",
    ):
        assert line in told


def test_other_folders_are_not_recognised(tmp_path: Path) -> None:
    assert not holds_cwru(tmp_path)
    save(tmp_path / "279.mat", 279)
    savemat(tmp_path / "baseline_1.mat", {"x": DE})
    assert not holds_cwru(tmp_path)


def test_no_recording_of_these_sets(tmp_path: Path) -> None:
    save(tmp_path / "IR007_0.mat", 109)
    with pytest.raises(DataError, match="no recording of the published set is in it"):
        read_cwru(tmp_path)
