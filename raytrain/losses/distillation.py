"""Knowledge distillation: a student learns the scores of a teacher beside the classes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.cross_entropy import cross_entropy
from raytrain.losses.full_precision import full_precision

__all__ = ["DistillationLoss", "soft_target_loss"]


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

    weight: Tensor | None

    def __init__(self, temperature: float = 4.0, alpha: float = 0.7, *, weight: Tensor | None = None) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise ConfigError(f"loss.temperature must be above 0 and finite, got {temperature:g}")
        if not 0 <= alpha <= 1:
            raise ConfigError(f"loss.alpha must be from 0 to 1, got {alpha:g}")
        self.temperature, self.alpha = temperature, alpha
        self.register_buffer("weight", weight)

    def forward(self, student_logits: Tensor, teacher_logits: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar loss of logits `[B, K]` for class indices `[B]` or class shares `[B, K]`."""
        return self.combine(self.terms(student_logits, teacher_logits, targets))

    def terms(self, student_logits: Tensor, teacher_logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return the teacher's term `soft`, with its T^2, and the classes' `hard`, neither weighted by alpha."""
        return {
            "soft": soft_target_loss(student_logits, teacher_logits, temperature=self.temperature),
            "hard": cross_entropy(student_logits, targets, weight=self.weight),
        }

    def combine(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum of what `terms` returned."""
        return self.alpha * terms["soft"] + (1 - self.alpha) * terms["hard"]
