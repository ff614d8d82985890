from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.physics import BEARINGS
from raytrain.tfr import Stft
from raytrain.trainers import PINNTrainer, Trainer

RATE_HZ = 12_000.0
CLASSES = ("normal", "outer")
SETTINGS: dict[str, Any] = {"sample_rate_hz": RATE_HZ, "classes": CLASSES, "bearing": "6205", "device": "cpu"}


def batch(*, speed_rpm: float = 6000.0) -> dict[str, Tensor]:
    """Return healthy and struck windows of a shaft at 6000 rpm, in a shaft speed as stated."""
    generator = torch.Generator().manual_seed(0)
    time_s = torch.arange(2048) / RATE_HZ
    targets = torch.arange(8) % 2
    strikes = 1 + targets[:, None] * torch.sin(2 * torch.pi * 3.5848 * 100 * time_s)
    signal = torch.sin(2 * torch.pi * 3000 * time_s) * strikes + 0.3 * torch.randn(8, 2048, generator=generator)
    return {
        "inputs": signal[:, None],
        "targets": targets,
        "shaft_speed_rpm": torch.full((8,), speed_rpm),
        "recording": targets,
        "window_start": torch.arange(8) // 2 * 2048,
    }


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(1, 4, 9, stride=4), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(4, 2))


def weights(trainer: Trainer) -> Tensor:
    return nn.utils.parameters_to_vector(trainer.model.parameters()).detach()


def test_physics_changes_the_weights() -> None:
    """The step of a shaft speed that fits the strikes is another than without physics, and than of a wrong speed."""
    trainers = [
        Trainer(network(), [batch()], device="cpu"),
        PINNTrainer(network(), [batch()], adaptive_lambda=False, lambda_temporal=0.0, **SETTINGS),
        PINNTrainer(network(), [batch(speed_rpm=4700.0)], adaptive_lambda=False, lambda_temporal=0.0, **SETTINGS),
    ]
    for trainer in trainers:
        trainer.fit(1)
    plain, physical, elsewhere = map(weights, trainers)
    assert not torch.allclose(plain, physical)
    assert not torch.allclose(physical, elsewhere)


def test_conditions_are_those_of_each_sample() -> None:
    """The speed of one window is known and of the others not: its contradiction alone is the term."""
    trainer = PINNTrainer(network(), [batch()], lambda_temporal=0.0, **SETTINGS)
    losses = []
    for index in range(8):
        one = batch()
        one["shaft_speed_rpm"] = torch.where(torch.arange(8) == index, 6000.0, torch.nan)
        losses.append(trainer.evaluate([one])["loss"])
    none = batch()
    none["shaft_speed_rpm"] = torch.full((8,), torch.nan)
    unknown = trainer.evaluate([none])["loss"]
    together = trainer.evaluate([batch()])["loss"]
    assert together - unknown == pytest.approx(sum(loss - unknown for loss in losses), rel=1e-3)
    assert len({round(loss, 4) for loss in losses}) > 1


@pytest.mark.parametrize("schedule", ["linear", "exponential", "step", "grad_norm"])
def test_each_term_and_each_lambda_is_logged_per_epoch(
    schedule: Literal["linear", "exponential", "step", "grad_norm"],
) -> None:
    history = PINNTrainer(network(), [batch()], [batch()], lambda_schedule=schedule, **SETTINGS).fit(4)
    for name in ("frequency", "temporal"):
        assert len(history[f"train/{name}"]) == 4
        assert f"train/grad_norm_{name}" in history
    if schedule != "grad_norm":
        lambdas = history["train/lambda_frequency"]
        assert lambdas == sorted(lambdas)
        assert lambdas[0] < lambdas[-1] <= 1.0
    # What judges has the weights of the end from the first epoch on.
    constant = PINNTrainer(network(), [batch()], adaptive_lambda=False, **SETTINGS)
    assert constant.fit(2)["train/lambda_frequency"] == [1.0, 1.0]


def test_a_bearing_may_be_a_name_or_a_geometry() -> None:
    named, described = (
        PINNTrainer(network(), [batch()], **SETTINGS | {"bearing": bearing})
        for bearing in ("SKF 6205-2RS", BEARINGS["6205"])
    )
    assert named.evaluate([batch()]) == described.evaluate([batch()])


def test_physics_sees_windows_as_they_were_measured() -> None:
    """A model of images gets its physics from the signals that they were made of."""
    images = nn.Sequential(nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(4, 2))
    stft = Stft(RATE_HZ, window_length=64, hop=32)
    trainer = PINNTrainer(images, [batch()], transforms=[stft], lambda_temporal=0.0, **SETTINGS)
    assert 0 < trainer.fit(1)["train/frequency"][0] < 1


def test_a_journal_bearing_is_held_to_its_lubrication() -> None:
    one = {
        "inputs": batch()["inputs"],
        "targets": batch()["targets"],
        "sommerfeld_number": torch.linspace(0.02, 0.5, 8),
    }
    trainer = PINNTrainer(
        network(),
        [one],
        sample_rate_hz=RATE_HZ,
        classes=("healthy", "wear"),
        lambda_temporal=0.0,
        device="cpu",
    )
    history = trainer.fit(1)
    assert "train/sommerfeld" in history
    assert "train/frequency" not in history


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bearing": "6210"}, "bearing: '6210' is not in the catalogue, which has 6205, 6203"),
        ({"bearing": None}, "lambda_freq"),
        ({"lambda_sommerfeld": 0.5}, "lambda_sommerfeld must be 0 where a class is not of a journal bearing"),
        ({"classes": ("normal", "outer", "inner")}, "classes names 3, and the model tells 2 apart"),
    ],
)
def test_physics_that_cannot_be_had_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PINNTrainer(network(), [batch()], **SETTINGS | settings)


def test_batches_without_conditions_are_refused() -> None:
    without = {name: batch()[name] for name in ("inputs", "targets")}
    with pytest.raises(ConfigError, match="operating condition"):
        PINNTrainer(network(), [without], **SETTINGS).fit(1)
