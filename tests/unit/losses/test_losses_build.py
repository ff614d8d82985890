"""That names, settings and the training set reach the losses; tests/contracts/test_losses.py has what all keep."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.losses.build import LOSSES, create_criterion, create_distillation, create_physics
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.distillation import SoftTargets
from raytrain.losses.focal import FocalLoss
from raytrain.losses.loss_data import LossData
from raytrain.losses.physics_terms import PhysicsTerms

DATA = LossData(
    torch.tensor([0, 0, 1, 2, 2, 2]),
    ("normal", "inner", "outer"),
    sample_rate_hz=12e3,
    window_samples=2048,
    hop_samples=1024,
)
BALANCED = [1.0, 2.0, pytest.approx(2 / 3)]


def weights(value: object) -> list[float]:
    assert isinstance(value, Tensor)
    return value.tolist()


@pytest.mark.parametrize(("name", "smoothing"), [("ce", 0.0), ("cross_entropy", 0.0), ("label_smoothing", 0.1)])
def test_cross_entropy_under_its_three_names(name: str, smoothing: float) -> None:
    criterion = create_criterion(name, data=DATA, settings={})
    assert isinstance(criterion, LabelSmoothingCrossEntropy)
    assert criterion.smoothing == smoothing
    assert weights(criterion.weight) == BALANCED
    other = create_criterion(name, data=DATA, settings={"smoothing": 0.5, "class_weights": "none"})
    assert isinstance(other, LabelSmoothingCrossEntropy)
    assert (other.smoothing, other.weight) == (0.5, None)


def test_focal() -> None:
    criterion = create_criterion("focal", data=DATA, settings={})
    assert isinstance(criterion, FocalLoss)
    assert (criterion.gamma, criterion.reduction) == (2.0, "mean")
    assert weights(criterion.alpha) == BALANCED
    other = create_criterion("focal", data=DATA, settings={"gamma": 1.0, "class_weights": "none"})
    assert isinstance(other, FocalLoss)
    assert (other.gamma, other.alpha) == (1.0, None)


def test_supcon() -> None:
    criterion = create_criterion("supcon", data=DATA, settings={})
    assert isinstance(criterion, ContrastiveCrossEntropy)
    assert (criterion.weight, criterion.supcon.temperature) == (1.0, 0.1)
    assert weights(criterion.cross_entropy.weight) == BALANCED
    settings = {"weight": 0.5, "temperature": 0.2, "smoothing": 0.3, "class_weights": "none"}
    other = create_criterion("supcon", data=DATA, settings=settings)
    assert isinstance(other, ContrastiveCrossEntropy)
    assert (other.weight, other.supcon.temperature) == (0.5, 0.2)
    assert other.cross_entropy.smoothing == 0.3
    assert other.cross_entropy.weight is None


def test_distillation() -> None:
    guide = create_distillation("soft_targets", data=DATA, settings={})
    assert isinstance(guide, SoftTargets)
    assert (guide.temperature, guide.alpha) == (4.0, 0.7)
    settings = {"teacher": "runs/7", "temperature": 2.0, "alpha": 0.5}
    other = create_distillation("soft_targets", data=DATA, settings=settings)
    assert (other.temperature, other.alpha) == (2.0, 0.5)


def test_physics() -> None:
    physics = create_physics("consistency", data=DATA, settings={"lambda_freq": 0.0, "lambda_temporal": 0.3})
    assert isinstance(physics, PhysicsTerms)
    assert physics.lambdas == {"temporal": 0.3}


def test_an_unknown_name_is_refused_with_the_nearest_or_all() -> None:
    with pytest.raises(ConfigError, match=r"loss.name: there is no loss 'crossentropy'; did you mean 'cross_entropy'"):
        create_criterion("crossentropy", data=DATA, settings={})
    with pytest.raises(ConfigError, match="there is no loss 'zzz'; valid: " + ", ".join(sorted(LOSSES))):
        create_criterion("zzz", data=DATA, settings={})
    with pytest.raises(ConfigError, match=r"physics\.name: there is no 'consistent'; did you mean 'consistency'"):
        create_physics("consistent", data=DATA, settings={})
    with pytest.raises(ConfigError, match=r"distillation\.name: there is no 'soft'; .*'?soft_targets'?"):
        create_distillation("soft", data=DATA, settings={})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ce", {"class_weights": "equal"}, "loss.class_weights must be none or balanced, got 'equal'"),
        ("label_smoothing", {"smoothing": 1.0}, "loss.smoothing must be"),
        ("focal", {"gamma": -1.0}, "loss.gamma must be"),
        ("supcon", {"weight": -1.0}, "loss.weight must be at least 0 and finite, got -1"),
        ("supcon", {"temperature": 0.0}, "loss.temperature must be"),
    ],
)
def test_an_impossible_setting_is_named(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_criterion(name, data=DATA, settings=settings)
