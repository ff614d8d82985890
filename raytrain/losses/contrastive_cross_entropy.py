"""Cross-entropy of the scores together with the contrastive loss of the embeddings below them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.supcon import SupConLoss

__all__ = ["ContrastiveCrossEntropy"]


class ContrastiveCrossEntropy(nn.Module):
    """Cross-entropy plus `weight` times the supervised contrastive loss, trained in one stage.

    The contrastive loss alone leaves the classifier untrained; Khosla et al. (2020, see `SupConLoss`) train that in a
    second stage, here both learn at once.

    Args:
        cross_entropy: Called with class scores `[B, K]` and targets; returns their mean loss over samples.
        supcon: Called with embeddings `[B, D]` and class indices `[B]`.
        weight: Of the contrastive term, at least 0.

    Raises:
        ConfigError: `weight` is impossible.

    >>> import torch
    >>> loss = ContrastiveCrossEntropy(nn.CrossEntropyLoss(), SupConLoss(temperature=1.0), weight=0.5)
    >>> loss(torch.zeros(3, 2), torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1]))
    tensor(0.8498)
    """

    def __init__(self, cross_entropy: nn.Module, supcon: SupConLoss, *, weight: float = 1.0) -> None:
        super().__init__()
        if not 0 <= weight < math.inf:
            raise ConfigError(f"loss.weight must be at least 0 and finite, got {weight:g}")
        self.cross_entropy, self.supcon, self.weight = cross_entropy, supcon, weight

    def forward(self, logits: Tensor, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar loss of `logits` `[B, K]` and `embeddings` `[B, D]` for class indices `[B]`."""
        return self.combine(self.terms(logits, embeddings, targets))

    def terms(self, logits: Tensor, embeddings: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return the two losses by name, neither weighted."""
        return {"cross_entropy": self.cross_entropy(logits, targets), "supcon": self.supcon(embeddings, targets)}

    def combine(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum of what `terms` returned."""
        return terms["cross_entropy"] + self.weight * terms["supcon"]
