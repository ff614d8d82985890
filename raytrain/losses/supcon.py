"""Supervised contrastive loss: embeddings of one class are drawn together, those of others pushed apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.full_precision import full_precision
from raytrain.losses.gather import gather_rows

__all__ = ["SupConLoss", "supcon_loss"]


def supcon_loss(embeddings: Tensor, targets: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Return the supervised contrastive loss L_out of a batch, a scalar.

    With `z` the embeddings divided by their length, `P(i)` the other samples of the class of sample i, and `A(i)` all
    other samples, an anchor's loss is the mean over its positives of the negative log-softmax of their similarity::

        l_i = -1/|P(i)| sum_{p in P(i)} (z_i.z_p / T - log sum_{a in A(i)} exp(z_i.z_a / T))

    and the result its mean over the anchors that have a positive; 0, with a graph, where none has.

    Args:
        embeddings: `[B, D]`, of any length.
        targets: Class indices, int64 `[B]`.
        temperature: T, above 0.

    >>> embeddings, targets = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    >>> supcon_loss(embeddings, targets, temperature=1.0)
    tensor(0.3133)
    """
    # Autocast would multiply in half precision, and the temperature then magnifies the rounding.
    with torch.autocast(embeddings.device.type, enabled=False):
        directions = functional.normalize(full_precision(embeddings), dim=1)
        similarity = directions @ directions.T / temperature
    self_pairs = torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    positives = (targets[:, None] == targets) & ~self_pairs
    # The least finite number and not minus infinity, whose gradient is NaN in a batch of one.
    others = similarity.masked_fill(self_pairs, torch.finfo(similarity.dtype).min)
    log_p = others.log_softmax(dim=1)
    counts = positives.sum(dim=1)
    losses = -torch.where(positives, log_p, 0.0).sum(dim=1) / counts.clamp(min=1)
    return losses.sum() / counts.count_nonzero().clamp(min=1)


class SupConLoss(nn.Module):
    """Supervised contrastive loss (L_out) of embeddings and their classes.

    Embeddings are divided by their length here. Anchors without another sample of their class in the batch are left
    out of the mean; a batch without any pair has loss 0. In a process group the batch is that of all workers together:
    embeddings and classes are gathered, with gradient, and every worker returns the loss of the whole, so that its
    gradient after DistributedDataParallel is that of one worker with the large batch. Accumulated micro-batches are not
    the large batch, because samples are compared within each micro-batch only.

    Source: P. Khosla, P. Teterwak, C. Wang, A. Sarna, Y. Tian, P. Isola, A. Maschinot, C. Liu, D. Krishnan, "Supervised
    contrastive learning", NeurIPS 2020, equation 2.

    Args:
        temperature: Divides the similarities, above 0; the smaller, the more the nearest samples count.

    Raises:
        ConfigError: `temperature` is impossible.

    >>> loss = SupConLoss(temperature=0.5)
    >>> loss(torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 2.0]]), torch.tensor([0, 0, 1, 1]))
    tensor(0.2395)
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise ConfigError(f"loss.temperature must be above 0 and finite, got {temperature:g}")
        self.temperature = temperature

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar loss of `embeddings` `[B, D]` with class indices `targets` `[B]`."""
        gathered, classes = gather_rows(full_precision(embeddings), targets)
        return supcon_loss(gathered, classes, temperature=self.temperature)
