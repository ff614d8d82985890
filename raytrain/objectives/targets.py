"""What a criterion is given beside the scores."""

from __future__ import annotations

from torch import Tensor

from raytrain.types import Batch

__all__ = ["criterion_targets"]


def criterion_targets(batch: Batch, scores: Tensor) -> Tensor:
    """Return the class indices `[B]` of a batch, or the class shares `[B, K]` of a mixed one.

    Args:
        batch: The batch.
        scores: Class scores `[B, K]`.

    >>> import torch
    >>> criterion_targets(Batch(torch.zeros(2, 1, 4), torch.tensor([0, 1])), torch.zeros(2, 3))
    tensor([0, 1])
    """
    return batch.targets if batch.mixture is None else batch.class_shares(scores.shape[1])
