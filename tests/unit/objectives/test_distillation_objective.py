from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy, cross_entropy
from raytrain.losses.distillation import soft_target_loss
from raytrain.losses.focal import FocalLoss
from raytrain.objectives.distillation import Distillation
from raytrain.objectives.supervised import Supervised
from raytrain.types import Batch, Mixture, Progress

TARGETS = torch.tensor([0, 1, 2, 2])
START = Progress(epoch=0, step=0, fraction=0.0)
BASE = Supervised(LabelSmoothingCrossEntropy(0.0))


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3))


def inputs() -> Tensor:
    return torch.randn(4, 6, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def student() -> nn.Module:
    return network(0).eval()


@pytest.fixture
def teacher() -> nn.Module:
    """Fresh from training, with dropout and BatchNorm awake."""
    return network(1).train()


def test_total_weighs_and_terms_name_the_two_losses(student: nn.Module, teacher: nn.Module) -> None:
    loss = Distillation(BASE, teacher, temperature=2.0, alpha=0.6)(student, Batch(inputs(), TARGETS), START)
    scores, guide = student(inputs()), teacher(inputs())
    soft, hard = soft_target_loss(scores, guide, temperature=2.0), cross_entropy(scores, TARGETS)
    assert torch.equal(loss.logits, scores)
    torch.testing.assert_close(loss.total, 0.6 * soft + 0.4 * hard)
    assert loss.terms == {"soft": soft, "hard": hard}
    assert not any(term.requires_grad for term in loss.terms.values())


def test_the_teacher_is_left_as_it_is(student: nn.Module, teacher: nn.Module) -> None:
    before = copy.deepcopy(teacher.state_dict())
    objective = Distillation(BASE, teacher).train()
    student.train()
    for _ in range(2):
        torch.autograd.backward(objective(student, Batch(inputs(), TARGETS), START).total)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not any(module.training for module in teacher.modules())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in student.parameters())


def test_the_student_in_training_mode_does_move_its_statistics(student: nn.Module, teacher: nn.Module) -> None:
    """So the test above can fail."""
    before = copy.deepcopy(student.state_dict())
    Distillation(BASE, teacher)(student.train(), Batch(inputs(), TARGETS), START)
    assert not torch.equal(student.state_dict()["1.running_mean"], before["1.running_mean"])


def test_the_teacher_moves_with_the_objective_and_the_student_knows_nothing_of_it(
    student: nn.Module, teacher: nn.Module
) -> None:
    names = set(student.state_dict())
    objective = Distillation(BASE, teacher)
    objective(student, Batch(inputs(), TARGETS), START)
    assert set(student.state_dict()) == names
    assert list(objective.parameters()) == []
    assert objective.state_dict() == {}
    objective.to("meta")
    assert {parameter.device.type for parameter in teacher.parameters()} == {"meta"}
    assert {buffer.device.type for buffer in teacher.buffers()} == {"meta"}


def test_any_loss_of_the_classes_can_be_the_hard_part(student: nn.Module, teacher: nn.Module) -> None:
    batch = Batch(inputs(), TARGETS)
    focal = FocalLoss(torch.tensor([1.0, 2.0, 3.0]))
    loss = Distillation(Supervised(focal), teacher, alpha=0.25)(student, batch, START)
    soft = soft_target_loss(student(inputs()), teacher(inputs()))
    torch.testing.assert_close(loss.total, 0.75 * focal(student(inputs()), TARGETS) + 0.25 * soft)


def test_impossible_values_are_refused(teacher: nn.Module) -> None:
    with pytest.raises(ConfigError, match=r"distillation\.temperature must be above 0 and finite, got 0"):
        Distillation(BASE, teacher, temperature=0.0)
    with pytest.raises(ConfigError, match=r"distillation\.alpha must be from 0 to 1, got 2"):
        Distillation(BASE, teacher, alpha=2.0)


def test_of_a_mixed_batch_both_see_the_inputs_and_the_hard_term_the_shares(
    student: nn.Module, teacher: nn.Module
) -> None:
    batch = Batch(inputs(), TARGETS, mixture=Mixture(TARGETS.flip(0), torch.tensor([0.9, 0.2, 0.5, 0.7])))
    terms = Distillation(BASE, teacher, temperature=2.0)(student, batch, START).terms
    scores, guide = student(inputs()), teacher(inputs())
    torch.testing.assert_close(terms["soft"], soft_target_loss(scores, guide, temperature=2.0))
    torch.testing.assert_close(terms["hard"], cross_entropy(scores, batch.class_shares(3)))


def test_the_teacher_computes_under_the_same_autocast(student: nn.Module, teacher: nn.Module) -> None:
    kinds: list[torch.dtype] = []
    teacher.register_forward_hook(lambda *hooked: kinds.append(hooked[2].dtype))
    objective = Distillation(BASE, teacher)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = objective(student, Batch(inputs(), TARGETS), START)
    assert kinds == [torch.bfloat16] == [loss.logits.dtype]
    assert loss.total.dtype == torch.float32
