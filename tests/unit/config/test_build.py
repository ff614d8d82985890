from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest
import torch

from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.config.build import build_training, evaluation_loader, stopping_callbacks
from raytrain.config.parts import check_parts
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.errors import ConfigError, DataError
from raytrain.models.wdcnn import WDCNN
from raytrain.types import Callback, Loader

SAMPLES = 160
RECORDINGS = 8


@pytest.fixture(scope="module")
def store() -> SegmentStore:
    """Two classes, told apart by their frequency; of each two recordings train, one validates, one tests."""
    draw = np.random.default_rng(0)
    target = np.arange(RECORDINGS) % 2
    time = np.arange(SAMPLES)
    waves = np.sin(np.where(target, 0.9, 0.3)[:, None] * time) + 0.3 * draw.standard_normal((RECORDINGS, SAMPLES))
    signal = np.stack([waves.ravel(), -waves.ravel()]).astype(np.float32)
    signal.flags.writeable = False
    return SegmentStore(
        signal=signal,
        fs_hz=1000.0,
        offset=np.arange(RECORDINGS) * SAMPLES,
        samples=np.full(RECORDINGS, SAMPLES),
        start=np.zeros(RECORDINGS, dtype=np.int64),
        part=np.array([0, 0, 0, 0, 1, 1, 2, 2], dtype=np.int8),
        target=target,
        recording=np.arange(RECORDINGS),
        shaft_speed_rpm=np.full(RECORDINGS, 1800, dtype=np.float32),
        load=np.full(RECORDINGS, np.nan, dtype=np.float32),
        fault_orders=np.full((RECORDINGS, 4), np.nan),
        classes=("normal", "inner"),
        recording_ids=tuple(f"r{index}" for index in range(RECORDINGS)),
        channels=("x", "y"),
    )


def config(**settings: object) -> TrainConfig:
    small: dict[str, object] = {
        "windows": {"length": 32},
        "model": {"name": "cnn1d", "depth": 1, "width": 4, "stride": 2},
        "batch_size": 8,
        "device": "cpu",
        "epochs": 3,
    }
    return TrainConfig.model_validate(small | settings)


def report(**settings: object) -> list[str]:
    """Return the problems of the parts."""
    with pytest.raises(ConfigError) as caught:
        check_parts(TrainConfig.model_validate(settings))
    return str(caught.value).split("\n  ")


def test_the_defaults_are_good() -> None:
    check_parts(TrainConfig())


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"model": {"name": "wdnn"}}, "model.name: 'wdnn' is unknown; did you mean 'wdcnn'?"),
        ({"loss": {"name": "zzz"}}, "loss.name: 'zzz' is unknown; valid: ce, cross_entropy"),
        ({"optimizer": {"name": "adamm"}}, "optimizer.name: 'adamm' is unknown; did you mean 'adam'?"),
        (
            {"schedule": {"name": "warmup_cosin"}},
            "schedule.name: 'warmup_cosin' is unknown; did you mean 'warmup_cosine'?",
        ),
        ({"model": {"dropuot": 0.1}}, "model.dropuot: 'wdcnn' has no such setting; did you mean 'dropout'?"),
        (
            {"optimizer": {"name": "sgd", "betas": [0.9, 0.99]}},
            "optimizer.betas: 'sgd' has no such setting; valid: lr, momentum, nesterov, weight_decay",
        ),
        # What the caller of a part gives it is no setting of the user's.
        ({"model": {"num_classes": 3}}, "model.num_classes: 'wdcnn' has no such setting; valid: "),
        ({"optimizer": {"lr": "1e-3"}}, "optimizer.lr: Input should be a valid number (got '1e-3')"),
        ({"optimizer": {"lr": True}}, "optimizer.lr: Input should be a valid number (got True)"),
        ({"optimizer": {"lr": None}}, "optimizer.lr: Input should be a valid number (got None)"),
        ({"optimizer": {"lr": dt.date(2026, 1, 2)}}, "optimizer.lr: Input should be a valid number"),
        ({"optimizer": {"betas": [0.9, "x"]}}, "optimizer.betas.1: Input should be a valid number (got 'x')"),
        ({"optimizer": {"betas": [0.9]}}, "optimizer.betas.1: Field required (got [0.9])"),
        ({"model": {"width": 8.0}}, "model.width: Input should be a valid integer (got 8.0)"),
        ({"model": {"width": 8.5}}, "model.width: Input should be a valid integer (got 8.5)"),
        ({"model": {"width": "8"}}, "model.width: Input should be a valid integer (got '8')"),
        ({"optimizer": {"name": "sgd", "nesterov": 1}}, "optimizer.nesterov: Input should be a valid boolean (got 1)"),
        (
            {"model": {"name": "cnn1d", "pooling": "mean"}},
            "model.pooling: Input should be 'average', 'max' or 'both' (got 'mean')",
        ),
    ],
)
def test_an_unfit_part_is_told_by_field_rule_and_value(settings: dict[str, Any], problem: str) -> None:
    (line,) = report(**settings)
    assert line.startswith(problem)


def test_all_problems_of_all_parts_are_in_one_report() -> None:
    lines = report(
        model={"width": "x", "dropuot": 1, "zzz": 1}, loss={"name": "a"}, optimizer={"lr": "x"}, schedule={"zzz": 0}
    )
    assert [line.partition(":")[0] for line in lines] == [
        "model.dropuot",
        "model.zzz",
        "model.width",
        "loss.name",
        "optimizer.lr",
        "schedule.zzz",
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": {"lr": 1, "betas": [0.8, 0.99]}},
        {"optimizer": {"lr": np.float64(0.1)}},
        {"loss": {"class_weights": "none", "smoothing": 0}},
        {"model": {"name": "cnn1d", "growth": 2, "pooling": "both", "depth": 1, "stride": 1, "kernel_size": 3}},
    ],
)
def test_what_passes_the_check_is_taken_by_the_part(store: SegmentStore, settings: dict[str, Any]) -> None:
    checked = config(**settings)
    check_parts(checked)
    build_training(checked, store)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": {"name": "cnn1d", "kernel_size": 4}, "windows": {"length": 2048}}, "model.kernel_size must be odd"),
        ({"model": {"name": "wdcnn"}, "windows": {"length": 512}}, "windows.length: 512 samples are too few for model"),
    ],
)
def test_what_a_model_itself_refuses_is_told_before_any_run(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_parts(config(**settings))


def test_a_run_is_assembled_as_configured(store: SegmentStore) -> None:
    callback = Callback()
    training = build_training(
        config(
            windows={"length": 1024 // 8, "hop": 16},
            model={"name": "wdcnn", "width": 4, "first_kernel": 8, "first_stride": 1, "hidden": 8},
            optimizer={"name": "sgd", "lr": 0.5, "momentum": 0.25},
            schedule={"name": "constant"},
            accumulation_steps=2,
            max_grad_norm=None,
        ),
        store,
        callbacks=[callback],
    )
    assert isinstance(training.model, WDCNN)
    assert training.model.in_channels == 2
    assert (training.num_classes, training.num_recordings) == (2, RECORDINGS)
    assert isinstance(training.optimizer, torch.optim.SGD)
    assert training.optimizer.param_groups[0]["momentum"] == 0.25
    assert [group["lr"] for group in training.optimizer.param_groups] == [0.5, 0.5]
    assert (training.accumulation_steps, training.max_grad_norm, training.epochs) == (2, None, 3)
    assert training.device == torch.device("cpu")
    assert list(training.callbacks) == [callback]
    # (160 - 128) / 16 + 1 windows of each recording.
    assert sum(sizes(training.train)) == 4 * 3
    assert training.validation is not None
    assert sum(sizes(training.validation)) == 2 * 3


def test_the_schedule_ends_with_the_last_of_the_accumulated_steps(store: SegmentStore) -> None:
    # 4 recordings of 9 windows in batches of 8: 5 batches (8, 8, 8, 8, 4), so 3 steps in each of 3 epochs.
    training = build_training(
        config(accumulation_steps=2, optimizer={"lr": 0.1}, schedule={"final_fraction": 0.25}), store
    )
    assert sizes(training.train) == [8, 7, 7, 7, 7]
    state = fit(training)
    assert state.progress.step == 9
    assert training.optimizer.param_groups[0]["lr"] == pytest.approx(0.025)
    assert state.history[-2]["train/lr"] > 0.026


def sizes(loader: Loader) -> list[int]:
    return [len(batch) for batch in loader]


def recordings(loader: Loader) -> set[int]:
    return {int(index) for batch in loader for index in batch.conditions["recording"]}


def test_a_run_learns_and_is_judged_by_what_it_has_not_seen(store: SegmentStore) -> None:
    seed_everything(0)
    training = build_training(config(epochs=12, optimizer={"lr": 0.03}), store)
    history = fit(training).history
    assert history[-1]["train/accuracy"] > 0.9
    assert history[-1]["val/recording_accuracy"] == 1.0
    assert training.validation is not None
    seen, judged = (recordings(loader) for loader in (training.train, training.validation))
    assert (seen, judged) == ({0, 1, 2, 3}, {4, 5})


def test_the_same_seed_gives_the_same_run(store: SegmentStore) -> None:
    def history(seed: int) -> list[dict[str, float]]:
        seed_everything(seed)
        return fit(build_training(config(seed=seed), store)).history

    assert history(1) == history(1)
    assert history(1) != history(2)


def test_the_seed_decides_the_order_of_the_windows(store: SegmentStore) -> None:
    def order(seed: int) -> list[int]:
        loader = build_training(config(seed=seed), store).train
        return [int(start) for batch in loader for start in batch.conditions["window_start"]]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2))


def test_parts_can_be_joined_for_a_refit_without_validation(store: SegmentStore) -> None:
    training = build_training(config(), store, train=("train", "validation"), validation=None)
    assert sum(sizes(training.train)) == 6 * 9
    assert training.validation is None
    assert "val/loss" not in fit(training).history[0]


def test_class_weights_follow_from_the_windows_trained_on(store: SegmentStore) -> None:
    unbalanced = dataclasses.replace(store, target=np.array([0, 0, 0, 1, 0, 1, 0, 1]))
    training = build_training(config(), unbalanced)
    criterion = training.objective.criterion  # type: ignore[attr-defined]
    torch.testing.assert_close(criterion.weight, torch.tensor([2 / 3, 2.0]))


def test_an_evaluation_has_every_window_of_its_part_once_and_in_order(store: SegmentStore) -> None:
    loader = evaluation_loader(config(), store, ["test"])
    (batch,) = loader
    assert batch.conditions["recording"].tolist() == [6] * 9 + [7] * 9
    assert batch.conditions["window_start"].tolist() == [16 * index for index in range(9)] * 2
    shares = [evaluation_loader(config(), store, ["test"], rank=rank, world_size=2) for rank in (0, 1)]
    assert sum(len(one) for share in shares for one in share) == 18
    assert len(evaluation_loader(config(batch_size=4), store, ["test"])) == 1


def test_large_batches_are_also_evaluated_as_such(store: SegmentStore) -> None:
    assert evaluation_loader(config(windows={"length": 16, "hop": 1}), store, ["train"]).global_sizes == [194, 193, 193]
    large = config(windows={"length": 16, "hop": 1}, batch_size=400)
    assert evaluation_loader(large, store, ["train"]).global_sizes == [290, 290]


def test_windows_longer_than_a_recording_are_refused(store: SegmentStore) -> None:
    with pytest.raises(DataError, match=r"^windows\.length: 256 samples at 1000 Hz do not fit .*fits all parts is 160"):
        build_training(config(windows={"length": 256}), store)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": {"dropout": 2}}, "dropout"),
        ({"optimizer": {"lr": float("nan")}}, r"optimizer\.lr must be finite and above 0, got nan"),
        ({"schedule": {"warmup_fraction": 1}}, r"schedule\.warmup_fraction must be at least 0 and below 1, got 1"),
        ({"loss": {"smoothing": 1}}, r"loss\.smoothing must be at least 0 and below 1, got 1"),
        ({"precision": "fp16"}, "precision: fp16 needs a CUDA device"),
        ({"device": "cuda"}, "device: cuda asks for a GPU"),
    ],
)
def test_an_impossible_value_is_refused_by_its_part(
    store: SegmentStore, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=message):
        build_training(config(**settings), store)


def test_early_stopping_watches_the_metric_of_the_run() -> None:
    assert stopping_callbacks(config(early_stopping=None)) == []
    asked = config(early_stopping={"patience": 3, "min_delta": 0.5}, metric="val/loss")
    (callback,) = stopping_callbacks(asked)
    assert isinstance(callback, EarlyStopping)
    assert (callback.monitor, callback.mode, callback.patience, callback.min_delta) == ("val/loss", "min", 3, 0.5)
