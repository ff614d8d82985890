from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest

import raytrain
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning import figures
from raytrain.tuning.recorded_study import create_study
from raytrain.tuning.results import SweepResult, load_result
from raytrain.tuning.storage import close_study
from raytrain.tuning.storage_location import locate, save_location
from raytrain.tuning.study import Study

EPOCHS = {"type": "int", "low": 1, "high": 9}


@pytest.fixture
def killed(planned_result: SweepResult) -> Path:
    """The folder of a run that was killed: a manifest, two trials in its events, no result."""
    events = [
        {"event": "start", "trial": "a", "number": 1, "point": {"optimizer.lr": 0.1}},
        {
            "event": "epoch",
            "number": 1,
            "epoch": 1,
            "seconds": 2.0,
            "metrics": {"val/macro_f1": 0.5, "val/loss": None, "model/parameters": 300},
        },
        {"event": "end", "number": 1, "status": "stopped", "reason": "by the scheduler"},
        {"event": "start", "trial": "b", "number": 2, "point": {"optimizer.lr": 0.2}},
    ]
    text = "".join(json.dumps(event) + "\n" for event in events) + '{"event": "ep'
    (planned_result.directory / "events.jsonl").write_text(text, encoding="utf-8")
    return planned_result.directory


def test_a_finished_run_is_its_result(sweep_result: SweepResult) -> None:
    sweep_result.save()
    study = raytrain.Study.from_run(str(sweep_result.directory))
    assert (study.finished, study.note) == (True, "")
    assert study.best is not None
    assert study.best.trial == 1
    loaded = load_result(sweep_result.directory)
    for name in ("dataframe", "curves", "leaderboard"):
        pd.testing.assert_frame_equal(getattr(study, name)(), getattr(loaded, name)())


def test_a_killed_run_is_what_its_events_tell(killed: Path) -> None:
    study = Study.from_run(killed)
    assert (study.finished, study.best, study.result.interrupted) == (False, None, True)
    assert "still runs or was killed" in study.note
    assert [(one.status, len(one.curve)) for one in study.result.trials] == [("stopped", 1), ("running", 0)]
    assert [one.objectives for one in study.result.trials] == [{"model/parameters": 300}, {}]
    assert list(study.dataframe()["status"]) == ["stopped", "running"]
    assert list(study.leaderboard()["name"]) == ["trial 1"]
    assert study.result.algorithm == "tpe, scheduler asha"
    assert math.isnan(study.result.seconds)
    assert repr(study) == "<Study 'quick': 2 trials (1 stopped, 1 running)>"


def test_the_report_of_a_killed_run_says_so(killed: Path) -> None:
    path = Study.from_run(killed).report()
    assert path == killed / "report.html"
    text = path.read_text("utf-8")
    assert "still runs or was killed" in text
    assert '<b id="count-running">1</b>' in text
    assert '<b id="cost-saved">8</b>' in text


def test_a_killed_run_without_its_manifest_is_refused(killed: Path) -> None:
    (killed / "manifest.json").unlink()
    with pytest.raises(ConfigError, match=r"has events\.jsonl but no manifest\.json"):
        Study.from_run(killed)


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no result\.json there"):
        Study.from_run(tmp_path / "nothing")


@pytest.mark.parametrize("name", figures.__all__)
def test_each_figure_is_a_method(name: str, planned_result: SweepResult) -> None:
    drawn = getattr(Study(planned_result), name)()
    assert drawn.to_json() == getattr(figures, name)(planned_result).to_json()


def test_a_notebook_shows_counts_verdict_and_leaderboard(sweep_result: SweepResult) -> None:
    content = Study(dataclasses.replace(sweep_result, name="<quick>"))._repr_html_()
    assert "<b>&lt;quick&gt;</b>: 5 trials (1 finished, 2 stopped, 2 failed) by tpe with ASHA in 1 min 23 s" in content
    assert "The deep model beats the best classical one" in content
    assert "random_forest" in content
    told = ["rank", "name", "status", "settings", "val/macro_f1", "test/macro_f1"]
    assert re.findall(r"<th>(.*?)</th>", content)[: len(told)] == told
    assert "LEAKY" not in content
    assert "LEAKY" in Study(dataclasses.replace(sweep_result, leaky=True))._repr_html_()


def test_a_notebook_shows_a_sweep_of_one_or_no_trial(sweep_result: SweepResult) -> None:
    one = dataclasses.replace(sweep_result, trials=sweep_result.trials[:1])
    assert repr(Study(one)) == "<Study 'quick': 1 trial (1 finished)>"
    nothing = Study(dataclasses.replace(sweep_result, trials=(), baselines=(), best=None))
    assert "0 trials" in nothing._repr_html_()


def test_the_optuna_study_is_that_of_the_run(sweep_result: SweepResult) -> None:
    with pytest.raises(ConfigError, match=r"holds no study\.json"):
        Study(sweep_result).optuna()
    location = locate("sqlite", sweep_result.directory, "mine")
    close_study(create_study(SpaceConfig.model_validate({"name": "quick", "parameters": {"epochs": EPOCHS}}), location))
    save_location(sweep_result.directory, location)
    found = Study(sweep_result).optuna()
    assert (found.study_name, found.trials) == ("mine", [])
    close_study(found)


def test_the_report_goes_where_it_is_asked_to(sweep_result: SweepResult, tmp_path: Path) -> None:
    path = Study(sweep_result).report(tmp_path / "elsewhere" / "page.html")
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
