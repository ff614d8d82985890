"""The supervised objective: a criterion between the model's scores and the targets."""

from __future__ import annotations

from torch import nn

from raytrain.types import Batch, Progress, StepLoss

__all__ = ["Supervised"]


class Supervised(nn.Module):
    """Minimise `criterion(model(inputs), targets)`; implements `raytrain.types.Objective`.

    A module, so that `to(device)` moves what the criterion holds. The model is an argument of the call and
    never a part of the objective. Mixed batches (mixup, CutMix) reach the criterion as class shares.

    Args:
        criterion: Called with class scores `[B, K]` and class indices int64 `[B]`, or, for a mixed batch, class shares
            float32 `[B, K]`; returns their mean loss over samples. `torch.nn.CrossEntropyLoss` is one.

    >>> import torch
    >>> batch = Batch(torch.zeros(2, 1, 4), torch.tensor([0, 1]))
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> Supervised(nn.CrossEntropyLoss())(model, batch, Progress(epoch=0, step=0, fraction=0.0)).total.item()
    0.6931471824645996
    """

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:  # noqa: ARG002
        """Return the loss of `model` on `batch`."""
        logits = model(batch.inputs)
        targets = batch.targets if batch.mixture is None else batch.class_shares(logits.shape[1])
        return StepLoss(total=self.criterion(logits, targets), logits=logits)
