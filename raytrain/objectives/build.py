"""The objective that a criterion asks for."""

from __future__ import annotations

from torch import nn

from raytrain.errors import ConfigError
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.distillation import DistillationLoss
from raytrain.losses.physics_informed import PhysicsInformedLoss
from raytrain.losses.supcon import SupConLoss
from raytrain.objectives.contrastive import Contrastive
from raytrain.objectives.distillation import Distillation
from raytrain.objectives.physics_informed import PhysicsInformed
from raytrain.objectives.supervised import Supervised

__all__ = ["create_objective"]


def create_objective(criterion: nn.Module, *, teacher: nn.Module | None = None) -> nn.Module:
    """Create the objective, a `raytrain.types.Objective`, that calls `criterion` with what it takes.

    Args:
        criterion: One of `raytrain.losses`, or any module called with class scores and targets.
        teacher: The trained model that a `DistillationLoss` is guided by; None for every other criterion.

    Raises:
        ConfigError: A teacher is missing, or given for nothing, or the criterion trains no classifier.

    >>> type(create_objective(nn.CrossEntropyLoss())).__name__
    'Supervised'
    """
    if isinstance(criterion, DistillationLoss):
        if teacher is None:
            raise ConfigError("loss.teacher must be the run directory of a trained teacher, got none")
        return Distillation(criterion, teacher)
    if teacher is not None:
        raise ConfigError(f"loss.teacher is for 'distillation' only, and the loss is {type(criterion).__name__}")
    if isinstance(criterion, SupConLoss):
        raise ConfigError(
            "SupConLoss alone trains no classifier; use ContrastiveCrossEntropy(LabelSmoothingCrossEntropy(), "
            "SupConLoss()), or loss.name: supcon"
        )
    if isinstance(criterion, ContrastiveCrossEntropy):
        return Contrastive(criterion)
    if isinstance(criterion, PhysicsInformedLoss):
        return PhysicsInformed(criterion)
    return Supervised(criterion)
