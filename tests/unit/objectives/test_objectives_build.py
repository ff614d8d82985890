from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from raytrain.errors import ConfigError
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.distillation import DistillationLoss, SoftTargets
from raytrain.losses.focal import FocalLoss
from raytrain.losses.physical_constraint import PhysicalConstraintLoss
from raytrain.losses.physics_informed import PhysicsInformedLoss
from raytrain.losses.physics_terms import PhysicsTerms
from raytrain.losses.supcon import SupConLoss
from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss
from raytrain.objectives.build import create_objective
from raytrain.objectives.contrastive import Contrastive
from raytrain.objectives.distillation import Distillation
from raytrain.objectives.multi_view import MultiView
from raytrain.objectives.physics_informed import PhysicsInformed
from raytrain.objectives.supervised import Supervised
from raytrain.types import Batch, Progress


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


def physics_of(weight: float = 0.1) -> PhysicalConstraintLoss:
    return PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(hop_samples=4), temporal_weight=weight)


def test_views_make_a_multi_view_objective() -> None:
    criterion = FocalLoss()
    objective = create_objective(criterion, view_weights={"stft": 3.0, "cwt": 1.0})
    assert isinstance(objective, MultiView)
    assert objective.criterion is criterion
    assert objective.weights == {"stft": 0.75, "cwt": 0.25}


def test_all_of_it_nests() -> None:
    criterion, teacher, physics = nn.CrossEntropyLoss(), nn.Linear(2, 2), PhysicsTerms(physics_of())
    outer = create_objective(
        criterion, view_weights={"stft": 1.0}, teacher=teacher, soft_targets=SoftTargets(2.0, 0.5), physics=physics
    )
    assert isinstance(outer, PhysicsInformed)
    assert (outer.physics, outer.data_weight) == (physics, 1.0)
    middle = outer.base
    assert isinstance(middle, Distillation)
    assert middle.teacher is teacher
    assert (middle.soft_targets.temperature, middle.soft_targets.alpha) == (2.0, 0.5)
    assert isinstance(middle.base, MultiView)


def test_a_teacher_alone_is_followed_as_by_default() -> None:
    objective = create_objective(nn.CrossEntropyLoss(), teacher=nn.Linear(2, 2))
    assert isinstance(objective, Distillation)
    assert (objective.soft_targets.temperature, objective.soft_targets.alpha) == (4.0, 0.7)


def test_a_model_that_states_a_severity_is_asked_for_it() -> None:
    objective = create_objective(nn.CrossEntropyLoss(), physics=PhysicsTerms(physics_of()), detailed=True)
    assert isinstance(objective, PhysicsInformed)
    assert isinstance(objective.base, Supervised)
    assert objective.base.detailed
    plain = create_objective(nn.CrossEntropyLoss())
    assert isinstance(plain, Supervised)
    assert not plain.detailed


def test_a_criterion_that_holds_distillation_is_taken_apart() -> None:
    weight, teacher = torch.tensor([1.0, 2.0]), nn.Linear(2, 2)
    objective = create_objective(DistillationLoss(2.0, 0.5, weight=weight), teacher=teacher)
    assert isinstance(objective, Distillation)
    assert (objective.soft_targets.temperature, objective.soft_targets.alpha) == (2.0, 0.5)
    assert isinstance(objective.base, Supervised)
    assert objective.base.criterion.weight is weight


def test_a_criterion_that_holds_physics_is_taken_apart() -> None:
    criterion = PhysicsInformedLoss(nn.CrossEntropyLoss(), physics_of(3.0), data_weight=0.5, physics_weight=0.2)
    objective = create_objective(criterion)
    assert isinstance(objective, PhysicsInformed)
    assert objective.data_weight == 0.5
    assert objective.physics.lambdas == {"temporal": pytest.approx(0.6)}
    assert objective.physics.schedule == "constant"
    assert isinstance(objective.base, Supervised)
    assert objective.base.criterion is criterion.data


def test_the_objective_of_a_criterion_is_the_criterion() -> None:
    """One that holds data and physics, as a formula and as an objective."""
    criterion = PhysicsInformedLoss(nn.CrossEntropyLoss(), physics_of(3.0), data_weight=0.5, physics_weight=0.2)
    place = {"recording": torch.zeros(3, dtype=torch.int64), "window_start": torch.tensor([0, 4, 8])}
    scores = torch.randn(3, 1, 2, generator=torch.Generator().manual_seed(0))
    batch = Batch(scores, torch.tensor([0, 1, 1]), place)
    total = create_objective(criterion)(nn.Flatten(), batch, Progress(epoch=0, step=0, fraction=0.0)).total
    torch.testing.assert_close(total, criterion(scores[:, 0], batch))


@pytest.mark.parametrize(
    ("criterion", "settings", "message"),
    [
        (DistillationLoss(), {}, r"distillation\.teacher must be the run directory of a trained teacher, got none"),
        (FocalLoss(), {"soft_targets": SoftTargets()}, r"distillation\.teacher must be the run directory"),
        (SupConLoss(), {}, "SupConLoss alone trains no classifier; use ContrastiveCrossEntropy"),
        (
            ContrastiveCrossEntropy(LabelSmoothingCrossEntropy(), SupConLoss()),
            {"view_weights": {"stft": 1.0}},
            "'supcon' compares one embedding per window and a model of several views",
        ),
        (
            DistillationLoss(),
            {"soft_targets": SoftTargets(), "teacher": nn.Linear(2, 2)},
            "distillation is given twice, by the criterion and beside it; leave one out",
        ),
        (
            PhysicsInformedLoss(nn.CrossEntropyLoss(), physics_of()),
            {"physics": PhysicsTerms(physics_of())},
            "physics is given twice, by the criterion and beside it; leave one out",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(criterion: nn.Module, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_objective(criterion, **settings)
