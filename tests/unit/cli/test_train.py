from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from raytrain.cli.main import main
from raytrain.config.schema import TrainConfig
from raytrain.distributed import train as training
from raytrain.tuning import report

CONFIG = """
data: {source: rolling, split: {rule: by-load, test: [3]}}
model: {name: cnn1d, depth: 2}
epochs: 7
"""


class Train:
    """`raytrain train` whose run does not start: what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self.path = folder / "run.yaml"
        self.path.write_text(CONFIG, encoding="utf-8")
        self.asked: list[tuple[TrainConfig, dict[str, Any]]] = []
        self.reported: list[object] = []
        monkeypatch.setattr(training, "run_training", self._run_training)
        monkeypatch.setattr(report, "print_training", lambda result, _: self.reported.append(result))

    def _run_training(self, config: TrainConfig, **options: object) -> str:
        self.asked.append((config, options))
        return "the result"

    def __call__(self, *arguments: str) -> int | str | None:
        self._monkeypatch.setattr(sys, "argv", ["raytrain", "train", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Train:
    return Train(monkeypatch, tmp_path)


def test_a_configuration_as_it_is(train: Train) -> None:
    assert train(str(train.path)) == 0
    ((config, options),) = train.asked
    assert (config.model.name, config.model.settings, config.epochs) == ("cnn1d", {"depth": 2}, 7)
    assert config.data.split.test == [3]
    assert options.pop("console") is not None
    assert options == {
        "workers": None,
        "runs_dir": Path("runs"),
        "name": None,
        "resume": None,
        "address": None,
        "command": ["raytrain", "train", str(train.path)],
    }
    assert train.reported == ["the result"]


def test_options_replace_what_the_file_says(train: Train, tmp_path: Path) -> None:
    arguments = ["--workers", "2", "--name", "mine", "--runs-dir", str(tmp_path), "--address", "h:1"]
    arguments += ["--split", "by-severity", "--train", "7,14", "--validation", "14", "--test", "21"]
    arguments += ["--dataset", "cwru", "--where", "load=0,1", "--target", "label", "--block-class", "normal"]
    assert train(str(train.path), *arguments, "--set", "epochs=3", "--set", "optimizer.lr=1e-2") == 0
    ((config, options),) = train.asked
    split = config.data.split
    assert (split.rule, split.train, split.validation, split.test) == ("by-severity", ["7", "14"], ["14"], ["21"])
    assert split.block_classes == ["normal"]
    assert (config.data.dataset, config.data.where, config.data.target) == (
        ["cwru"],
        {"load": ["0", "1"]},
        "label",
    )
    assert (config.epochs, config.optimizer.settings) == (3, {"lr": 0.01})
    assert (options["workers"], options["name"], options["address"]) == (2, "mine", "h:1")
    assert options["runs_dir"] == tmp_path


def test_a_leaky_split_must_be_allowed(train: Train) -> None:
    assert train(str(train.path), "--data", "rolling", "--split", "random", "--allow-leakage") == 0
    ((config, _),) = train.asked
    assert (config.data.split.rule, config.data.split.allow_leakage, config.data.split.test) == ("random", True, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "epoch=3"], "epoch: unknown field; did you mean 'epochs'?"),
        (["--set", "epochs=0"], "epochs: Input should be greater than or equal to 1"),
        (["--train", ""], "--train '': expected groups separated by commas"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(
    arguments: list[str], message: str, train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(str(train.path), *arguments) == 2
    assert message in capsys.readouterr().err
    assert train.asked == []


def test_an_absent_file(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("absent.yaml") == 2
    assert "error: absent.yaml: cannot be read (No such file or directory)" in capsys.readouterr().err


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """The folder of a run with settings of its own."""
    folder = tmp_path / "runs" / "cut"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    return folder


def test_an_interrupted_run_goes_on_with_its_own_configuration(train: Train, interrupted: Path) -> None:
    assert train("--resume", str(interrupted), "--workers", "3") == 0
    ((config, options),) = train.asked
    assert (config.model.name, config.epochs, config.data.split.test) == ("cnn1d", 7, [3])
    assert (options["resume"], options["workers"], options["name"]) == (interrupted, 3, None)


def test_overrides_reach_the_check_that_refuses_them(train: Train, interrupted: Path) -> None:
    assert train("--resume", str(interrupted), "--set", "epochs=9") == 0
    ((config, _),) = train.asked
    assert config.epochs == 9


@pytest.mark.parametrize("given", ["neither", "both"])
def test_a_file_or_a_run_to_resume(
    train: Train, interrupted: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    assert train(*([] if given == "neither" else [str(train.path), "--resume", str(interrupted)])) == 2
    message = "give the YAML file of a new run, or --resume with the folder of an interrupted one; got "
    assert message + given in capsys.readouterr().err


def test_a_folder_where_no_run_began(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--resume", str(tmp_path)) == 2
    message = f"--resume {tmp_path}: no training run began there, for it has no config.yaml and no manifest.json; name"
    assert message in capsys.readouterr().err
