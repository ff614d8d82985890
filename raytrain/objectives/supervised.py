"""The supervised objective: a criterion between the model's scores and the targets."""

from __future__ import annotations

from torch import nn

from raytrain.types import Batch, Progress, StepLoss

__all__ = ["Supervised"]


class Supervised(nn.Module):
    """Minimise `criterion(model(inputs), targets)`; implements `raytrain.types.Objective`.

    A module, so that `to(device)` moves what the criterion holds. The model is an argument of the call and
    never a part of the objective.

    Args:
        criterion: Called with class scores `[B, K]` and class indices `[B]`; returns their mean loss over
            samples.
    """

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:  # noqa: ARG002
        """Return the loss of `model` on `batch`."""
        logits = model(batch.inputs)
        return StepLoss(total=self.criterion(logits, batch.targets), logits=logits)
