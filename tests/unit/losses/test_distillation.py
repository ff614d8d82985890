from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.distillation import DistillationLoss, soft_target_loss

CLASSES = 4
WEIGHT = torch.tensor([0.2, 3.0, 0.5, 1.5], dtype=torch.float64)


def batch(size: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of a student and of a teacher, and class indices."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, size, CLASSES, generator=generator, dtype=torch.float64) * 3
    return student, teacher, torch.randint(0, CLASSES, (size,), generator=generator)


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> float:
    p, q = softmax(teacher.numpy() / temperature), softmax(student.numpy() / temperature)
    return float(temperature**2 * (p * np.log(p / q)).sum(axis=1).mean())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_equals_the_formula(temperature: float, alpha: float, weight: Tensor | None) -> None:
    student, teacher, targets = batch()
    p = softmax(student.numpy())[np.arange(8), targets.numpy()]
    weights = np.ones(8) if weight is None else weight.numpy()[targets.numpy()]
    hard = -(weights * np.log(p)).mean()
    expected = alpha * divergence(student, teacher, temperature) + (1 - alpha) * hard
    value = DistillationLoss(temperature, alpha, weight=weight)(student, teacher, targets)
    assert value.item() == pytest.approx(expected, rel=1e-12)


def test_defaults_are_temperature_four_and_alpha_seven_tenths() -> None:
    student, teacher, targets = batch()
    hard = functional.cross_entropy(student, targets).item()
    expected = 0.7 * divergence(student, teacher, 4.0) + 0.3 * hard
    assert DistillationLoss()(student, teacher, targets).item() == pytest.approx(expected, rel=1e-12)


def test_a_student_that_agrees_has_no_soft_loss() -> None:
    _, teacher, _ = batch()
    assert soft_target_loss(teacher + 3.0, teacher).item() == pytest.approx(0, abs=1e-15)


def test_the_gradient_keeps_its_size_as_the_temperature_rises() -> None:
    """Its limit is that of half the squared distance of the centred scores, over K (Hinton et al. 2015, eq. 4)."""
    student, teacher, _ = batch()
    student -= student.mean(dim=1, keepdim=True)
    teacher -= teacher.mean(dim=1, keepdim=True)
    student.requires_grad_()
    (gradient,) = torch.autograd.grad(soft_target_loss(student, teacher, temperature=1e7), student)
    torch.testing.assert_close(gradient, (student - teacher).detach() / (CLASSES * 8), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
def test_gradient_is_that_of_finite_differences(mixed: bool) -> None:
    student, teacher, indices = batch(5)
    targets = teacher.softmax(dim=1) if mixed else indices
    criterion = DistillationLoss(2.0, 0.6, weight=WEIGHT)
    assert torch.autograd.gradcheck(lambda scores: criterion(scores, teacher, targets), student.requires_grad_())


def test_no_gradient_reaches_the_teacher() -> None:
    student, teacher, targets = batch()
    teacher.requires_grad_()
    torch.autograd.backward(DistillationLoss()(student.requires_grad_(), teacher, targets))
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.any()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_extreme_scores_keep_value_and_gradient_finite(temperature: float) -> None:
    student = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    teacher = torch.tensor([[-1e4, 1e4, 0.0]])
    value = DistillationLoss(temperature)(student, teacher, torch.tensor([1]))
    torch.autograd.backward(value)
    assert student.grad is not None
    assert torch.isfinite(value)
    assert torch.isfinite(student.grad).all()
    assert student.grad.any()


def test_terms_are_unweighted_and_combine_to_the_loss() -> None:
    student, teacher, targets = batch()
    criterion = DistillationLoss(2.0, 0.6)
    terms = criterion.terms(student, teacher, targets)
    assert terms["soft"].item() == pytest.approx(divergence(student, teacher, 2.0))
    assert terms["hard"].item() == pytest.approx(functional.cross_entropy(student, targets).item())
    assert torch.equal(criterion.combine(terms), criterion(student, teacher, targets))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "distillation.temperature must be above 0 and finite, got 0"),
        ({"temperature": float("inf")}, "distillation.temperature must be above 0 and finite, got inf"),
        ({"alpha": 1.5}, "distillation.alpha must be from 0 to 1, got 1.5"),
        ({"alpha": -0.5}, "distillation.alpha must be from 0 to 1, got -0.5"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DistillationLoss(**settings)  # type: ignore[arg-type]
