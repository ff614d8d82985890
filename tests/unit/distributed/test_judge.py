from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raytrain.config.build import build_training
from raytrain.config.schema import Part, TrainConfig, WindowConfig
from raytrain.data.preprocess import prepare
from raytrain.data.recording import Recording
from raytrain.data.segments import Segment, Split
from raytrain.data.store import SegmentStore
from raytrain.distributed.judge import judge, refit
from raytrain.engine.fit import Run, fit
from raytrain.engine.seeding import seed_everything


def rows(epochs: int, rate: float = 0.1) -> list[dict[str, float]]:
    """Return the history of a run: all that a refit needs of it is its length and, at times, its rates."""
    return [{"train/lr": rate / 2**epoch} for epoch in range(epochs)]


CONFIG = TrainConfig.model_validate(
    {
        "windows": {"length": 64},
        "model": {"name": "cnn1d", "depth": 1, "width": 4, "stride": 2, "dropout": 0.2},
        "optimizer": {"lr": 0.02},
        "batch_size": 8,
        "epochs": 4,
        "device": "cpu",
    }
)
WINDOWS = 9  # (320 - 64) / 32 + 1 of each recording


def recording(index: int) -> Recording:
    fault = ("normal", "inner", "outer")[index % 3]
    noise = np.random.default_rng(index).standard_normal(320)
    signal = np.sin({"normal": 0.2, "inner": 0.6, "outer": 1.2}[fault] * np.arange(320)) + noise
    return Recording(
        signal=signal[None].astype(np.float32),
        fs_hz=1000.0,
        shaft_speed_rpm=1800.0,
        label=fault,
        fault_type=fault,
        recording_id=f"r{index}",
        bearing_id=f"b{index}",
        dataset="rig",
        channels=("x",),
    )


@pytest.fixture(scope="module")
def store() -> SegmentStore:
    """Six recordings train, three validate, two test: the class `outer` is in no test recording."""
    recordings = [recording(index) for index in range(11)]
    segments = tuple(Segment(one.recording_id, 0, one.samples) for one in recordings)
    split = Split("by-recording", segments[:6], segments[6:9], segments[9:], ("inner", "normal", "outer"))
    return prepare(recordings, split, WindowConfig(length=64), target="fault_type")


def test_a_checkpoint_is_worth_on_validation_what_its_run_reported(store: SegmentStore) -> None:
    seed_everything(CONFIG.seed)
    run = Run(build_training(CONFIG, store))
    run.advance()
    reported = {key: value for key, value in run.advance().metrics.items() if key.startswith("val/")}
    assert judge(CONFIG, store=store, snapshot=run.snapshot(), parts=["validation"])["validation"].metrics == reported


def test_the_matrices_are_those_the_metrics_follow_from(store: SegmentStore) -> None:
    seed_everything(CONFIG.seed)
    snapshot = fit(build_training(CONFIG, store)).snapshot()
    judgements = judge(CONFIG, store=store, snapshot=snapshot, parts=["validation", "test"])
    assert list(judgements) == ["validation", "test"]

    validation = judgements["validation"]
    confusion = np.array(validation.confusion)
    assert confusion.sum(axis=1).tolist() == [WINDOWS] * 3
    assert validation.recall == pytest.approx(confusion.diagonal() / WINDOWS)
    assert validation.metrics["val/accuracy"] == pytest.approx(confusion.trace() / confusion.sum())
    assert np.array(validation.recording_confusion).sum(axis=1).tolist() == [1, 1, 1]

    test = judgements["test"]
    assert set(test.metrics) == {key.replace("val/", "test/") for key in validation.metrics}
    assert np.array(test.confusion).sum(axis=1).tolist() == [WINDOWS, WINDOWS, 0]
    assert np.isnan(test.recall).tolist() == [False, False, True]
    assert np.array(test.recording_confusion).sum(axis=1).tolist() == [1, 1, 0]


def test_each_recording_of_the_part_is_told_by_name(store: SegmentStore) -> None:
    seed_everything(CONFIG.seed)
    snapshot = fit(build_training(CONFIG, store)).snapshot()
    judgement = judge(CONFIG, store=store, snapshot=snapshot, parts=["validation"])["validation"]
    assert [one.recording for one in judgement.recordings] == ["r6", "r7", "r8"]
    assert [one.truth for one in judgement.recordings] == ["normal", "inner", "outer"]
    assert {one.windows for one in judgement.recordings} == {WINDOWS}
    right = sum(one.right * one.windows for one in judgement.recordings)
    assert right == pytest.approx(np.trace(judgement.confusion))
    votes = np.zeros((3, 3), dtype=int)
    for one in judgement.recordings:
        votes[store.classes.index(one.truth), store.classes.index(one.voted)] += 1
        assert 1 / 3 <= one.probability <= 1
    assert votes.tolist() == judgement.recording_confusion


def test_judging_leaves_the_snapshot_as_it_is(store: SegmentStore) -> None:
    seed_everything(CONFIG.seed)
    snapshot = fit(build_training(CONFIG, store)).snapshot()
    before = {name: value.clone() for name, value in snapshot["model"].items()}
    first = judge(CONFIG, store=store, snapshot=snapshot, parts=["test"])
    assert all(torch.equal(value, before[name]) for name, value in snapshot["model"].items())
    assert judge(CONFIG, store=store, snapshot=snapshot, parts=["test"])["test"].metrics == first["test"].metrics


def test_a_refit_learns_from_all_but_the_test_part_for_the_epochs_asked(store: SegmentStore) -> None:
    snapshot, judgement = refit(CONFIG, store=store, directory=Path(), history=rows(2))
    # 81 windows in 11 batches of 8 or 7.
    assert (snapshot["epoch"], snapshot["step"]) == (2, 22)
    assert snapshot["stop_reason"] == "planned to end after 2 epochs"
    assert np.array(judgement.confusion).sum() == 2 * WINDOWS
    assert judgement.metrics == judge(CONFIG, store=store, snapshot=snapshot, parts=["test"])["test"].metrics


def test_a_refit_follows_the_schedule_that_was_planned(store: SegmentStore) -> None:
    # Stopped early, it ends at the learning rate the run had there, not at the schedule's end.
    rates = [
        refit(CONFIG, store=store, directory=Path(), history=rows(epochs))[0]["history"][-1]["train/lr"]
        for epochs in (1, 2, 4)
    ]
    whole = refit(CONFIG, store=store, directory=Path(), history=rows(4))[0]["history"]
    assert rates == [whole[0]["train/lr"], whole[1]["train/lr"], whole[3]["train/lr"]]
    assert rates[0] > rates[1] > rates[2]


def test_a_refit_repeats_under_its_seed(store: SegmentStore) -> None:
    first, again = (refit(CONFIG, store=store, directory=Path(), history=rows(2))[1].metrics for _ in range(2))
    assert first == again
    other = CONFIG.model_copy(update={"seed": 1})
    assert refit(other, store=store, directory=Path(), history=rows(2))[1].metrics != first


def test_a_schedule_that_watched_validation_repeats_its_rates_in_the_refit(store: SegmentStore) -> None:
    for schedule in ({"name": "plateau"}, {"name": "warmup", "base": "plateau"}):
        config = CONFIG.model_copy(update={"schedule": Part(**schedule)})
        snapshot, _ = refit(config, store=store, directory=Path(), history=rows(3, rate=0.04))
        assert [row["train/lr"] for row in snapshot["history"]] == pytest.approx([0.04, 0.02, 0.01])


def test_callbacks_that_watch_validation_are_left_out_of_the_refit(store: SegmentStore, tmp_path: Path) -> None:
    callbacks: dict[str, Any] = {"early_stopping": {}, "model_checkpoint": {}, "metric_logger": {}}
    config = CONFIG.model_copy(update={"callbacks": callbacks})
    snapshot, _ = refit(config, store=store, directory=tmp_path, history=rows(2))
    assert len(snapshot["history"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]
