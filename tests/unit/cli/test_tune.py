from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raytrain.cli.main import main
from raytrain.config.space import SpaceConfig
from raytrain.errors import RunError
from raytrain.tuning import report, sweep
from raytrain.tuning.continuation import Continuation

SPACE = """
name: small
fixed:
  data: {source: rolling, dataset: [rig], split: {rule: by-load, test: [3]}}
  epochs: 7
parameters:
  optimizer.lr: {type: loguniform, low: 1e-3, high: 1e-1}
"""


class Tune:
    """`raytrain tune` whose sweep does not run: what it was asked for, and how it ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self.path = folder / "small.yaml"
        self.path.write_text(SPACE, encoding="utf-8")
        self.asked: list[tuple[SpaceConfig, dict[str, Any]]] = []
        self.reported: list[object] = []
        self.result = SimpleNamespace(interrupted=False)
        monkeypatch.setattr(sweep, "run_sweep", self._run_sweep)
        monkeypatch.setattr(report, "print_report", lambda result, _: self.reported.append(result))

    def _run_sweep(self, space: SpaceConfig, **options: object) -> object:
        self.asked.append((space, options))
        return self.result

    def __call__(self, *arguments: str, space: str | None = None) -> int | str | None:
        return self.without_a_space(space or str(self.path), *arguments)

    def without_a_space(self, *arguments: str) -> int | str | None:
        self._monkeypatch.setattr(sys, "argv", ["raytrain", "tune", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    @property
    def space(self) -> SpaceConfig:
        return self.asked[-1][0]

    @property
    def options(self) -> dict[str, Any]:
        return self.asked[-1][1]


@pytest.fixture
def tune(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tune:
    return Tune(monkeypatch, tmp_path)


def test_a_space_as_it_is(tune: Tune) -> None:
    assert tune() == 0
    assert (tune.space.name, tune.space.fixed.epochs, tune.space.search.trials) == ("small", 7, 16)
    assert (tune.options["runs_dir"], tune.options["name"], tune.options["address"]) == (Path("runs"), None, None)
    assert tune.options["command"] == ["raytrain", "tune", str(tune.path)]
    assert tune.reported == [tune.result]


def test_a_shipped_space_by_its_name(tune: Tune) -> None:
    assert tune(space="quick") == 0
    assert tune.space.name == "quick"


OPTIONS: list[tuple[list[str], Callable[[SpaceConfig], object], object]] = [
    (["--algorithm", "hyperopt"], lambda space: space.search.algorithm, "hyperopt"),
    (["--trials", "3"], lambda space: space.search.trials, 3),
    (["--time-budget", "20m"], lambda space: space.search.time_budget_s, 1200.0),
    (["--scheduler", "none"], lambda space: space.scheduler.name, "none"),
    (["--epochs", "4"], lambda space: space.fixed.epochs, 4),
    (["--seed", "5"], lambda space: (space.search.seed, space.fixed.seed), (5, 5)),
    (["--seed", "0"], lambda space: (space.search.seed, space.fixed.seed), (0, 0)),
    (["--no-baselines"], lambda space: space.baselines.names, ()),
    (["--baselines"], lambda space: len(space.baselines.names), 3),
    (["--no-refit"], lambda space: space.refit, False),
    (["--refit"], lambda space: space.refit, True),
    (["--workers-per-trial", "2"], lambda space: space.resources.workers_per_trial, 2),
    (["--cpus-per-worker", "0.5"], lambda space: space.resources.cpus_per_worker, 0.5),
    (["--gpus-per-worker", "0.25"], lambda space: space.resources.gpus_per_worker, 0.25),
    (["--dataset", "a", "--dataset", "b"], lambda space: space.fixed.data.dataset, ["a", "b"]),
    (["--where", "severity=7,14"], lambda space: space.fixed.data.where, {"severity": ["7", "14"]}),
    (["--channel", "DE"], lambda space: space.fixed.data.channels, ["DE"]),
    (["--target", "label"], lambda space: space.fixed.data.target, "label"),
    (["--split", "by-bearing"], lambda space: space.fixed.data.split.rule, "by-bearing"),
    (["--train", "1,2"], lambda space: space.fixed.data.split.train, ["1", "2"]),
    (["--validation", "2"], lambda space: space.fixed.data.split.validation, ["2"]),
    (["--test", "1"], lambda space: space.fixed.data.split.test, ["1"]),
    (["--block-class", "normal"], lambda space: space.fixed.data.split.block_classes, ["normal"]),
    (["--allow-leakage"], lambda space: space.fixed.data.split.allow_leakage, True),
    (["--set", "fixed.model.name=cnn1d"], lambda space: space.fixed.model.name, "cnn1d"),
    (["--set", "search.trials=9", "--trials", "3"], lambda space: space.search.trials, 9),
]


@pytest.mark.parametrize(("arguments", "read", "value"), OPTIONS, ids=[" ".join(one[0]) for one in OPTIONS])
def test_each_option_reaches_the_space(
    arguments: list[str], read: Callable[[SpaceConfig], object], value: object, tune: Tune
) -> None:
    assert tune(*arguments) == 0
    assert read(tune.space) == value


def test_options_of_the_run(tune: Tune, tmp_path: Path) -> None:
    assert tune("--address", "10.0.0.1:6379", "--name", "mine", "--runs-dir", str(tmp_path / "there")) == 0
    assert tune.options["address"] == "10.0.0.1:6379"
    assert tune.options["name"] == "mine"
    assert tune.options["runs_dir"] == tmp_path / "there"


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The folder of a sweep that began, of another name than the space of these tests."""
    folder = tmp_path / "begun"
    folder.mkdir()
    (folder / "space.yaml").write_text(SPACE.replace("small", "earlier"), encoding="utf-8")
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    return folder


def test_guarantee_05_an_earlier_sweep_goes_on(tune: Tune, begun: Path) -> None:
    assert tune("--resume", str(begun), "--extend", "4", "--force", "--storage", "sqlite") == 0
    assert tune.options["resume"] == Continuation(begun, extend=4, force=True)
    assert tune.options["storage"] == "sqlite"
    assert tune.space.name == "small", "the space that is given is what is wanted now"
    assert tune.without_a_space("--resume", str(begun)) == 0
    assert (tune.space.name, tune.options["resume"]) == ("earlier", Continuation(begun))


def test_earlier_sweeps_to_learn_from(tune: Tune) -> None:
    assert tune("--warm-start-from", "a", "--warm-start-from", "b/c") == 0
    assert tune.options["warm_start"] == [Path("a"), Path("b/c")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--extend", "3"], "--extend and --force go with --resume, which names the sweep to go on with"),
        (["--force"], "--extend and --force go with --resume"),
        (
            ["--resume", "BEGUN", "--trials", "3"],
            "--trials: a resumed sweep keeps its trials; add to them with --extend",
        ),
        (["--resume", "BEGUN", "--name", "mine"], "--name mine: a resumed sweep keeps its name"),
    ],
)
def test_what_an_earlier_sweep_cannot_be_asked(
    arguments: list[str], message: str, tune: Tune, begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(*(str(begun) if one == "BEGUN" else one for one in arguments)) == 2
    assert message in capsys.readouterr().err
    assert tune.asked == []


def test_neither_a_space_nor_a_sweep(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    assert tune.without_a_space() == 2
    assert "give the search space of a new sweep, or --resume with the folder" in capsys.readouterr().err


def test_another_source_drops_the_split_of_the_file(tune: Tune) -> None:
    assert tune("--data", "journal") == 0
    data = tune.space.fixed.data
    assert (data.source, data.dataset, data.split.rule, data.split.test) == ("journal", None, "by-recording", None)


def test_an_interrupted_sweep_is_reported_and_exits_with_1(tune: Tune) -> None:
    tune.result.interrupted = True
    assert tune() == 1
    assert tune.reported == [tune.result]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "epochs"], "--set epochs: expected field=value"),
        (["--set", "fixed.epochz=3"], "fixed.epochz: unknown field; did you mean 'epochs'?"),
        (["--set", "fixed.model.depht=3"], "model.depht: 'wdcnn' has no such setting"),
        (["--where", "severity"], "--where severity: expected field=value,value"),
        (["--test", ","], "--test ',': expected groups separated by commas"),
        (["--time-budget", "0s"], "search.time_budget_s: Input should be greater than 0"),
        (["--cpus-per-worker", "0"], "resources.cpus_per_worker: Input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    arguments: list[str], message: str, tune: Tune, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(*arguments) == 2
    assert message in capsys.readouterr().err
    assert tune.asked == []


def test_a_sweep_that_fails(tune: Tune, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run_sweep(*_: object, **__: object) -> None:
        raise RunError("all 16 trials failed")

    monkeypatch.setattr(sweep, "run_sweep", run_sweep)
    assert tune() == 1
    assert capsys.readouterr().err == "error: all 16 trials failed\n"
