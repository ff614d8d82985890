"""The supervised objective: a criterion between the model's scores and the targets."""

from __future__ import annotations

from torch import nn

from raytrain.objectives.targets import criterion_targets
from raytrain.types import Batch, Progress, StepLoss

__all__ = ["Supervised"]


class Supervised(nn.Module):
    """Minimise `criterion(model(inputs), targets)`; implements `raytrain.types.Objective`.

    A module, so that `to(device)` moves what the criterion holds. The model is an argument of the call and
    never a part of the objective. Mixed batches (mixup, CutMix) reach the criterion as class shares.

    Args:
        criterion: Called with class scores `[B, K]` and class indices int64 `[B]`, or, for a mixed batch, class shares
            float32 `[B, K]`; returns their mean loss over samples. `torch.nn.CrossEntropyLoss` is one.
        detailed: Whether the model is asked for all it says (`raytrain.models.Outputs`), so that the severity it states
            and the scores of its views reach whoever wraps this objective.

    >>> import torch
    >>> batch = Batch(torch.zeros(2, 1, 4), torch.tensor([0, 1]))
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> Supervised(nn.CrossEntropyLoss())(model, batch, Progress(epoch=0, step=0, fraction=0.0)).total.item()
    0.6931471824645996
    """

    def __init__(self, criterion: nn.Module, *, detailed: bool = False) -> None:
        super().__init__()
        self.criterion, self.detailed = criterion, detailed

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:  # noqa: ARG002
        """Return the loss of `model` on `batch`."""
        if not self.detailed:
            logits = model(batch.inputs)
            return StepLoss(total=self.criterion(logits, criterion_targets(batch, logits)), logits=logits)
        said = model(batch.inputs, detailed=True)
        total = self.criterion(said.scores, criterion_targets(batch, said.scores))
        return StepLoss(total=total, logits=said.scores, views=said.views, severity=said.severity)
