from __future__ import annotations

import pytest
from torch import nn

from raytrain.errors import ConfigError
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.distillation import DistillationLoss
from raytrain.losses.focal import FocalLoss
from raytrain.losses.physical_constraint import PhysicalConstraintLoss
from raytrain.losses.physics_informed import PhysicsInformedLoss
from raytrain.losses.supcon import SupConLoss
from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss
from raytrain.objectives.build import create_objective
from raytrain.objectives.contrastive import Contrastive
from raytrain.objectives.distillation import Distillation
from raytrain.objectives.physics_informed import PhysicsInformed
from raytrain.objectives.supervised import Supervised


@pytest.mark.parametrize("criterion", [LabelSmoothingCrossEntropy(), FocalLoss(), nn.CrossEntropyLoss()])
def test_scores_and_targets_make_a_supervised_objective(criterion: nn.Module) -> None:
    objective = create_objective(criterion)
    assert isinstance(objective, Supervised)
    assert objective.criterion is criterion


def test_embeddings_make_a_contrastive_objective() -> None:
    criterion = ContrastiveCrossEntropy(LabelSmoothingCrossEntropy(), SupConLoss())
    objective = create_objective(criterion)
    assert isinstance(objective, Contrastive)
    assert objective.criterion is criterion


def test_physics_makes_a_physics_informed_objective() -> None:
    physics = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(hop_samples=4))
    criterion = PhysicsInformedLoss(nn.CrossEntropyLoss(), physics)
    objective = create_objective(criterion)
    assert isinstance(objective, PhysicsInformed)
    assert objective.criterion is criterion


def test_a_teacher_makes_a_distillation_objective() -> None:
    criterion, teacher = DistillationLoss(), nn.Linear(2, 2)
    objective = create_objective(criterion, teacher=teacher)
    assert isinstance(objective, Distillation)
    assert objective.criterion is criterion
    assert objective.teacher is teacher


def test_a_missing_teacher_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"loss\.teacher must be the run directory of a trained teacher, got none"):
        create_objective(DistillationLoss())


def test_a_teacher_for_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"loss\.teacher is for 'distillation' only, and the loss is FocalLoss"):
        create_objective(FocalLoss(), teacher=nn.Linear(2, 2))


def test_a_contrastive_loss_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="SupConLoss alone trains no classifier; use ContrastiveCrossEntropy"):
        create_objective(SupConLoss())
