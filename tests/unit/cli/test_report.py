from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from raytrain.cli.main import main


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a sweep that was killed in its first trial."""
    folder = tmp_path / "runs" / "small"
    folder.mkdir(parents=True)
    config = {
        "name": "small",
        "fixed": {"epochs": 4, "metric": "val/macro_f1"},
        "parameters": {"optimizer.lr": {"type": "uniform", "low": 0.0, "high": 1.0}},
        "search": {"algorithm": "random"},
        "scheduler": {"name": "none"},
    }
    manifest = {"command": "raytrain tune small.yaml", "data": {"leaky": False}, "config": config}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    event = {"event": "start", "trial": "a", "number": 1, "point": {"optimizer.lr": 0.125}}
    (folder / "events.jsonl").write_text(json.dumps(event) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def raytrain(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int | str | None]:
    def call(*arguments: str) -> int | str | None:
        monkeypatch.setattr(sys, "argv", ["raytrain", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    return call


def test_writes_the_page_into_the_run_and_says_where(
    run: Path, raytrain: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert raytrain("report", str(run)) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{run / 'report.html'}\n"
    assert "still runs or was killed" in shown.err
    assert "<h1>small</h1>" in (run / "report.html").read_text("utf-8")


def test_writes_where_it_is_asked_to(run: Path, raytrain: Callable[..., int], tmp_path: Path) -> None:
    output = tmp_path / "new" / "page.html"
    assert raytrain("report", str(run), "--output", str(output)) == 0
    assert output.is_file()
    assert not (run / "report.html").exists()


def test_a_folder_that_is_no_sweep_is_refused(
    tmp_path: Path, raytrain: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert raytrain("report", str(tmp_path)) == 2
    assert "no result.json there" in capsys.readouterr().err


def test_a_damaged_event_is_named(run: Path, raytrain: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    (run / "events.jsonl").write_text("{\n", encoding="utf-8")
    assert raytrain("report", str(run)) == 1
    assert "events.jsonl, line 1: is damaged" in capsys.readouterr().err
