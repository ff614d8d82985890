from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from raytrain.data.mfpt import holds_mfpt, read_mfpt
from raytrain.errors import DataError

GS = np.sin(np.arange(500) / 7)


def save(path: Path, **changes: object) -> Path:
    """Save a file as published: a structure with columns. None leaves a field out."""
    fields = {"sr": 48_828.0, "gs": GS[:, None], "load": 50.0, "rate": 25.0} | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"bearing": {name: value for name, value in fields.items() if value is not None}, "BPFO": 81.125})
    return path


def test_tree_as_published(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / "1 - Three Baseline Conditions" / "baseline_1.mat", sr=97_656.0, load=270.0),
        save(tmp_path / "2 - Three Outer Race Fault Conditions" / "OuterRaceFault_3.mat", sr=97_656, load=270),
        save(tmp_path / "3 - Seven More Outer Race Fault Conditions" / "OuterRaceFault_vload_1.mat", load=25),
        save(tmp_path / "4 - Seven Inner Race Fault Conditions" / "InnerRaceFault_vload_7.mat", load=0, rate=24.5),
    ]
    savemat(tmp_path / "OilPumpShaftBearing_2.mat", {"bearing": {"gs": GS, "sr": 1}})
    recordings = read_mfpt(tmp_path)
    assert holds_mfpt(tmp_path)
    assert [recording.source for recording in recordings] == [str(path) for path in paths]
    assert [recording.recording_id for recording in recordings] == [f"mfpt_{path.stem}" for path in paths]
    assert [recording.fault_type for recording in recordings] == ["normal", "outer", "outer", "inner"]
    assert [recording.bearing_id for recording in recordings] == [f"mfpt:{r.fault_type}:" for r in recordings]
    assert [recording.fs_hz for recording in recordings] == [97_656, 97_656, 48_828, 48_828]
    assert [recording.load for recording in recordings] == [270, 270, 25, 0]
    assert [recording.shaft_speed_rpm for recording in recordings] == [1500, 1500, 1500, 1470]
    for recording in recordings:
        np.testing.assert_array_equal(recording.signal, GS[None].astype(np.float32))
        assert (recording.channels, recording.dataset, recording.load_unit) == (("x",), "mfpt", "lb")
        assert (recording.label, recording.severity, recording.location) == (recording.fault_type, "", "")
        assert recording.bearing_model.startswith("NICE")


def test_flat_folder(tmp_path: Path) -> None:
    save(tmp_path / "InnerRaceFault_vload_1.mat")
    assert [recording.label for recording in read_mfpt(tmp_path)] == ["inner"]


def test_all_faults_are_in_one_report(tmp_path: Path) -> None:
    hole = GS.copy()
    hole[5] = np.inf
    first = save(tmp_path / "baseline_1.mat")
    save(tmp_path / "copy" / "baseline_1.mat")
    save(tmp_path / "baseline_2.mat", load=None, rate=None)
    save(tmp_path / "baseline_3.mat", gs=hole)
    save(tmp_path / "OuterRaceFault_1.mat", gs=GS[:0])
    save(tmp_path / "OuterRaceFault_2.mat", sr=0.0, rate=np.nan)
    save(tmp_path / "OuterRaceFault_3.mat", sr="fast")
    (tmp_path / "InnerRaceFault_vload_1.mat").write_text("damaged")
    savemat(tmp_path / "InnerRaceFault_vload_2.mat", {"gs": GS})
    with pytest.raises(DataError) as caught:
        read_mfpt(tmp_path)
    told = " ".join(str(caught.value).split())
    assert told.startswith(f"{tmp_path}: 9 faults, nothing was loaded")
    for line in (
        f"copy/baseline_1.mat - a recording must be there once; {first} is it too mfpt_baseline_1",
        "baseline_2.mat - structure bearing must have sr, gs, load and rate no load, rate",
        "baseline_3.mat - samples must be finite 1 NaN or infinite in x, first at sample 5",
        "OuterRaceFault_1.mat - a recording must have samples 0 in x",
        "OuterRaceFault_2.mat - bearing.sr must be a positive number 0.0",
        "OuterRaceFault_2.mat - bearing.rate must be a positive number nan",
        "OuterRaceFault_3.mat - the file must be readable and laid out as published",
        "InnerRaceFault_vload_1.mat - the file must be readable and laid out as published",
        "InnerRaceFault_vload_2.mat - structure bearing must have sr, gs, load and rate no sr, gs, load, rate",
    ):
        assert line in told


def test_other_folders_are_not_recognised(tmp_path: Path) -> None:
    assert not holds_mfpt(tmp_path)
    savemat(tmp_path / "105.mat", {"x": GS})
    (tmp_path / "baseline_1.csv").write_text("1\n2\n")
    assert not holds_mfpt(tmp_path)
    with pytest.raises(DataError, match="no recording of the published set is in it"):
        read_mfpt(tmp_path)
