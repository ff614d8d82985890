"""Knowledge distillation: a student learns the scores of a teacher beside the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.full_precision import full_precision
from raytrain.losses.loss_data import LossData

__all__ = ["DistillationLoss", "SoftTargets", "create_soft_targets", "soft_target_loss"]


def soft_target_loss(student_logits: Tensor, teacher_logits: Tensor, *, temperature: float = 4.0) -> Tensor:
    """Return `T^2 KL(teacher || student)` of the softmax of scores divided by T, a mean over samples.

    The factor T^2 keeps the size of the gradient, which else falls with 1 / T^2 (Hinton et al. 2015, section 2). No
    gradient reaches the teacher.

    Args:
        student_logits: Class scores `[B, K]`.
        teacher_logits: Class scores `[B, K]` of the same samples.
        temperature: T, above 0; the larger, the more the teacher's small probabilities count.

    >>> import torch
    >>> soft_target_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]]), temperature=2.0)
    tensor(0.4438)
    """
    student = functional.log_softmax(full_precision(student_logits) / temperature, dim=1)
    teacher = functional.log_softmax(full_precision(teacher_logits.detach()) / temperature, dim=1)
    return temperature**2 * functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


class SoftTargets(nn.Module):
    """How a student is guided by a teacher's scores: `(1 - alpha) L + alpha T^2 KL(teacher_T || student_T)`.

    L is the loss of the classes, whichever the run has.

    Source: G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", NIPS Deep Learning Workshop,
    2014 (arXiv:1503.02531, 2015).

    Args:
        temperature: T, divides the scores of both before the softmax, above 0.
        alpha: Share of the teacher's term, in [0, 1]; the classes' loss has the rest.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> guided = SoftTargets(temperature=2.0, alpha=0.5)
    >>> soft = guided(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]]))
    >>> soft, guided.combine(torch.tensor(1.0), soft)
    (tensor(0.3610), tensor(0.6805))
    """

    def __init__(self, temperature: float = 4.0, alpha: float = 0.7) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise ConfigError(f"distillation.temperature must be above 0 and finite, got {temperature:g}")
        if not 0 <= alpha <= 1:
            raise ConfigError(f"distillation.alpha must be from 0 to 1, got {alpha:g}")
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Return the teacher's term of scores `[B, K]`, with its T^2, not weighted by alpha."""
        return soft_target_loss(student_logits, teacher_logits, temperature=self.temperature)

    def combine(self, hard: Tensor, soft: Tensor) -> Tensor:
        """Return the weighted sum of the classes' loss and the teacher's term."""
        return (1 - self.alpha) * hard + self.alpha * soft


class DistillationLoss(nn.Module):
    """Distillation: `alpha T^2 KL(teacher_T || student_T) + (1 - alpha) CE`, a mean over samples.

    Source: G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", NIPS Deep Learning Workshop,
    2014 (arXiv:1503.02531, 2015).

    Args:
        temperature: T, divides the scores of both before the softmax, above 0.
        alpha: Share of the teacher's term, in [0, 1]; the classes' cross-entropy has the rest.
        weight: Class weights `[K]` of the cross-entropy; None weighs all samples alike.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> student, teacher = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]])
    >>> DistillationLoss(temperature=2.0, alpha=0.5)(student, teacher, torch.tensor([0]))
    tensor(0.3371)
    """

    hard: LabelSmoothingCrossEntropy
    soft: SoftTargets

    def __init__(self, temperature: float = 4.0, alpha: float = 0.7, *, weight: Tensor | None = None) -> None:
        super().__init__()
        self.soft = SoftTargets(temperature, alpha)
        self.hard = LabelSmoothingCrossEntropy(0.0, weight)

    def forward(self, student_logits: Tensor, teacher_logits: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar loss of logits `[B, K]` for class indices `[B]` or class shares `[B, K]`."""
        return self.combine(self.terms(student_logits, teacher_logits, targets))

    def terms(self, student_logits: Tensor, teacher_logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return the teacher's term `soft`, with its T^2, and the classes' `hard`, neither weighted by alpha."""
        return {"soft": self.soft(student_logits, teacher_logits), "hard": self.hard(student_logits, targets)}

    def combine(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum of what `terms` returned."""
        return self.soft.combine(terms["hard"], terms["soft"])


def create_soft_targets(
    data: LossData,  # noqa: ARG001 - as every part of this kind is called
    *,
    teacher: str = "",  # noqa: ARG001 - a setting to the user, but it is the objective that is given the model
    temperature: float = 4.0,
    alpha: float = 0.7,
) -> SoftTargets:
    """The scores of a trained teacher beside the classes (Hinton et al. 2015).

    Args:
        data: The training set.
        teacher: Run directory of the trained teacher, which the objective is given.
        temperature: Divides the scores of both before the softmax, above 0; the larger, the more the teacher's small
            probabilities count.
        alpha: Share of the teacher's term, in [0, 1]; the loss of the classes has the rest.

    Raises:
        ConfigError: A value is impossible.

    >>> import torch
    >>> data = LossData(torch.tensor([0, 1]), ("a", "b"), sample_rate_hz=12e3, window_samples=512, hop_samples=512)
    >>> create_soft_targets(data, alpha=0.5).alpha
    0.5
    """
    return SoftTargets(temperature, alpha)
