"""Each of the eight paradigms trains on real recordings, from the configuration that is shipped for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import raytrain
from raytrain.config.paradigms import PARADIGMS
from raytrain.distributed.train import TrainResult


def trained(paradigm: str, real_data: Path, folder: Path, **further: Any) -> TrainResult:  # noqa: ANN401 - settings
    small = {
        "data.source": str(real_data),
        "data.dataset": ["cwru"],
        "data.where": {"severity": [7, 14, 21], "location": ["6:00"], "load_hp": [0]},
        "data.channels": ["DE"],
        "data.split": {"rule": "by-severity", "test": [21]},
        "windows.hop": 8192,
        "epochs": 1,
        "device": "cpu",
    }
    return raytrain.train(paradigm, overrides=small | further, name=paradigm, runs_dir=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.mark.parametrize("paradigm", sorted(set(PARADIGMS) - {"distillation", "progressive_resizing"}))
def test_a_paradigm_trains_on_real_recordings(paradigm: str, real_data: Path, folder: Path) -> None:
    result = trained(paradigm, real_data, folder)
    assert 0 <= result.judgements["test"].metrics["test/macro_f1"] <= 1
    assert result.comparison is None
    if paradigm == "multi_tfr":
        assert {"val/stft/macro_f1", "val/cwt/macro_f1", "val/wvd/macro_f1"} <= set(result.history[0])
    if paradigm == "pinn":
        assert {"train/frequency", "train/temporal", "train/lambda_frequency"} <= set(result.history[0])


def test_windows_grow_on_real_recordings(real_data: Path, folder: Path) -> None:
    further = {"paradigm.schedule": [[1024, 1], [4096, 1]], "epochs": 2}
    assert len(trained("progressive_resizing", real_data, folder, **further).history) == 2


def test_a_student_is_compared_with_its_teacher_on_real_recordings(real_data: Path, tmp_path: Path) -> None:
    teacher = trained("standard", real_data, tmp_path)
    result = trained("distillation", real_data, tmp_path, **{"paradigm.teacher": str(teacher.directory / "best.pt")})
    assert result.comparison is not None
    assert result.comparison.teacher.macro_f1 == teacher.judgements["test"].metrics["test/macro_f1"]
    assert result.comparison.student.macro_f1 == result.judgements["test"].metrics["test/macro_f1"]
    assert result.comparison.parameter_ratio > 10
    written = json.loads((result.directory / "result.json").read_text(encoding="utf-8"))
    assert written["teacher_and_student"]["agreement"] == result.comparison.agreement
