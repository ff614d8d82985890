from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from raytrain.cli.data import data_app
from raytrain.errors import ConfigError, DataError

FS_HZ = 1000
BLOCKS = ("--block-class", "normal")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faults of three sizes at three loads, 3 s each, and two normal recordings."""
    folder = tmp_path_factory.mktemp("rig")
    conditions = [
        *((fault, f"{size} mil", load) for fault in ("inner", "outer") for size in (7, 14, 21) for load in (0, 1, 2)),
        *(("normal", "", load) for load in (0, 2)),
    ]
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(
            ["file", "fs_hz", "rpm", "label", "fault_type", "severity", "load_value", "load_unit", "dataset", "bearing"]
        )
        for i, (fault, severity, load) in enumerate(conditions):
            name = f"{fault}{severity.removesuffix(' mil')}_{load}.npy"
            signal = np.random.default_rng(i).standard_normal(3 * FS_HZ).astype(np.float32)
            np.save(folder / name, signal)
            label = f"{fault} {severity}".strip()
            rows.writerow([name, FS_HZ, 1800 - load, label, fault, severity, load, "hp", "rig", "SKF 6205"])
    return folder


def printed(*arguments: str) -> str:
    """What the command prints, runs of spaces as one."""
    result = CliRunner().invoke(data_app, list(arguments), catch_exceptions=False, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return re.sub(r"[ \t]+", " ", result.output)


class TestDescribe:
    def test_counts_what_is_there(self, folder: Path) -> None:
        text = printed("describe", str(folder))
        assert "20 recordings, 1.0 minutes" in text
        assert re.search(r"rig \S+ SKF 6205 20 1000 3 1798 to 1800", text)
        assert "rig inner 7 mil 0, 1, 2 hp rig:inner:7 mil 3 9.0" in text
        assert "rig normal 0, 2 hp rig:normal" in text
        assert "inner 3 3 9 27.0 45%" in text
        assert "normal 1 1 2 6.0 10%" in text
        assert "Bearing ids: 0 given by the source, 20 derived." in text
        assert text.index("7 mil") < text.index("14 mil") < text.index("21 mil")

    def test_chooses(self, folder: Path) -> None:
        text = printed("describe", str(folder), "--where", "severity=7", "--where", "load=0")
        assert "3 recordings" in text
        assert "14 mil" not in text

    def test_unknown_dataset(self, folder: Path) -> None:
        with pytest.raises((ConfigError, DataError), match="rgi"):
            printed("describe", str(folder), "--dataset", "rgi")


class TestSplit:
    def test_shows_who_is_where_and_proves_it(self, folder: Path) -> None:
        text = printed("split", str(folder), "--rule", "by-severity", "--test", "21", "--window-length", "500")
        # 3 s of 1 kHz at a hop of 250 samples are 11 windows; 2.75 s less a gap are cut 3:1.
        assert "train inner 7 mil 3 9.0 33" in text
        assert "normal block of normal_0 1 2.1 7" in text
        assert "validation inner 14 mil 3 9.0 33" in text
        assert "normal block of normal_0 1 0.7 1" in text
        assert "test inner 21 mil 3 9.0 33" in text
        assert "normal normal_2 1 3.0 11" in text
        assert "all 7 21.0 77" in text
        assert "Windows of 500 samples every 250, at 1000 Hz (500 ms)" in text
        assert "- validation: severity 14 mil, chosen because none was named" in text
        assert "Proved: no sample is in two parts" in text

    def test_every_option_arrives(self, folder: Path) -> None:
        text = printed(
            *("split", str(folder), "--rule", "by-load", "--where", "severity=7,14", "--target", "label"),
            *("--train", "0", "--validation", "2", "--test", "1", "--block-class", "normal", "--gap", "0.5"),
            *("--validation-fraction", "0.25", "--test-fraction", "0.25", "--channel", "ch1"),
            *("--sample-rate", "500", "--window-length", "100", "--hop", "90"),
        )
        assert "train inner 14 mil 0 hp 1 3.0 16" in text
        assert "validation inner 14 mil 2 hp 1 3.0 16" in text
        assert "test inner 14 mil 1 hp 1 3.0 16" in text
        assert "21 mil" not in text
        # 3 s less two gaps of 0.5 s, half of which train
        assert text.count("normal block of normal_0, block of normal_2 2 2.0 10") == 1
        assert text.count("normal block of normal_0, block of normal_2 2 1.0 4") == 2
        assert "Windows of 100 samples every 90, at 500 Hz (200 ms); channels ch1." in text

    def test_the_seed_draws(self, folder: Path) -> None:
        shown = {
            printed(
                "split", str(folder), "--block-class", "normal", "--hop", "99", "--window-length", "99", "--seed", seed
            )
            for seed in "0123"
        }
        assert len(shown) == 4

    def test_leaky_windows_are_marked_and_not_proved(self, folder: Path) -> None:
        text = printed("split", str(folder), "--rule", "random", "--allow-leakage", "--window-length", "500")
        assert "Split random (LEAKY)" in text
        assert "- LEAKY: windows of the same recordings" in text
        assert "Proved" not in text

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            (("--rule", "by-sverity"), ConfigError, "data.split.rule"),
            (("--rule", "random"), ConfigError, "say nothing about new recordings"),
            (("--rule", "by-severity", "--test", "28"), ConfigError, "there are: 7 mil, 14 mil, 21 mil"),
            (
                ("--rule", "by-bearing", "--where", "severity=7,14", "--block-class", "normal"),
                DataError,
                "class 'inner' has too few groups",
            ),
            (("--where", "severity"), ConfigError, "--where severity: expected"),
            (("--gap", "-1"), ConfigError, "data.split.gap_s"),
            ((*BLOCKS, "--window-length", "4000"), DataError, "the longest that fits all parts is"),
        ],
    )
    def test_refusals(self, folder: Path, arguments: tuple[str, ...], error: type[Exception], message: str) -> None:
        with pytest.raises(error) as caught:
            printed("split", str(folder), *arguments)
        assert message in str(caught.value)


def test_help_needs_nothing_heavy() -> None:
    """The module is imported by `raytrain --help`."""
    code = (
        "import sys, raytrain.cli.data; "
        "print(sorted({'torch', 'numpy', 'scipy', 'pydantic', 'ray', 'pandas'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
