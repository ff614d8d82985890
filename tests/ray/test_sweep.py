from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from rich.console import Console

import raytrain
from raytrain.config.load import load_yaml, validate
from raytrain.config.schema import TrainConfig
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError, RunError
from raytrain.tuning.report import print_report
from raytrain.tuning.results import SweepResult, load_result
from raytrain.tuning.sweep import run_sweep

pytestmark = pytest.mark.ray

Sweep = Callable[..., SweepResult]
Tiny = Callable[..., SpaceConfig]


def _study(result: SweepResult) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(result.directory / "study.journal")))
    return optuna.load_study(study_name=result.directory.name, storage=storage)


def _curves(result: SweepResult) -> list[pd.DataFrame]:
    """Return each trial's curve without its clock, sorted by its point."""
    order = sorted(result.trials, key=lambda record: json.dumps(record.point, sort_keys=True))
    return [pd.DataFrame(record.curve).drop(columns="seconds") for record in order]


def test_guarantee_08_a_sweep_ends_in_a_defended_winner(sweep: Sweep, tiny: Tiny) -> None:
    space = tiny(
        {
            "parameters": {
                "optimizer.lr": {"type": "loguniform", "low": 1e-3, "high": 3e-2},
                "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
                "model.depth": {"type": "int", "low": 2, "high": 3, "when": {"model.name": "cnn1d"}},
                "windows.input": {"type": "choice", "values": ["raw", "envelope"]},
                "windows.length": {"type": "choice", "values": [1024, 2048]},
            },
            "fixed.model": {"width": 4},
            "fixed.callbacks": {"metric_logger": {}, "ema": {"decay": 0.5}},
            "search": {"algorithm": "tpe", "trials": 5},
            "scheduler": {"name": "asha", "grace_epochs": 1, "reduction_factor": 2},
            "baselines": {"max_windows": 1},
            "refit": True,
            "resources.cpus_per_worker": 1,
        }
    )
    result = sweep(space)

    assert len(result.trials) == 5
    assert {record.status for record in result.trials} <= {"finished", "stopped"}
    assert result.best is not None
    best = next(record for record in result.trials if record.number == result.best.trial)
    assert best.value(result.metric) == max(record.value(result.metric) or 0 for record in result.trials)
    again = result.best.judgements["validation"].metrics
    assert again[result.metric] == result.best.reported == best.value(result.metric)
    assert {name: again[name] for name in ("val/accuracy", "val/recording_macro_f1")} == {
        name: (best.best or {})[name] for name in ("val/accuracy", "val/recording_macro_f1")
    }
    for record in result.trials:  # each trial's callbacks wrote into its own folder, once
        lines = (Path(record.directory) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["epoch"] for line in lines] == list(range(1, len(record.curve) + 1))
    assert result.best.refit_test is not None
    assert sum(map(sum, result.best.judgements["test"].confusion)) > 0

    board = result.leaderboard()
    assert set(board.loc[board["kind"] == "baseline", "name"]) == {
        "random_forest",
        "logistic_regression",
        "envelope_lines",
    }
    assert board[result.metric].is_monotonic_decreasing
    tested = board.loc[board["test/macro_f1"].notna(), "name"]
    assert set(tested) == {f"trial {best.number}", "random_forest", "logistic_regression", "envelope_lines"}

    states = [trial.state for trial in _study(result).trials]
    assert len(states) == 5
    assert set(states) <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert load_result(result.directory) == result
    for name in ("manifest.json", "trials.csv", "curves.csv", "leaderboard.csv", "confusion.csv", "best/checkpoint.pt"):
        assert (result.directory / name).is_file(), name
    config = validate(TrainConfig, load_yaml(result.directory / "best" / "config.yaml"), where="best")
    assert config == result.best.train_config()
    console = Console(record=True, width=100, file=io.StringIO())
    print_report(result, console)
    text = console.export_text()
    assert f"Best: trial {best.number}" in text
    assert "the same when its checkpoint is evaluated again" in text


@pytest.mark.parametrize("algorithm", ["random", "hyperopt", "grid"])
def test_every_algorithm_finishes_the_trials_asked_for(sweep: Sweep, tiny: Tiny, algorithm: str) -> None:
    space: dict[str, Any] = {"search.algorithm": algorithm, "search.trials": 3, "fixed.epochs": 1}
    if algorithm != "grid":
        space["parameters"] = {"optimizer.lr": {"type": "loguniform", "low": 1e-3, "high": 1e-2}}
    result = sweep(tiny(space))
    expected = 2 if algorithm == "grid" else 3  # the grid has two points, and each is run once
    assert [record.status for record in result.trials] == ["finished"] * expected
    if algorithm == "grid":
        assert sorted(record.point["optimizer.lr"] for record in result.trials) == [0.003, 0.01]


def test_guarantee_19_nothing_of_a_trial_leaks_into_the_next_in_the_same_process(sweep: Sweep, tiny: Tiny) -> None:
    alone = {"fixed.model.dropout": 0.3}
    wild = {
        "optimizer.lr": {"type": "grid", "values": [0.5, 0.01]},
        "model.name": {"type": "grid", "values": ["cnn1d"]},
        "optimizer.name": {"type": "grid", "values": ["adamw"]},
    }
    after_another = sweep(tiny({**alone, "parameters": wild}), "after")
    first = sweep(tiny({**alone, "parameters": {**wild, "optimizer.lr": {"type": "grid", "values": [0.01]}}}), "first")

    events = [json.loads(line) for line in (after_another.directory / "events.jsonl").read_text().splitlines()]
    assert len({event["pid"] for event in events if event["event"] == "epoch"}) == 1, "the process was not reused"
    in_second_place = next(record for record in after_another.trials if record.number == 2)
    assert in_second_place.point["optimizer.lr"] == 0.01
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in in_second_place.curve]
    assert strip == [{k: v for k, v in row.items() if k != "seconds"} for row in first.trials[0].curve]


def test_a_recipe_with_conditions_is_searched(sweep: Sweep, tiny: Tiny) -> None:
    recipe = load_yaml(Path(__file__).parents[2] / "search_spaces" / "recipe.yaml")
    parameters = {name: one for name, one in recipe["parameters"].items() if name != "schedule.name"}
    parameters = {name: one for name, one in parameters.items() if "schedule.name" not in one.get("when", {})}
    result = sweep(tiny({"parameters": parameters, "search": {"algorithm": "random", "trials": 4}}))
    assert [record.status for record in result.trials] == ["finished"] * 4
    assert len({record.point["augmentation.name"] for record in result.trials}) > 1
    for record in result.trials:
        assert ("loss.gamma" in record.point) == (record.point["loss.name"] == "focal")


def test_guarantee_01_two_workers_per_trial_judge_like_one_process(sweep: Sweep, tiny: Tiny) -> None:
    result = sweep(tiny({"resources": {"workers_per_trial": 2}}))
    assert [record.status for record in result.trials] == ["finished", "finished"]
    assert result.best is not None
    assert result.best.judgements["validation"].metrics[result.metric] == result.best.reported


def test_guarantee_06_a_trial_that_fails_is_told_as_failed_and_the_rest_goes_on(sweep: Sweep, tiny: Tiny) -> None:
    result = sweep(tiny({"parameters": {"optimizer.lr": {"type": "grid", "values": [1e30, 0.01]}}}))
    by_rate = {record.point["optimizer.lr"]: record for record in result.trials}
    assert by_rate[1e30].status == "failed"
    assert "lower optimizer.lr" in by_rate[1e30].reason
    assert by_rate[0.01].status == "finished"
    states = {trial.params["optimizer.lr"]: trial.state for trial in _study(result).trials}
    assert states == {1e30: TrialState.FAIL, 0.01: TrialState.COMPLETE}


def test_when_all_trials_fail_the_first_reason_is_told(sweep: Sweep, tiny: Tiny) -> None:
    with pytest.raises(RunError, match=r"all 1 trials failed; trial 1 said: .*lower optimizer\.lr"):
        sweep(tiny({"parameters": {"optimizer.lr": {"type": "grid", "values": [1e30]}}}))


def test_the_time_budget_ends_a_sweep_and_keeps_what_is_done(sweep: Sweep, tiny: Tiny) -> None:
    many: dict[str, Any] = {"optimizer.lr": {"type": "loguniform", "low": 1e-3, "high": 1e-2}}
    space = tiny(
        {
            "parameters": many,
            "search": {"algorithm": "random", "trials": 500, "time_budget_s": 12.0},
            "fixed.epochs": 50,
        }
    )
    result = sweep(space)
    assert 0 < len(result.trials) < 500
    assert not [record for record in result.trials if record.status == "running"]
    assert TrialState.RUNNING not in [trial.state for trial in _study(result).trials]


def test_guarantee_02_more_than_the_cluster_has_is_refused_at_once(cluster: None, tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"asks for 2 CPUs and 1 GPUs .*the cluster has 2 CPUs and 0 GPUs"):
        run_sweep(tiny({"resources.gpus_per_worker": 1}), runs_dir=tmp_path, console=Console(quiet=True))
    with pytest.raises(ConfigError, match=r"asks for 6 CPUs \(3 workers\)"):
        run_sweep(tiny({"resources.workers_per_trial": 3}), runs_dir=tmp_path, console=Console(quiet=True))
    assert list(tmp_path.iterdir()) == []


def test_a_run_name_that_exists_is_refused(cluster: None, tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="run 'mine' exists"):
        run_sweep(tiny(), runs_dir=tmp_path, name="mine", console=Console(quiet=True))


def test_a_leaky_sweep_says_so_everywhere(sweep: Sweep, tiny: Tiny) -> None:
    result = sweep(tiny({"fixed.data.split": {"rule": "random", "allow_leakage": True}, "fixed.epochs": 1}))
    assert result.leaky
    assert load_result(result.directory).leaky
    assert json.loads((result.directory / "manifest.json").read_text())["data"]["leaky"] is True
    assert "leaky" in pd.read_csv(result.directory / "leaderboard.csv").columns


def test_windows_reach_the_trials_read_only_and_uncopied(cluster: None, tiny: Tiny) -> None:
    import ray

    from raytrain.data.dataset import read_and_split
    from raytrain.data.store import SegmentStore
    from raytrain.tuning.variants import prepare_variants, window_configs

    space = tiny()
    recordings, split = read_and_split(space.fixed.data)
    (store,) = prepare_variants(recordings, split, window_configs(space), target="fault_type").values()

    @ray.remote(num_cpus=0)  # type: ignore[untyped-decorator]  # ray is untyped
    def try_to_write(shared: SegmentStore) -> tuple[bool, bool]:
        return shared.signal.flags.writeable, shared.signal.flags.owndata

    assert ray.get(try_to_write.remote(ray.put(store))) == (False, False)


def test_guarantee_01_tune_from_python_returns_pandas_tables(cluster: None, tiny: Tiny, tmp_path: Path) -> None:
    result = raytrain.tune(tiny(), overrides={"fixed.epochs": 1}, runs_dir=tmp_path, name="api")
    frame = result.dataframe()
    assert list(frame["trial"]) == [1, 2]
    assert {"optimizer.lr", "val/macro_f1", "status", "epochs_run"} <= set(frame.columns)
    assert len(result.curves()) == 2
