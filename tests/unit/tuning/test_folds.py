from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raytrain.config.build import build_training
from raytrain.config.load import apply_overrides, validate
from raytrain.config.schema import DataConfig, WindowConfig
from raytrain.config.space import FoldsConfig, SpaceConfig
from raytrain.data.folds import fold_split
from raytrain.data.preprocess import prepare
from raytrain.data.recording import Recording
from raytrain.data.store import SegmentStore, store_key
from raytrain.data.windows import Windows
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.fit import Run
from raytrain.engine.seeding import seed_everything
from raytrain.errors import RunError
from raytrain.tuning.fold_scores import Aggregate, aggregated
from raytrain.tuning.fold_verdict import judge_folds, refit_folds
from raytrain.tuning.folds import FoldRuns
from raytrain.tuning.space import train_config

SPACE: dict[str, Any] = {
    "name": "folded",
    "fixed": {
        "windows": {"length": 64},
        "model": {"name": "cnn1d", "depth": 1, "width": 4, "stride": 2, "dropout": 0.2},
        "optimizer": {"lr": 0.02},
        "augmentation": {"name": "mixup"},
        "schedule": {"name": "plateau"},
        "batch_size": 8,
        "epochs": 4,
        "device": "cpu",
    },
    "parameters": {"optimizer.lr": {"type": "choice", "values": [0.01, 0.02]}},
    "folds": {"by": "by-load"},
}
POINT = {"optimizer.lr": 0.01}
FAULTS = ("inner", "normal", "outer")


def recording(fault: str, load: int) -> Recording:
    rng = np.random.default_rng([FAULTS.index(fault), load])
    tone = np.sin((0.3 + 0.4 * FAULTS.index(fault) + 0.05 * load) * np.arange(320))
    return Recording(
        signal=(tone + rng.standard_normal(320))[None].astype(np.float32),
        fs_hz=1000.0,
        shaft_speed_rpm=1800.0,
        label=fault,
        fault_type=fault,
        recording_id=f"{fault}_{load}",
        bearing_id=f"{fault}_{load}",
        dataset="rig",
        channels=("x",),
        load=float(load),
        load_unit="hp",
    )


@pytest.fixture(scope="module")
def store() -> SegmentStore:
    """Three faults at four loads: the last load tests, three folds are left."""
    recordings = [recording(fault, load) for fault in FAULTS for load in range(4)]
    data = validate(DataConfig, {"split": {"rule": "by-load", "test": [3]}}, where="data")
    folded = fold_split(recordings, data, FoldsConfig(by="by-load"))
    return prepare(recordings, folded.split, WindowConfig(length=64), target="fault_type", folds=folded.folds)


@pytest.fixture
def runs(store: SegmentStore) -> Callable[..., FoldRuns]:
    """Return a maker of runs over folds: `runs({"folds.aggregate": "worst"})` with dotted overrides."""

    def make(overrides: dict[str, Any] | None = None) -> FoldRuns:
        return FoldRuns(space(overrides), {store_key(WindowConfig(length=64)): store}.__getitem__)

    return make


def space(overrides: dict[str, Any] | None = None) -> SpaceConfig:
    return validate(SpaceConfig, apply_overrides(SPACE, overrides or {}), where="space")


def test_each_fold_is_trained_as_if_it_were_alone(
    runs: Callable[..., FoldRuns], store: SegmentStore, tmp_path: Path
) -> None:
    together = runs({"fixed.early_stopping": None})
    together.begin(POINT, directory=tmp_path)
    rows = [together.advance() for _ in range(4)]
    assert rows[-1]["finished"]
    assert not rows[-2]["finished"]
    config = train_config(space(), POINT)
    for name in store.folds:
        seed_everything(config.seed)
        alone = Run(build_training(config, store.fold(name)))
        for row in rows:
            metrics = alone.advance().metrics
            assert row[f"val/fold={name}/loss"] == metrics["val/loss"]
            assert row[f"val/fold={name}/macro_f1"] == metrics["val/macro_f1"]


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
def test_the_metric_is_that_over_the_folds(runs: Callable[..., FoldRuns], tmp_path: Path, aggregate: str) -> None:
    run = runs({"folds.aggregate": aggregate})
    run.begin(POINT, directory=tmp_path)
    row = run.advance()
    scores = [row[f"val/fold={load} hp/macro_f1"] for load in range(3)]
    losses = [row[f"val/fold={load} hp/loss"] for load in range(3)]
    assert len({*losses}) == 3
    expected = {
        "mean": (math.fsum(scores) / 3, math.fsum(losses) / 3),
        "worst": (min(scores), max(losses)),
    }
    assert (row["val/macro_f1"], row["val/loss"]) == expected[aggregate]
    assert row["epoch"] == 1
    assert row["improved"]


def test_a_run_that_goes_on_from_its_checkpoint_is_the_run_that_was_not_interrupted(
    runs: Callable[..., FoldRuns], tmp_path: Path
) -> None:
    straight, interrupted, resumed = runs(), runs(), runs()
    straight.begin(POINT, directory=tmp_path / "a")
    expected = [straight.advance() for _ in range(4)]
    interrupted.begin(POINT, directory=tmp_path / "b")
    before = [interrupted.advance() for _ in range(2)]
    write_checkpoint(tmp_path / "last.pt", interrupted.snapshot())
    interrupted.end()
    torch.rand(7)  # whatever happens in the process in between
    snapshot = read_checkpoint(tmp_path / "last.pt")
    assert (snapshot["epoch"], snapshot["point"]) == (2, POINT)
    resumed.begin(POINT, directory=tmp_path / "b", snapshot=snapshot)
    assert [*before, *(resumed.advance() for _ in range(2))] == expected
    assert resumed.history == straight.history


def test_a_trial_at_its_end_returns_its_last_epoch_again(runs: Callable[..., FoldRuns], tmp_path: Path) -> None:
    run = runs({"fixed.epochs": 1})
    run.begin(POINT, directory=tmp_path)
    last = run.advance()
    assert run.advance() == {**last, "improved": False}
    assert len(run.history) == 1


def test_early_stopping_watches_the_metric_over_all_folds(runs: Callable[..., FoldRuns], tmp_path: Path) -> None:
    run = runs({"fixed.epochs": 30, "fixed.early_stopping": {"patience": 2}, "fixed.optimizer.lr": 1e-9})
    run.begin({"optimizer.lr": 1e-12}, directory=tmp_path)
    rows: list[dict[str, Any]] = []
    while not rows or not rows[-1]["finished"]:
        rows.append(run.advance())
    assert rows[-1]["stop_reason"] == "val/macro_f1 has not improved for 2 epochs"
    values = [row["val/macro_f1"] for row in rows]
    assert int(np.argmax(values)) == len(values) - 3
    assert len(rows) < 30


def test_a_fold_that_a_callback_stops_ends_the_trial(runs: Callable[..., FoldRuns], tmp_path: Path) -> None:
    run = runs(
        {
            "fixed.callbacks": {
                "early_stopping": {"monitor": "val/loss", "mode": "min", "patience": 1, "min_delta": 10.0}
            }
        }
    )
    run.begin(POINT, directory=tmp_path)
    assert not run.advance()["finished"]
    row = run.advance()
    assert row["finished"]
    assert row["stop_reason"].startswith("fold 0 hp: ")


def test_callbacks_of_each_fold_write_into_a_folder_of_their_own(runs: Callable[..., FoldRuns], tmp_path: Path) -> None:
    run = runs({"fixed.callbacks": {"metric_logger": {}}})
    run.begin(POINT, directory=tmp_path)
    run.advance()
    run.end()
    assert sorted(file.parent.name for file in tmp_path.rglob("metrics.jsonl")) == ["fold-1", "fold-2", "fold-3"]


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
def test_08_the_stored_checkpoint_of_each_fold_reproduces_what_was_reported(
    runs: Callable[..., FoldRuns], store: SegmentStore, tmp_path: Path, aggregate: Aggregate
) -> None:
    run = runs({"folds.aggregate": aggregate})
    run.begin(POINT, directory=tmp_path)
    reported = [run.advance() for _ in range(2)][-1]
    write_checkpoint(tmp_path / "best.pt", run.snapshot())
    run.advance()
    snapshot = read_checkpoint(tmp_path / "best.pt")["run"]
    config = train_config(space(), POINT)
    together, scores = judge_folds(config, store=store, snapshot=snapshot, aggregate=aggregate)
    assert together["validation"].metrics == {
        name: value for name, value in reported.items() if name.startswith("val/") and "fold=" not in name
    }
    for score in scores:
        assert score.validation["val/macro_f1"] == reported[f"val/fold={score.name}/macro_f1"]
        assert (score.train_segments, score.validation_segments) == (6, 3)
    assert together["test"].metrics == aggregated([score.test for score in scores], "mean")
    windows = {part: len(Windows(store, [part], config.windows)) for part in ("train", "test")}
    assert np.sum(together["validation"].confusion) == windows["train"]  # each window validates once
    assert np.sum(together["test"].confusion) == 3 * windows["test"]
    assert together["validation"].recall == pytest.approx(
        list(np.diag(together["validation"].confusion) / np.sum(together["validation"].confusion, axis=1))
    )


def test_the_refit_learns_from_all_that_is_not_tested(
    runs: Callable[..., FoldRuns], store: SegmentStore, tmp_path: Path
) -> None:
    run = runs()
    run.begin(POINT, directory=tmp_path)
    run.advance()
    run.advance()
    history = run.snapshot()["run"]["history"]
    snapshot, judgement = refit_folds(
        train_config(space(), POINT), store=store, history=history, directory=tmp_path / "refit"
    )
    assert snapshot["epoch"] == 2
    assert snapshot["step"] == 2 * math.ceil(9 * 9 / 8)  # nine recordings of nine windows
    assert judgement.metrics["test/loss"] > 0
    assert [row["train/lr"] for row in snapshot["history"]] == pytest.approx([row["train/lr"] for row in history])


def test_a_checkpoint_of_other_folds_is_refused(
    runs: Callable[..., FoldRuns], store: SegmentStore, tmp_path: Path
) -> None:
    run = runs()
    run.begin(POINT, directory=tmp_path)
    snapshot = run.snapshot()
    snapshot["run"]["folds"] = {"7 mil": None}
    with pytest.raises(RunError, match="folds 7 mil, the sweep has 0 hp, 1 hp, 2 hp"):
        runs().begin(POINT, directory=tmp_path, snapshot=snapshot)


def test_what_was_not_begun_cannot_advance(runs: Callable[..., FoldRuns]) -> None:
    with pytest.raises(RunError, match="begin one first"):
        runs().advance()


def test_a_diverging_fold_fails_the_trial(runs: Callable[..., FoldRuns], tmp_path: Path) -> None:
    run = runs({"fixed.max_grad_norm": None, "fixed.optimizer": {"name": "sgd"}})
    run.begin({"optimizer.lr": 1e30}, directory=tmp_path)
    with pytest.raises(RunError, match=r"lower optimizer\.lr"):
        run.advance()
