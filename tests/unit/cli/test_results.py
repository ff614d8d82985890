from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raytrain.cli.main import main
from raytrain.distributed.judge import Judgement
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import Best, SweepResult


def metrics(part: str) -> dict[str, float]:
    names = ("accuracy", "macro_f1", "recording_accuracy", "recording_macro_f1")
    return {f"{part}/{name}": 0.75 for name in names}


def judgement(part: str) -> Judgement:
    return Judgement(metrics(part), [0.5, 1.0], [[1, 1], [0, 2]], [[1, 0], [0, 1]])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a saved sweep of one trial."""
    folder = tmp_path / "runs" / "small"
    folder.mkdir(parents=True)
    epoch = {"epoch": 1.0, "seconds": 2.0, **metrics("val")}
    point = {"optimizer.lr": 0.125}
    SweepResult(
        name="small",
        directory=folder,
        command="raytrain tune small.yaml",
        metric="val/macro_f1",
        algorithm="random",
        classes=("inner", "normal"),
        leaky=False,
        notes=(),
        seconds=5.0,
        interrupted=False,
        trials=(TrialRecord("a", 1, point, status="finished", curve=[epoch], best=epoch),),
        baselines=(),
        best=Best(1, point, {}, 1, 0.75, {"validation": judgement("val"), "test": judgement("test")}, None),
    ).save()
    return folder


@pytest.fixture
def raytrain(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int | str | None]:
    def call(*arguments: str) -> int | str | None:
        monkeypatch.setattr(sys, "argv", ["raytrain", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    return call


def test_results_prints_the_report_again(
    run: Path, raytrain: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert raytrain("results", str(run)) == 0
    shown = capsys.readouterr().out
    assert "small: 1 trial by random in 5 s" in shown
    assert "Best: trial 1, epoch 1" in shown
    assert "Repeat  raytrain tune small.yaml" in shown
    assert f"Again   raytrain results {run}" in shown


def test_a_file_or_pipe_gets_the_settings_too(
    run: Path,
    raytrain: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    raytrain("results", str(run))
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "trial 1 " in line]
    assert "lr=0.125" in row


def test_json_is_the_file(run: Path, raytrain: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert raytrain("results", str(run), "--json") == 0
    shown = capsys.readouterr().out
    assert shown == (run / "result.json").read_text("utf-8")
    assert json.loads(shown)["trials"][0]["point"] == {"optimizer.lr": 0.125}


def test_a_folder_without_a_result_names_those_that_have_one(
    run: Path, raytrain: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, hint in ((run.parent / "large", "runs beside it: small"), (run.parent, "runs in it: small")):
        assert raytrain("results", str(folder)) == 2
        error = capsys.readouterr().err
        assert error == f"error: {folder}: no result.json there, so no finished sweep; {hint}\n"


def test_a_damaged_result_fails(run: Path, raytrain: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    (run / "result.json").write_text("{", encoding="utf-8")
    assert raytrain("results", str(run), "--json") == 1
    assert "is damaged" in capsys.readouterr().err


def test_the_fixture_is_a_result_like_any_other(run: Path) -> None:
    fields = {field.name for field in dataclasses.fields(SweepResult)}
    assert set(json.loads((run / "result.json").read_text("utf-8"))) == fields | {"version"}
