"""The losses by name, made for a training set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from raytrain.errors import ConfigError, nearest
from raytrain.losses.consistency import create_consistency
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.distillation import SoftTargets, create_soft_targets
from raytrain.losses.focal import FocalLoss
from raytrain.losses.loss_data import ClassWeights, LossData
from raytrain.losses.physics_terms import PhysicsTerms
from raytrain.losses.supcon import SupConLoss

__all__ = [
    "DISTILLATIONS",
    "LOSSES",
    "PHYSICS",
    "create_criterion",
    "create_cross_entropy",
    "create_distillation",
    "create_focal",
    "create_label_smoothing",
    "create_physics",
    "create_supcon",
]


def create_cross_entropy(
    data: LossData, *, smoothing: float = 0.0, class_weights: ClassWeights = "balanced"
) -> LabelSmoothingCrossEntropy:
    """Cross-entropy with class weights.

    Args:
        data: The training set.
        smoothing: Share of the target spread evenly over all classes, in [0, 1).
        class_weights: `balanced` weighs each class by the inverse of its frequency; `none` weighs all samples alike.
    """
    return LabelSmoothingCrossEntropy(smoothing, data.weights(class_weights))


def create_label_smoothing(
    data: LossData, *, smoothing: float = 0.1, class_weights: ClassWeights = "balanced"
) -> LabelSmoothingCrossEntropy:
    """Cross-entropy with smoothed targets, against overconfidence (Szegedy et al. 2016).

    Args:
        data: The training set.
        smoothing: Share of the target spread evenly over all classes, in [0, 1).
        class_weights: `balanced` weighs each class by the inverse of its frequency; `none` weighs all samples alike.
    """
    return create_cross_entropy(data, smoothing=smoothing, class_weights=class_weights)


def create_focal(data: LossData, *, gamma: float = 2.0, class_weights: ClassWeights = "balanced") -> FocalLoss:
    """Focal loss: cross-entropy that fades for samples already classified well (Lin et al. 2017).

    Args:
        data: The training set.
        gamma: How quickly the loss fades as the probability of the right class rises, at least 0; 0 is cross-entropy.
        class_weights: `balanced` weighs each class by the inverse of its frequency; `none` weighs all samples alike.
    """
    return FocalLoss(data.weights(class_weights), gamma)


def create_supcon(
    data: LossData,
    *,
    temperature: float = 0.1,
    weight: float = 1.0,
    smoothing: float = 0.0,
    class_weights: ClassWeights = "balanced",
) -> ContrastiveCrossEntropy:
    """Cross-entropy and the supervised contrastive loss of the embeddings (Khosla et al. 2020).

    Args:
        data: The training set.
        temperature: Divides the similarities of embeddings, above 0; the smaller, the more the nearest samples count.
        weight: Of the contrastive loss beside the cross-entropy, at least 0.
        smoothing: Share of the target that cross-entropy spreads evenly over all classes, in [0, 1).
        class_weights: Of the cross-entropy: `balanced` weighs each class by the inverse of its frequency; `none` weighs
            all samples alike.
    """
    hard = create_cross_entropy(data, smoothing=smoothing, class_weights=class_weights)
    return ContrastiveCrossEntropy(hard, SupConLoss(temperature), weight=weight)


LOSSES: dict[str, Callable[..., nn.Module]] = {
    "ce": create_cross_entropy,
    "cross_entropy": create_cross_entropy,
    "focal": create_focal,
    "label_smoothing": create_label_smoothing,
    "supcon": create_supcon,
}
"""Name -> function, called as `create(data, *, settings...)` with what the loss may know of the training set."""

PHYSICS: dict[str, Callable[..., PhysicsTerms]] = {"consistency": create_consistency}
"""Name -> function, called in the same way: physics beside the loss."""

DISTILLATIONS: dict[str, Callable[..., SoftTargets]] = {"soft_targets": create_soft_targets}
"""Name -> function, called in the same way: what a student takes from its teacher beside the loss."""


def create_criterion(name: str, *, data: LossData, settings: Mapping[str, Any]) -> nn.Module:
    """Create the loss `name` for a training set; `raytrain.objectives.create_objective` says how it is called.

    Args:
        name: A key of `LOSSES`.
        data: What the loss may know of the training set; class weights come from its targets.
        settings: Its keyword settings.

    Raises:
        ConfigError: No loss has this name, or a setting is impossible.
        DataError: Balanced class weights cannot be computed from the targets.

    >>> import torch
    >>> data = LossData(
    ...     torch.tensor([0, 1, 1]), ("normal", "inner"), sample_rate_hz=12e3, window_samples=2048, hop_samples=1024
    ... )
    >>> create_criterion("focal", data=data, settings={"gamma": 1.0}).alpha
    tensor([1.5000, 0.7500])
    """
    if name not in LOSSES:
        raise ConfigError(f"loss.name: there is no loss {name!r}; {nearest(name, LOSSES)}")
    return LOSSES[name](data, **settings)


def create_physics(name: str, *, data: LossData, settings: Mapping[str, Any]) -> PhysicsTerms:
    """Create the physics `name` for a training set; `raytrain.objectives.create_objective` adds it to a loss.

    Args:
        name: A key of `PHYSICS`.
        data: What the terms may know of the training set.
        settings: Its keyword settings.

    Raises:
        ConfigError: None has this name, or a term does not fit the training set.

    >>> import torch
    >>> data = LossData(
    ...     torch.tensor([0, 1]), ("healthy", "wear"), sample_rate_hz=12e3, window_samples=2048, hop_samples=1024
    ... )
    >>> create_physics("consistency", data=data, settings={"lambda_sommerfeld": 0.0}).lambdas
    {'temporal': 0.1}
    """
    if name not in PHYSICS:
        raise ConfigError(f"physics.name: there is no {name!r}; {nearest(name, PHYSICS)}")
    return PHYSICS[name](data, **settings)


def create_distillation(name: str, *, data: LossData, settings: Mapping[str, Any]) -> SoftTargets:
    """Create the distillation `name`; `raytrain.objectives.create_objective` adds it to a loss, with the teacher.

    Args:
        name: A key of `DISTILLATIONS`.
        data: What it may know of the training set.
        settings: Its keyword settings.

    Raises:
        ConfigError: None has this name, or a setting is impossible.

    >>> import torch
    >>> data = LossData(torch.tensor([0, 1]), ("a", "b"), sample_rate_hz=12e3, window_samples=512, hop_samples=512)
    >>> create_distillation("soft_targets", data=data, settings={"temperature": 2.0}).temperature
    2.0
    """
    if name not in DISTILLATIONS:
        raise ConfigError(f"distillation.name: there is no {name!r}; {nearest(name, DISTILLATIONS)}")
    return DISTILLATIONS[name](data, **settings)
