"""The distillation objective: a student learns from a teacher that stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Self

import torch
from torch import Tensor, nn

from raytrain.losses.distillation import SoftTargets
from raytrain.types import Batch, Objective, Progress, StepLoss

__all__ = ["Distillation"]


class Distillation(nn.Module):
    """Minimise `(1 - alpha) L + alpha T^2 KL(teacher_T || student_T)`; implements `raytrain.types.Objective`.

    L is the loss of the objective `base`; a student of several views is guided as a whole.

    The teacher is put into evaluation mode and stays there, so its BatchNorm statistics never move; it computes without
    gradient, on the same inputs and under the same autocast as the student. It moves to the device with the objective,
    but is not a part of it: neither the optimizer, nor DistributedDataParallel, nor a checkpoint knows it. Mixed
    batches are shown to both. Beside the base's own terms, the two parts are logged unweighted, as `soft` (with its
    T^2) and `hard`.

    Source: Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network" (2015).

    Args:
        base: What the student minimises beside.
        teacher: Its scores are `[B, K]`, in the student's order of classes.
        temperature: T, divides the scores of both before the softmax, above 0.
        alpha: Share of the teacher's term, in [0, 1].

    Raises:
        ConfigError: A value is impossible.

    >>> from raytrain.objectives import Supervised
    >>> batch = Batch(torch.zeros(2, 1, 4), torch.tensor([0, 1]))
    >>> student, teacher = (nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False)) for _ in range(2))
    >>> objective = Distillation(Supervised(nn.CrossEntropyLoss()), teacher)
    >>> loss = objective(student, batch, Progress(epoch=0, step=0, fraction=0.0))
    >>> loss.terms["soft"], loss.terms["hard"]
    (tensor(0.), tensor(0.6931))
    """

    base: Objective

    def __init__(self, base: nn.Module, teacher: nn.Module, *, temperature: float = 4.0, alpha: float = 0.7) -> None:
        super().__init__()
        self.add_module("base", base)
        self.soft_targets = SoftTargets(temperature, alpha)
        # In a tuple, where a module is not registered: a checkpoint of the run would hold the teacher, too.
        self._teacher = (teacher.eval(),)

    @property
    def teacher(self) -> nn.Module:
        """The teacher, in evaluation mode."""
        return self._teacher[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's
        """Take the teacher along wherever the objective is moved."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.teacher._apply(fn, recurse)  # type: ignore[no-untyped-call] # noqa: SLF001 - as torch does with children
        return self

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        """Return the loss of the student `model` on `batch`."""
        with torch.no_grad():
            guide = self.teacher(batch.inputs)
        base = self.base(model, batch, progress)
        soft = self.soft_targets(base.logits, guide)
        terms = {**base.terms, "hard": base.total.detach(), "soft": soft.detach()}
        return replace(base, total=self.soft_targets.combine(base.total, soft), terms=terms)
