"""The losses by name, made for a training set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from raytrain.errors import ConfigError, nearest
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.distillation import DistillationLoss
from raytrain.losses.focal import FocalLoss
from raytrain.losses.loss_data import ClassWeights, LossData
from raytrain.losses.physics_informed import create_physics_informed
from raytrain.losses.supcon import SupConLoss

__all__ = [
    "LOSSES",
    "create_criterion",
    "create_cross_entropy",
    "create_distillation",
    "create_focal",
    "create_label_smoothing",
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


def create_distillation(
    data: LossData,
    *,
    teacher: str = "",  # noqa: ARG001 - a setting of the loss to the user, but it is the objective that is given the model
    temperature: float = 4.0,
    alpha: float = 0.7,
    class_weights: ClassWeights = "balanced",
) -> DistillationLoss:
    """Distillation: the scores of a trained teacher beside the classes (Hinton et al. 2015).

    Args:
        data: The training set.
        teacher: Run directory of the trained teacher, which the objective is given.
        temperature: Divides the scores of both before the softmax, above 0; the larger, the more the teacher's small
            probabilities count.
        alpha: Share of the teacher's term, in [0, 1]; the classes' cross-entropy has the rest.
        class_weights: Of the cross-entropy: `balanced` weighs each class by the inverse of its frequency; `none` weighs
            all samples alike.
    """
    return DistillationLoss(temperature, alpha, weight=data.weights(class_weights))


LOSSES: dict[str, Callable[..., nn.Module]] = {
    "ce": create_cross_entropy,
    "cross_entropy": create_cross_entropy,
    "distillation": create_distillation,
    "focal": create_focal,
    "label_smoothing": create_label_smoothing,
    "physics_informed": create_physics_informed,
    "supcon": create_supcon,
}
"""Name -> function, called as `create(data, *, settings...)` with what the loss may know of the training set."""


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
