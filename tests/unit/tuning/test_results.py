from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raytrain.errors import ConfigError, RunError
from raytrain.tuning.results import RESULT_FILE, SweepResult, load_result


def plain(content: Any) -> Any:  # noqa: ANN401 - any value
    """Return a value in which NaN equals NaN."""
    if isinstance(content, dict):
        return {key: plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return "NaN" if isinstance(content, float) and math.isnan(content) else content


def test_what_is_saved_is_loaded(sweep_result: SweepResult) -> None:
    sweep_result.save()
    loaded = load_result(sweep_result.directory)
    assert type(loaded) is SweepResult
    assert plain(dataclasses.asdict(loaded)) == plain(dataclasses.asdict(sweep_result))
    assert loaded.best is not None
    assert sweep_result.best is not None
    assert loaded.best.judgements["validation"] == loaded.best.judgements["validation"]
    assert loaded.best.train_config() == sweep_result.best.train_config()
    pd.testing.assert_frame_equal(loaded.leaderboard(), sweep_result.leaderboard())
    pd.testing.assert_frame_equal(loaded.dataframe(), sweep_result.dataframe())
    pd.testing.assert_frame_equal(loaded.curves(), sweep_result.curves())


def test_what_is_not_a_number_breaks_a_constraint_after_loading_too(sweep_result: SweepResult) -> None:
    first, second, *rest = sweep_result.trials
    first.violations = {"val/loss": math.inf, "val/accuracy": -0.5}
    first.objectives = {"model/parameters": math.nan}
    first.best = {**(first.best or {}), "val/loss": math.nan}
    second.violations = {"val/loss": -0.5, "val/accuracy": -0.5}
    dataclasses.replace(sweep_result, trials=(first, second, *rest)).save()
    one, other, *_ = load_result(sweep_result.directory).trials
    assert (one.violations, one.feasible) == (first.violations, False)
    assert other.feasible
    assert one.best is not None
    assert math.isnan(one.best["val/loss"])
    assert math.isnan(one.objectives["model/parameters"])


def test_a_result_without_objectives_is_loaded(sweep_result: SweepResult) -> None:
    sweep_result.save()
    path = sweep_result.directory / RESULT_FILE
    content = json.loads(path.read_text("utf-8"))
    for one in content["trials"]:
        del one["objectives"], one["violations"], one["attributes"]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert all(trial.feasible for trial in load_result(sweep_result.directory).trials)


def test_a_result_that_keeps_no_recordings_is_loaded(sweep_result: SweepResult) -> None:
    sweep_result.save()
    path = sweep_result.directory / RESULT_FILE
    content = json.loads(path.read_text("utf-8"))
    for judgement in (*content["best"]["judgements"].values(), content["best"]["refit_test"]):
        del judgement["recordings"]
    path.write_text(json.dumps(content), encoding="utf-8")
    best = load_result(sweep_result.directory).best
    assert best is not None
    assert sweep_result.best is not None
    assert best.judgements["test"].recordings == []
    assert best.judgements["test"].metrics == sweep_result.best.judgements["test"].metrics


def test_a_result_without_a_best_is_loaded(sweep_result: SweepResult) -> None:
    nothing = dataclasses.replace(sweep_result, best=None, baselines=(), interrupted=True, leaky=True)
    nothing.save()
    loaded = load_result(nothing.directory)
    assert (loaded.best, loaded.baselines, loaded.interrupted, loaded.leaky) == (None, (), True, True)


def test_a_result_can_be_moved(sweep_result: SweepResult, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    dataclasses.replace(sweep_result, directory=tmp_path / "run").save()
    (tmp_path / "run").rename(tmp_path / "moved")
    assert load_result(tmp_path / "moved").directory == tmp_path / "moved"


def test_the_file_is_strict_json(sweep_result: SweepResult) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    sweep_result.save()
    text = (sweep_result.directory / RESULT_FILE).read_text("utf-8")
    content = json.loads(text, parse_constant=refuse)
    assert content["best"]["judgements"]["test"]["recall"] == [0.75, 1.0, None, 0.5]
    assert content["trials"][3]["curve"][0]["val/macro_f1"] is None
    assert text.endswith("}\n")


def test_dataframe_has_a_row_per_trial(sweep_result: SweepResult) -> None:
    frame = sweep_result.dataframe()
    assert list(frame["trial"]) == [1, 2, 3, 4, 5]
    assert list(frame["status"]) == ["finished", "stopped", "failed", "failed", "stopped"]
    assert list(frame["epochs_run"]) == [3, 1, 0, 1, 0]
    assert list(frame["epochs"]) == [9] * 5  # the parameter of that name
    assert frame["val/macro_f1"].isna().tolist() == [False, False, True, True, True]
    assert frame.loc[0, "val/macro_f1"] == 0.90
    assert frame.loc[0, "seconds"] == 4.5
    assert frame.loc[2, "reason"] == "CUDA out of memory"
    parameters = ["optimizer.lr", "model.name", "windows.length", "epochs", "model.depth"]
    assert {"trial_id", "leaky", *parameters} <= set(frame.columns)
    assert frame["model.depth"].isna().tolist() == [True, False, True, True, True]


def test_curves_have_a_row_per_epoch(sweep_result: SweepResult) -> None:
    frame = sweep_result.curves()
    assert frame[["trial", "epoch"]].to_numpy().tolist() == [[1, 1], [1, 2], [1, 3], [2, 1], [4, 1]]
    assert frame["val/macro_f1"].tolist()[:4] == [0.60, 0.90, 0.80, 0.55]
    assert {"seconds", "train/loss", "val/loss", "val/recording_accuracy"} <= set(frame.columns)


def test_leaderboard_by_a_score(sweep_result: SweepResult) -> None:
    frame = sweep_result.leaderboard()
    assert list(frame["name"]) == ["random_forest", "trial 1", "trial 2"]
    assert list(frame["rank"]) == [1, 2, 3]
    assert list(frame["kind"]) == ["baseline", "trial", "trial"]
    assert list(frame["val/macro_f1"]) == [0.95, 0.90, 0.55]
    assert list(frame["settings"]) == [
        "window 0.171 s",
        "lr=0.00123, model=wdcnn, length=2048, epochs=9",
        "lr=0.5, model=cnn1d, length=2048, epochs=9, depth=4",
    ]


def test_leaderboard_by_a_loss(sweep_result: SweepResult) -> None:
    frame = dataclasses.replace(sweep_result, metric="val/loss").leaderboard()
    assert list(frame["name"]) == ["trial 1", "trial 2", "random_forest"]
    assert frame["val/loss"].tolist() == pytest.approx([0.1, 0.45, 0.5])


def test_only_the_winner_and_the_baselines_were_tested(sweep_result: SweepResult) -> None:
    frame = sweep_result.leaderboard().set_index("name")
    assert frame["test/macro_f1"].dropna().to_dict() == {"random_forest": 0.70, "trial 1": 0.80}
    assert frame["test_refit/macro_f1"].dropna().to_dict() == {"random_forest": 0.71, "trial 1": 0.82}


def test_a_tie_keeps_trials_before_baselines(sweep_result: SweepResult) -> None:
    first = sweep_result.trials[0]
    tied = dataclasses.replace(first, number=2, best=first.curve[0] | {"val/macro_f1": 0.95})
    frame = dataclasses.replace(sweep_result, trials=(first, tied)).leaderboard()
    assert list(frame["name"]) == ["trial 2", "random_forest", "trial 1"]


@pytest.mark.parametrize("leaky", [True, False])
def test_every_table_says_whether_the_split_leaks(leaky: bool, sweep_result: SweepResult) -> None:
    result = dataclasses.replace(sweep_result, leaky=leaky)
    result.save()
    for name in ("leaderboard.csv", "trials.csv"):
        frame = pd.read_csv(result.directory / name)
        assert (frame["leaky"] == leaky).all()
    assert json.loads((result.directory / RESULT_FILE).read_text("utf-8"))["leaky"] is leaky


def test_the_files_are_the_tables(sweep_result: SweepResult) -> None:
    sweep_result.save()
    for name, frame in (
        ("trials.csv", sweep_result.dataframe()),
        ("curves.csv", sweep_result.curves()),
        ("leaderboard.csv", sweep_result.leaderboard()),
    ):
        read = pd.read_csv(sweep_result.directory / name, keep_default_na=True)
        assert list(read.columns) == list(frame.columns)
        assert len(read) == len(frame)
    confusion = pd.read_csv(sweep_result.directory / "confusion.csv", index_col=0)
    assert list(confusion.columns) == list(confusion.index) == list(sweep_result.classes)
    assert confusion.loc["ball", "inner"] == 10
    assert confusion.loc["inner", "ball"] == 0


def test_tables_of_nothing_have_their_columns(sweep_result: SweepResult) -> None:
    empty = dataclasses.replace(sweep_result, trials=(), baselines=(), best=None)
    empty.save()
    for name, columns in (
        ("trials.csv", {"trial", "status", "epochs_run"}),
        ("curves.csv", {"trial", "epoch", "val/macro_f1"}),
        ("leaderboard.csv", {"rank", "kind", "name", "settings", "val/macro_f1"}),
    ):
        frame = pd.read_csv(empty.directory / name)
        assert frame.empty
        assert columns <= set(frame.columns)
    assert not (empty.directory / "confusion.csv").exists()


def test_absent_names_the_runs_beside_it(sweep_result: SweepResult, tmp_path: Path) -> None:
    for name in ("quick-2", "quick-1"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        dataclasses.replace(sweep_result, directory=tmp_path / "runs" / name).save()
    with pytest.raises(
        ConfigError,
        match=r"quick-3: no result\.json there, so no finished sweep; runs beside it: quick-1, quick-2$",
    ):
        load_result(tmp_path / "runs" / "quick-3")
    with pytest.raises(ConfigError, match=r"so no finished sweep; runs in it: quick-1, quick-2$"):
        load_result(tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"so no finished sweep$"):
        load_result(tmp_path / "elsewhere" / "quick-1")


def rewrite(directory: Path, content: object) -> None:
    (directory / RESULT_FILE).write_text(json.dumps(content), encoding="utf-8")


def saved(result: SweepResult) -> dict[str, Any]:
    result.save()
    content: dict[str, Any] = json.loads((result.directory / RESULT_FILE).read_text("utf-8"))
    return content


def test_another_version_is_refused(sweep_result: SweepResult) -> None:
    rewrite(sweep_result.directory, saved(sweep_result) | {"version": 99})
    with pytest.raises(RunError, match=r"result\.json: has version 99, this raytrain reads 1$"):
        load_result(sweep_result.directory)


def test_a_training_run_is_no_sweep(tmp_path: Path) -> None:
    rewrite(tmp_path, {"best_epoch": 3, "classes": ["a"], "leaky": False})
    with pytest.raises(ConfigError, match=r"the run of one model, not a sweep; its scores are in .*result\.json"):
        load_result(tmp_path)


def test_cut_off_json_is_told(sweep_result: SweepResult) -> None:
    sweep_result.save()
    path = sweep_result.directory / RESULT_FILE
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match=r"result\.json: is damaged \(JSONDecodeError: .*trials\.csv beside it"):
        load_result(sweep_result.directory)


@pytest.mark.parametrize("damage", ["no trials", "unknown field", "trials of another kind", "a list", "not text"])
def test_damaged_content_is_told(damage: str, sweep_result: SweepResult) -> None:
    content = saved(sweep_result)
    match damage:
        case "no trials":
            del content["trials"]
        case "unknown field":
            content["trials"][0]["colour"] = "red"
        case "trials of another kind":
            content["trials"] = 3
        case "a list":
            content = [1]  # type: ignore[assignment]  # damaged
    rewrite(sweep_result.directory, content)
    if damage == "not text":
        (sweep_result.directory / RESULT_FILE).write_bytes(b"\xff\xfe{}")
    with pytest.raises((RunError, ConfigError), match=r"is damaged|not a sweep"):
        load_result(sweep_result.directory)
