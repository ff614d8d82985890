"""An interrupted run goes on in its folder: the same files as of one that was not, and what it refuses."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.config.load import validate
from raytrain.config.schema import TrainConfig
from raytrain.distributed.resume import run_config
from raytrain.distributed.train import TrainResult, run_training
from raytrain.engine.checkpoint import read_checkpoint
from raytrain.engine.run_directory import claimed
from raytrain.errors import ConfigError, DataError, RunError

SETTINGS: dict[str, Any] = {
    "data": {"source": "rolling", "options": {"recordings_per_class": 5, "duration_s": 0.25}},
    "windows": {"length": 256},
    "model": {"name": "cnn1d", "depth": 2, "width": 4, "dropout": 0.2},
    "augmentation": {"name": "gaussian_noise"},
    "epochs": 3,
    "batch_size": 48,
    "accumulation_steps": 2,
    "checkpoint_steps": 1,
    "callbacks": {
        "ema": {"decay": 0.9},
        "gradient_monitor": {"log_interval": 2},
        "tensorboard": {"step_interval": 1},
    },
    "device": "cpu",
}
"""Three steps an epoch."""


def same(left: object, right: object) -> bool:
    """Return whether two nested values are equal to the last bit."""
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def train(folder: Path, *, resume: bool = False, **settings: object) -> tuple[TrainResult, str]:
    """Train into `folder`, or go on there; return the result and what was told."""
    screen = io.StringIO()
    console = Console(file=screen, width=400)
    config = validate(TrainConfig, SETTINGS | settings, where="test")
    where: dict[str, Any] = {"resume": folder} if resume else {"runs_dir": folder.parent, "name": folder.name}
    return run_training(config, console=console, command=["raytrain", "train"], **where), screen.getvalue()


class Interrupt:
    """Ctrl-C after a step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        real = ModelCheckpoint.on_step_end

        def interrupted(self: ModelCheckpoint, state: Any) -> None:  # noqa: ANN401 - FitState
            real(self, state)
            if state.progress.step == step:
                raise KeyboardInterrupt

        monkeypatch.setattr(ModelCheckpoint, "on_step_end", interrupted)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(folder)
    return folder


@pytest.fixture
def cut(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the same run, interrupted in its second epoch."""
    with monkeypatch.context() as patch:
        Interrupt(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "cut")
    return tmp_path / "cut"


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard shows of a run."""
    from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

    shown: dict[str, list[tuple[int, float]]] = {}
    for place in (folder / "tensorboard", folder / "tensorboard" / "steps"):
        events = event_accumulator.EventAccumulator(str(place)).Reload()
        shown |= {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return shown


def check_same(cut: Path, whole: Path) -> None:
    for name in ("metrics.jsonl", "result.json", "config.yaml"):
        assert (cut / name).read_text("utf-8") == (whole / name).read_text("utf-8")
    for name in ("best.pt", "last.pt", "last-1.pt"):
        assert same(read_checkpoint(cut / name), read_checkpoint(whole / name)), name
    assert scalars(cut) == scalars(whole)


def test_an_interrupted_run_goes_on_to_the_same_files(cut: Path, whole: Path) -> None:
    assert read_checkpoint(cut / "last.pt")["batch"] > 0
    result, told = train(cut, resume=True)
    assert "going on from last.pt: after epoch 1, batch 2 of epoch 2\n" in told
    check_same(cut, whole)
    assert (len(result.history), result.directory) == (3, cut)
    (resumed,) = json.loads((cut / "manifest.json").read_text("utf-8"))["resumed"]
    assert (resumed["epoch"], resumed["step"], resumed["workers"]) == (1, 4, None)


def test_the_checkpoint_before_a_damaged_one_is_used_and_told(cut: Path, whole: Path) -> None:
    (cut / "last.pt").write_bytes((cut / "last.pt").read_bytes()[:-7])
    (cut / ".last.pt.123.partial").write_bytes(b"half a checkpoint")
    _, told = train(cut, resume=True)
    damage = f"checkpoint {cut / 'last.pt'} is damaged: its checksum does not match"
    assert f"{damage}; it is kept as last.pt.damaged\n" in told
    assert "going on from last-1.pt: after epoch 1\n" in told
    assert not (cut / ".last.pt.123.partial").exists()
    (cut / "last.pt.damaged").unlink()
    check_same(cut, whole)


def test_a_run_killed_before_its_first_checkpoint_goes_on_from_its_start(cut: Path, whole: Path) -> None:
    for path in cut.glob("*.pt"):
        path.unlink()
    _, told = train(cut, resume=True)
    assert "the run has no checkpoint yet; it goes on from its start" in told
    check_same(cut, whole)


def test_a_finished_run_is_only_judged_again(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file() and path.name != "manifest.json"}
    (whole / "result.json").unlink()
    monkeypatch.setattr("raytrain.distributed.train.fit", lambda *_, **__: pytest.fail("trained again"))
    result, told = train(whole, resume=True)
    assert "the run is finished (all 3 epochs are done); it is judged again" in told
    assert len(result.history) == 3
    assert {path: path.read_bytes() for path in before} == before


def test_ctrl_c_tells_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Interrupt(monkeypatch, 1)
    screen = io.StringIO()
    config = validate(TrainConfig, SETTINGS, where="test")
    with pytest.raises(KeyboardInterrupt):
        run_training(config, runs_dir=tmp_path, name="a", console=Console(file=screen, width=40))
    expected = f"interrupted; `raytrain train --resume {tmp_path / 'a'}` goes on from the latest checkpoint\n"
    assert screen.getvalue().endswith(expected)


def test_a_changed_configuration_is_refused_by_its_fields(cut: Path) -> None:
    before = {path: path.read_bytes() for path in cut.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError) as caught:
        train(cut, resume=True, epochs=5, optimizer={"lr": 0.1})
    assert str(caught.value) == (
        f"--resume {cut}: a run goes on as it began, and it began with epochs 3, not 5; optimizer.lr unset, not 0.1; "
        f"leave the change out, or start a new run of {cut}/config.yaml"
    )
    assert {path: path.read_bytes() for path in before} == before


def test_other_recordings_are_refused(cut: Path) -> None:
    path = cut / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    content["data"]["sha256"] = "0" * 64
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=r"the recordings are not those the run began with \(SHA-256 .*, then 0000000"):
        train(cut, resume=True)


def test_a_run_that_is_being_trained_is_left_alone(cut: Path) -> None:
    with claimed(cut), pytest.raises(RunError, match="is being trained by another process"):
        train(cut, resume=True)


def test_a_resumed_run_keeps_its_name(cut: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--name b: a resumed run keeps its name and folder; leave --name out$"):
        run_training(run_config(cut), resume=cut, name="b", console=Console(quiet=True))


KILLED = """
import json, os, signal, sys
from pathlib import Path
import torch.utils.tensorboard
from rich.console import Console
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.config.schema import TrainConfig
from raytrain.distributed.train import run_training

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def train_until(moment, step, name):
    real = ModelCheckpoint.on_step_end
    def killed(self, state):
        due = state.progress.step == step
        if due and moment == "before":
            die()
        if due and moment == "within":  # the new checkpoint is half written
            os.fsync = die
        real(self, state)
        if due:
            die()
    ModelCheckpoint.on_step_end = killed
    config = TrainConfig.model_validate(json.loads(sys.argv[1]))
    run_training(config, runs_dir=Path(sys.argv[2]), name=name, console=Console(quiet=True))

for kill in sys.argv[3:]:  # imports are shared, the processes that are killed are not
    child = os.fork()
    if child == 0:
        moment, step = kill.split("-")
        train_until(moment, int(step), kill)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, kill
"""
KILLS = ["before-1", "after-2", "within-4", "after-6", "before-8"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs whose processes were killed before, within or after the checkpoint of a step."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-c", KILLED, json.dumps(SETTINGS), str(folder), *KILLS]
    process = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert process.returncode == 0, process.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kill", KILLS)
def test_a_process_that_is_killed_loses_nothing(whole: Path, killed: Path, kill: str) -> None:
    cut = killed / kill
    assert len(list(cut.glob(".last.pt.*.partial"))) == kill.startswith("within")
    train(cut, resume=True)
    check_same(cut, whole)
    assert list(cut.glob(".*.partial")) == []
