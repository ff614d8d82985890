"""The distillation objective: a student learns from a teacher that stays as it is."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from raytrain.losses.distillation import DistillationLoss
from raytrain.types import Batch, Progress, StepLoss

__all__ = ["Distillation"]


class Distillation(nn.Module):
    """Minimise a distillation loss against a teacher's scores; implements `raytrain.types.Objective`.

    The teacher is put into evaluation mode and stays there, so its BatchNorm statistics never move; it computes without
    gradient, on the same inputs and under the same autocast as the student. It belongs to the objective, which moves it
    to the device, and not to the model: neither the optimizer, nor DistributedDataParallel, nor a checkpoint of the
    student knows it. Mixed batches are shown to both; the hard term then takes class shares. The terms are logged
    unweighted, as `soft` (with its T^2) and `hard`.

    Args:
        criterion: Called with the student's scores, the teacher's scores and the targets.
        teacher: Its scores are `[B, K]`, in the student's order of classes.

    >>> batch = Batch(torch.zeros(2, 1, 4), torch.tensor([0, 1]))
    >>> student, teacher = (nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)) for _ in range(2))
    >>> loss = Distillation(DistillationLoss(), teacher)(student, batch, Progress(epoch=0, step=0, fraction=0.0))
    >>> loss.terms["soft"], loss.terms["hard"]
    (tensor(0.), tensor(0.6931))
    """

    def __init__(self, criterion: DistillationLoss, teacher: nn.Module) -> None:
        super().__init__()
        self.criterion, self.teacher = criterion, teacher
        self.teacher.eval()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Set the mode of all but the teacher, which stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:  # noqa: ARG002
        """Return the loss of the student `model` on `batch`."""
        with torch.no_grad():
            guide = self.teacher(batch.inputs)
        logits = model(batch.inputs)
        targets = batch.targets if batch.mixture is None else batch.class_shares(logits.shape[1])
        terms = self.criterion.terms(logits, guide, targets)
        return StepLoss(
            total=self.criterion.combine(terms),
            logits=logits,
            terms={name: term.detach() for name, term in terms.items()},
        )
