"""Runs with every augmentation of the table, from their configuration to their weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raytrain.augment import AUGMENTATIONS
from raytrain.config.build import build_training
from raytrain.config.parts import check_parts
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.fit import Run, fit
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.engine.transforms import epoch_generator, transformed
from raytrain.types import Progress

SAMPLES, RECORDINGS = 640, 8
CPU = torch.device("cpu")

SETTINGS: dict[str, dict[str, Any]] = {
    "compose": {"steps": [{"name": "time_shift"}, {"name": "mixup", "alpha": 0.5}, {"name": "gaussian_noise"}]},
    "gaussian_noise": {"snr_db": 6.0},
    "patch": {"patch_length": 8, "preset": "heavy"},
}
IMAGES = {"tfr": {"name": "stft", "window_length": 32}, "model": {"name": "cnn2d", "depth": 1}}


@pytest.fixture(scope="module")
def store() -> SegmentStore:
    """Two classes, told apart by their frequency; of each two recordings train and one validates."""
    draw = np.random.default_rng(0)
    target = np.arange(RECORDINGS) % 2
    waves = np.sin(np.where(target, 0.9, 0.3)[:, None] * np.arange(SAMPLES)) + draw.standard_normal(
        (RECORDINGS, SAMPLES)
    )
    return SegmentStore(
        signal=waves.reshape(1, -1).astype(np.float32),
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
        channels=("x",),
    )


def build(store: SegmentStore, name: str, **settings: object) -> Training:
    config = {
        "windows": {"length": 64},
        "model": {"name": "cnn1d", "depth": 1, "width": 4, "stride": 2, "dropout": 0.2},
        "augmentation": {"name": name, **SETTINGS.get(name, {})},
        "batch_size": 16,
        "device": "cpu",
        "epochs": 4,
        **(IMAGES if name == "spec_augment" else {}),
        **settings,
    }
    checked = TrainConfig.model_validate(config)
    check_parts(checked)
    seed_everything(0)
    return build_training(checked, store)


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_a_resumed_run_repeats_the_draws_bit_for_bit(store: SegmentStore, name: str) -> None:
    whole = fit(build(store, name))
    half = Run(build(store, name))
    half.advance()
    half.advance()
    snapshot = half.snapshot()
    half.close()
    seed_everything(99)
    resumed = fit(build(store, name), resume=snapshot)
    assert resumed.history == whole.history
    assert same(resumed.model.state_dict(), whole.model.state_dict())


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS.keys() - {"none"}))
def test_training_differs_from_that_without(store: SegmentStore, name: str) -> None:
    parts = IMAGES if name == "spec_augment" else {}
    augmented, plain = fit(build(store, name, epochs=1)), fit(build(store, "none", epochs=1, **parts))
    assert augmented.history[0]["train/loss"] != plain.history[0]["train/loss"]
    assert not same(augmented.model.state_dict(), plain.model.state_dict())


@pytest.mark.parametrize("name", ["mixup", "cutmix", "patch"])
def test_the_training_accuracy_counts_each_class_by_its_share(store: SegmentStore, name: str) -> None:
    """With one batch per epoch, the first epoch's accuracy is that of the model it starts from."""
    training = build(store, name, batch_size=500, epochs=1)
    training.train.set_epoch(0)
    (batch,) = list(training.train)
    progress = Progress(0, 0, 0.0)
    generator = epoch_generator(training.seed, epoch=0, device=CPU)
    mixed = transformed(batch, training.transforms, progress, generator)
    assert mixed.mixture is not None
    torch.manual_seed(5)
    with torch.no_grad():
        predicted = training.model.train()(mixed.signal).argmax(dim=1)
    right = (predicted == mixed.targets).double(), (predicted == mixed.mixture.targets).double()
    weight = mixed.mixture.weight.double()
    expected = float((weight * right[0] + (1 - weight) * right[1]).mean())

    again = build(store, name, batch_size=500, epochs=1)
    torch.manual_seed(5)  # the same dropout
    accuracy = fit(again).history[0]["train/accuracy"]
    assert accuracy == pytest.approx(expected, abs=1e-6)
    assert accuracy != pytest.approx(float(right[0].mean()), abs=1e-5)
