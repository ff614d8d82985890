from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raytrain.config.load import apply_overrides, validate
from raytrain.config.schema import DataConfig, WindowConfig
from raytrain.config.space import FoldsConfig, SpaceConfig
from raytrain.data.folds import fold_split
from raytrain.data.preprocess import prepare
from raytrain.data.recording import Recording
from raytrain.data.splits import make_split
from raytrain.data.store import SegmentStore
from raytrain.tuning.confirming_run import repeat_again, train_again
from raytrain.tuning.folds import FoldRuns
from raytrain.tuning.worker import Worker

SPACE: dict[str, Any] = {
    "name": "again",
    "fixed": {
        "windows": {"length": 64},
        "model": {"name": "cnn1d", "depth": 1, "width": 4, "stride": 2},
        "batch_size": 8,
        "epochs": 4,
        "device": "cpu",
        "callbacks": {"metric_logger": {}},
    },
    "parameters": {"optimizer.lr": {"type": "choice", "values": [0.01, 0.02]}},
    "confirm": {"top": 1, "seeds": 2},
}
POINT = {"optimizer.lr": 0.02}
FAULTS = ("inner", "normal", "outer")
WINDOWS = WindowConfig(length=64)
DATA = validate(DataConfig, {"split": {"rule": "by-load", "test": [3]}}, where="data")


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


RECORDINGS = [recording(fault, load) for fault in FAULTS for load in range(4)]


def space(overrides: dict[str, Any] | None = None) -> SpaceConfig:
    return validate(SpaceConfig, apply_overrides(SPACE, overrides or {}), where="space")


@pytest.fixture(scope="module")
def stores() -> dict[bool, SegmentStore]:
    """The same recordings, without and with folds."""
    folded = fold_split(RECORDINGS, DATA, FoldsConfig(by="by-load"))
    return {
        False: prepare(RECORDINGS, make_split(RECORDINGS, DATA.split, target="label"), WINDOWS, target="label"),
        True: prepare(RECORDINGS, folded.split, WINDOWS, target="label", folds=folded.folds),
    }


@pytest.mark.parametrize("folds", [False, True])
def test_a_run_is_a_trial_with_another_seed_judged_at_its_best_epoch(
    stores: dict[bool, SegmentStore], tmp_path: Path, folds: bool
) -> None:
    sweep = space({"folds": {"by": "by-load"}} if folds else None)
    run = train_again(sweep, POINT, seed=7, store=stores[folds], directory=tmp_path / "again")
    trial = (FoldRuns if folds else Worker)(sweep, lambda _key: stores[folds])
    trial.begin({**POINT, "seed": 7}, directory=tmp_path / "trial")
    rows = [trial.advance() for _ in range(4)]
    values = [row["val/macro_f1"] for row in rows]
    assert run.epoch == int(np.argmax(values)) + 1
    best = rows[run.epoch - 1]
    assert run.validation == {name: best[name] for name in run.validation}
    assert run.validation["val/macro_f1"] == max(values)
    assert set(run.test) == {name.replace("val/", "test/") for name in run.validation}
    assert (run.seed, run.reason) == (7, "")
    other = train_again(sweep, POINT, seed=8, store=stores[folds], directory=tmp_path / "other")
    assert other.validation != run.validation


def test_a_run_that_diverges_says_why(stores: dict[bool, SegmentStore], tmp_path: Path) -> None:
    wild = space({"fixed.optimizer": {"name": "sgd"}, "fixed.max_grad_norm": None})
    run = train_again(wild, {"optimizer.lr": 1e30}, seed=7, store=stores[False], directory=tmp_path)
    assert "lower optimizer.lr" in run.reason
    assert (run.epoch, run.validation, run.test) == (0, {}, {})


def test_a_full_disk_is_not_the_configurations_fault(
    stores: dict[bool, SegmentStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Worker, "begin", full)
    with pytest.raises(OSError, match="No space left"):
        train_again(space(), POINT, seed=7, store=stores[False], directory=tmp_path)


def test_what_an_interrupted_run_wrote_is_not_gone_on_with(stores: dict[bool, SegmentStore], tmp_path: Path) -> None:
    for _ in range(2):
        train_again(space(), POINT, seed=7, store=stores[False], directory=tmp_path / "run")
    assert len((tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()) == 4


def test_a_classical_model_is_repeated_with_the_seed(stores: dict[bool, SegmentStore]) -> None:
    windows = WindowConfig(length=128, normalize="none")
    one, same, other = (
        repeat_again(stores[False], windows, name="random_forest", seed=seed, aggregate="mean") for seed in (1, 1, 2)
    )
    assert (one.validation, one.test) == (same.validation, same.test)
    assert one.validation != other.validation
    assert (one.epoch, one.seed) == (0, 1)
