from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import raytrain
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.config.load import load_yaml, validate
from raytrain.config.schema import TrainConfig
from raytrain.distributed.train import TrainResult, run_training
from raytrain.engine.checkpoint import read_checkpoint
from raytrain.errors import ConfigError, RunError
from raytrain.types import FitState

pytestmark = pytest.mark.ray

CONFIG: dict[str, Any] = {
    "data": {"source": "rolling", "options": {"recordings_per_class": 5, "duration_s": 0.5}},
    "windows": {"length": 512},
    "model": {"name": "cnn1d", "depth": 2, "width": 4},
    "epochs": 3,
}


def _run(tmp_path: Path, settings: dict[str, Any], *, workers: int | None, name: str) -> TrainResult:
    config = validate(TrainConfig, CONFIG | settings, where="test")
    return run_training(config, workers=workers, runs_dir=tmp_path, name=name, console=Console(quiet=True))


def _check_files(result: TrainResult, epochs: int) -> None:
    lines = (result.directory / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, epochs + 1))
    best = max(row["val/macro_f1"] for row in result.history)
    assert result.judgements["validation"].metrics["val/macro_f1"] == best
    assert result.history[result.best_epoch - 1]["val/macro_f1"] == best
    assert {"config.yaml", "manifest.json", "best.pt", "result.json"} <= {f.name for f in result.directory.iterdir()}
    assert validate(TrainConfig, load_yaml(result.directory / "config.yaml"), where="written") is not None


def test_torchtrainer_on_two_workers_learns_like_one_process(cluster: None, tmp_path: Path) -> None:
    """BatchNorm sees half a batch per worker, so losses agree only roughly; bookkeeping agrees exactly."""
    alone = _run(tmp_path, {}, workers=None, name="alone")
    together = _run(tmp_path, {}, workers=2, name="together")
    _check_files(alone, 3)
    _check_files(together, 3)
    for one, two in zip(alone.history, together.history, strict=True):
        assert one["train/lr"] == pytest.approx(two["train/lr"], rel=1e-12)
        assert one["train/loss"] == pytest.approx(two["train/loss"], rel=0.1)
    windows = sum(map(sum, alone.judgements["test"].confusion))
    assert windows == sum(map(sum, together.judgements["test"].confusion))


def test_an_interrupted_run_goes_on_with_two_workers(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: ModelCheckpoint, state: FitState) -> None:
        real(self, state)
        if state.progress.step == cut_after:
            raise KeyboardInterrupt

    real, cut_after = ModelCheckpoint.on_step_end, 3
    with monkeypatch.context() as patch:
        patch.setattr(ModelCheckpoint, "on_step_end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _run(tmp_path, {"checkpoint_steps": 1}, workers=None, name="cut")
    config = validate(TrainConfig, CONFIG | {"checkpoint_steps": 1}, where="test")
    snapshot = read_checkpoint(tmp_path / "cut" / "last.pt")
    assert snapshot["step"] == cut_after
    result = run_training(config, workers=2, resume=tmp_path / "cut", console=Console(quiet=True))
    _check_files(result, 3)
    (resumed,) = json.loads((result.directory / "manifest.json").read_text())["resumed"]
    assert (resumed["workers"], resumed["step"]) == (2, cut_after)
    again = run_training(config, workers=2, resume=tmp_path / "cut", console=Console(quiet=True))
    assert again.history == result.history


def test_more_workers_than_the_cluster_has_cpus_for_are_refused_at_once(cluster: None, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"asks for 3 CPUs \(3 workers\), the cluster has 2 CPUs"):
        _run(tmp_path, {}, workers=3, name="three")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_worker_is_told_by_its_own_reason(cluster: None, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"train/loss is \S+ in epoch 1; lower optimizer.lr"):
        _run(tmp_path, {"optimizer": {"name": "adamw", "lr": 1e30}}, workers=1, name="wild")


def test_train_from_python(tmp_path: Path) -> None:
    result = raytrain.train(CONFIG, overrides={"epochs": 1}, runs_dir=tmp_path, name="api")
    assert len(result.history) == 1
