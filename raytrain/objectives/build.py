"""The objective of a run: the loss of the classes, and what is nested around it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from raytrain.errors import ConfigError
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.distillation import DistillationLoss, SoftTargets
from raytrain.losses.physics_informed import PhysicsInformedLoss
from raytrain.losses.physics_terms import PhysicsTerms
from raytrain.losses.supcon import SupConLoss
from raytrain.objectives.contrastive import Contrastive
from raytrain.objectives.distillation import Distillation
from raytrain.objectives.multi_view import MultiView
from raytrain.objectives.physics_informed import PhysicsInformed
from raytrain.objectives.supervised import Supervised

__all__ = ["create_objective"]


def create_objective(
    criterion: nn.Module,
    *,
    view_weights: Mapping[str, float] | None = None,
    teacher: nn.Module | None = None,
    soft_targets: SoftTargets | None = None,
    physics: PhysicsTerms | None = None,
    detailed: bool = False,
) -> nn.Module:
    """Create the objective, a `raytrain.types.Objective`: the criterion, then distillation, then physics around it.

    A criterion that holds distillation or physics itself is taken apart into the same objectives.

    Args:
        criterion: One of `raytrain.losses`, or any module called with class scores and targets.
        view_weights: View -> weight, for a model of several views; None for every other model.
        teacher: A trained model that the student is guided by; None for none.
        soft_targets: How it is guided.
        physics: What the prediction may not contradict.
        detailed: Whether the model states a severity, and is asked for it.

    Raises:
        ConfigError: A teacher is missing, or what is given does not go together, or the criterion trains no classifier.

    >>> type(create_objective(nn.CrossEntropyLoss())).__name__
    'Supervised'
    """
    if isinstance(criterion, PhysicsInformedLoss):
        _refuse_two("physics", physics)
        data = create_objective(
            criterion.data, view_weights=view_weights, teacher=teacher, soft_targets=soft_targets, detailed=detailed
        )
        return PhysicsInformed(data, PhysicsTerms.of(criterion), data_weight=criterion.data_weight)
    if isinstance(criterion, DistillationLoss):
        _refuse_two("distillation", soft_targets)
        soft_targets, criterion = criterion.soft, criterion.hard
    objective = _base(criterion, view_weights, detailed=detailed)
    if soft_targets is not None or teacher is not None:
        if teacher is None:
            raise ConfigError("distillation.teacher must be the run directory of a trained teacher, got none")
        guide = SoftTargets() if soft_targets is None else soft_targets
        objective = Distillation(objective, teacher, temperature=guide.temperature, alpha=guide.alpha)
    return objective if physics is None else PhysicsInformed(objective, physics)


def _refuse_two(field: str, given: nn.Module | None) -> None:
    if given is not None:
        raise ConfigError(f"{field} is given twice, by the criterion and beside it; leave one out")


def _base(criterion: nn.Module, view_weights: Mapping[str, float] | None, *, detailed: bool) -> nn.Module:
    if isinstance(criterion, SupConLoss):
        raise ConfigError(
            "SupConLoss alone trains no classifier; use ContrastiveCrossEntropy(LabelSmoothingCrossEntropy(), "
            "SupConLoss()), or loss.name: supcon"
        )
    if isinstance(criterion, ContrastiveCrossEntropy):
        if view_weights is not None:
            raise ConfigError(
                "loss.name: 'supcon' compares one embedding per window and a model of several views is trained by the "
                "scores of each; use another loss, or one transform in tfr"
            )
        return Contrastive(criterion)
    if view_weights is not None:
        return MultiView(criterion, view_weights)
    return Supervised(criterion, detailed=detailed)
