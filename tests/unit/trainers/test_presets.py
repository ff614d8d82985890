"""What every trainer holds: it learns, it goes on exactly from a checkpoint, it takes the common keywords."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn

import raytrain.trainers
from raytrain.augment import SpecAugment
from raytrain.augment.resize import ProgressiveResize
from raytrain.callbacks import EarlyStopping
from raytrain.engine.checkpoint import read_checkpoint
from raytrain.losses.consistency import create_consistency
from raytrain.losses.loss_data import LossData
from raytrain.objectives import Distillation, PhysicsInformed, create_objective
from raytrain.optim.step_schedules import constant
from raytrain.tfr import Stft
from raytrain.trainers import (
    CNNTrainer,
    DistillationTrainer,
    MixedPrecisionTrainer,
    MultiTFRTrainer,
    PINNTrainer,
    ProgressiveResizingTrainer,
    SpectrogramTrainer,
    Trainer,
)
from raytrain.trainers.fault_orders import fault_orders
from raytrain.trainers.views import AlignedViews
from raytrain.types import Batch, Progress

Batches: TypeAlias = list[dict[str, Tensor]]
Settings: TypeAlias = dict[str, Any]
Maker: TypeAlias = Callable[[Settings], Trainer]

RATE_HZ = 12_000.0
IMAGES = Stft(RATE_HZ, window_length=64, hop=32)


def recordings(seed: int = 0) -> Batches:
    """Return two batches of windows of a healthy and of a faulty bearing, a resonance struck at BPFO."""
    generator = torch.Generator().manual_seed(seed)
    time_s = torch.arange(2048) / RATE_HZ
    targets = torch.arange(8) % 2
    strikes = 1 + targets[:, None] * torch.sin(2 * torch.pi * 3.5848 * 100 * time_s)
    signal = torch.sin(2 * torch.pi * (2000 + 1000 * targets[:, None]) * time_s) * strikes
    signal = (signal + 0.3 * torch.randn(8, 2048, generator=generator))[:, None]
    conditions = {
        "shaft_speed_rpm": torch.full((8,), 6000.0),
        "recording": targets,
        "window_start": torch.arange(8) // 2 * 2048,
    }
    halves = [slice(0, 4), slice(4, 8)]
    return [
        {"inputs": signal[half], "targets": targets[half], **{k: v[half] for k, v in conditions.items()}}
        for half in halves
    ]


def network(*, width: int = 4) -> nn.Module:
    layers = (nn.Conv1d(1, width, 9, stride=4), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(width, 2))


def image_network() -> nn.Module:
    layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten())
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(16, 2))


def view_loaders(seed: int = 0) -> Mapping[str, list[tuple[Tensor, Tensor]]]:
    images = [(IMAGES.transform(batch["inputs"]), batch["targets"]) for batch in recordings(seed)]
    return {"stft": images, "power": [(image.exp(), targets) for image, targets in images]}


def _plain(kind: type[Trainer]) -> Maker:
    return lambda common: kind(network(), recordings(), recordings(1), **common)


def distillation(common: Settings) -> Trainer:
    return DistillationTrainer(network(width=8), network(), recordings(), recordings(1), **common)


def physics(common: Settings) -> Trainer:
    return PINNTrainer(
        network(),
        recordings(),
        recordings(1),
        sample_rate_hz=RATE_HZ,
        classes=["normal", "outer"],
        bearing="6205",
        **common,
    )


def spectrogram(common: Settings) -> Trainer:
    return SpectrogramTrainer(
        image_network(), recordings(), recordings(1), transform=IMAGES, time_mask_param=4, freq_mask_param=4, **common
    )


def multi_tfr(common: Settings) -> Trainer:
    return MultiTFRTrainer(
        image_network(),
        train_loaders=view_loaders(),
        val_loaders=view_loaders(1),
        time_mask_param=4,
        freq_mask_param=4,
        **common,
    )


def resizing(common: Settings) -> Trainer:
    return ProgressiveResizingTrainer(
        network(), recordings(), recordings(1), schedule=[(512, 1), (1024, 2), (2048, 1)], **common
    )


MAKE: Mapping[str, Maker] = {
    "Trainer": _plain(Trainer),
    "CNNTrainer": _plain(CNNTrainer),
    "DistillationTrainer": distillation,
    "MixedPrecisionTrainer": _plain(MixedPrecisionTrainer),
    "MultiTFRTrainer": multi_tfr,
    "PINNTrainer": physics,
    "ProgressiveResizingTrainer": resizing,
    "SpectrogramTrainer": spectrogram,
}


def make(name: str, common: Settings | None = None) -> Trainer:
    torch.manual_seed(1)
    return MAKE[name]({"device": "cpu", "seed": 3} | (common or {}))


def weights(trainer: Trainer) -> list[Tensor]:
    return [value.clone() for value in trainer.model.state_dict().values()]


def test_every_trainer_is_tried_here() -> None:
    trainers = {name for name in raytrain.trainers.__all__ if inspect.isclass(getattr(raytrain.trainers, name))}
    assert trainers == set(MAKE)


@pytest.mark.parametrize("name", MAKE)
def test_it_learns_and_goes_on_from_a_checkpoint_bit_for_bit(name: str, tmp_path: Path) -> None:
    whole = make(name)
    whole.fit(2)
    whole.save_checkpoint(tmp_path / "half.pt")
    history = whole.fit(6)
    assert history["val/loss"][-1] < history["val/loss"][0]
    assert {len(values) for values in history.values()} == {8}
    other = make(name)
    other.load_checkpoint(tmp_path / "half.pt")
    assert str(other.fit(6)) == str(history)  # as text, where NaN is itself
    assert all(map(torch.equal, weights(other), weights(whole)))


class Counting:
    """Counts the batches that a trainer shows its transforms."""

    in_evaluation = False

    def __init__(self) -> None:
        self.batches = 0

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        self.batches += 1
        return batch


@pytest.mark.parametrize("name", MAKE)
def test_it_takes_what_all_take(name: str, tmp_path: Path) -> None:
    counting = Counting()
    settings: Settings = {
        "criterion": nn.CrossEntropyLoss(label_smoothing=0.2),
        "transforms": [counting],
        "callbacks": [EarlyStopping(monitor="train_loss", patience=1, min_delta=1e9)],
        "gradient_accumulation_steps": 2,
        "max_grad_norm": None,
        "lr_scheduler": constant,
        "checkpoint_dir": tmp_path,
    }
    trainer = make(name, settings)
    assert trainer.fit(5)["train/lr"] == [1e-3, 1e-3]  # stopped by its callback
    assert counting.batches == 2 * 2  # of the training loader alone
    snapshot = read_checkpoint(tmp_path / "last.pt")
    assert (snapshot["epoch"], snapshot["step"]) == (2, 2)  # two batches are one step


@pytest.mark.parametrize("name", MAKE)
def test_judging_leaves_the_trainer_as_it_is(name: str) -> None:
    trainer = make(name)
    trainer.fit(1)
    before, state = weights(trainer), torch.get_rng_state()
    judged = trainer.evaluate(AlignedViews(view_loaders(1)) if name == "MultiTFRTrainer" else recordings(1))
    assert judged["loss"] == trainer.get_history()["val/loss"][-1]
    assert all(map(torch.equal, weights(trainer), before))
    assert torch.equal(torch.get_rng_state(), state)


def test_paradigms_combine() -> None:
    """A student of a teacher's, held to physics, of growing windows seen as images with hidden stripes, in 16 bits."""
    torch.manual_seed(0)
    data = LossData(
        torch.tensor([0, 1]),
        ("normal", "outer"),
        sample_rate_hz=RATE_HZ,
        window_samples=2048,
        hop_samples=2048,
        fault_orders=fault_orders("6205"),
        conditions=("shaft_speed_rpm", "recording", "window_start"),
    )
    student = Distillation(create_objective(nn.CrossEntropyLoss()), image_network(), temperature=2.0, alpha=0.5)
    trainer = Trainer(
        image_network(),
        recordings(),
        recordings(1),
        objective=PhysicsInformed(student, create_consistency(data)),
        transforms=[
            ProgressiveResize([(1024, 2), (2048, 2)]),
            IMAGES,
            SpecAugment(time_mask_param=4, freq_mask_param=4),
        ],
        mixed_precision="bf16",
        device="cpu",
    )
    history = trainer.fit(6)
    assert history["val/loss"][-1] < history["val/loss"][0]
    assert {"train/soft", "train/frequency", "train/temporal", "train/lambda_frequency"} <= set(history)
    assert 0 < history["train/frequency"][0] <= 1  # of windows as they were measured, whatever the model sees
