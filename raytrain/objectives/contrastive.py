"""The contrastive objective: cross-entropy of the scores and a contrastive loss of the embeddings."""

from __future__ import annotations

from torch import nn

from raytrain.errors import ConfigError
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.types import Batch, Progress, StepLoss

__all__ = ["Contrastive"]


class Contrastive(nn.Module):
    """Minimise cross-entropy plus a supervised contrastive loss; implements `raytrain.types.Objective`.

    The model is called with `detailed=True` and returns `raytrain.models.Outputs`: scores `[B, K]` and the embedding
    `[B, D]` they are computed from. The cross-entropy is a mean over samples. The contrastive loss compares the samples
    of one micro-batch, of all workers, with each other: any number of workers gives the same gradient, but accumulation
    over micro-batches does not give that of the large batch. Both are logged unweighted, as `cross_entropy` and
    `supcon`.

    Args:
        criterion: The two losses and the weight between them.

    Raises:
        ConfigError: On a mixed batch, whose samples have no one class to be compared by.

    >>> import torch
    >>> from raytrain.losses.supcon import SupConLoss
    >>> from raytrain.models import Outputs
    >>> class Model(nn.Module):
    ...     def forward(self, inputs, *, detailed=False):
    ...         said = Outputs(scores=inputs[:, 0, :2], embedding=inputs[:, 0])
    ...         return said if detailed else said.scores
    >>> objective = Contrastive(ContrastiveCrossEntropy(nn.CrossEntropyLoss(), SupConLoss()))
    >>> batch = Batch(torch.ones(3, 1, 4), torch.tensor([0, 1, 1]))
    >>> loss = objective(Model(), batch, Progress(epoch=0, step=0, fraction=0.0))
    >>> loss.total, loss.terms["supcon"]
    (tensor(1.3863), tensor(0.6931))
    """

    def __init__(self, criterion: ContrastiveCrossEntropy) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:  # noqa: ARG002
        """Return the loss of `model` on `batch`."""
        if batch.mixture is not None:
            raise ConfigError(
                "loss.name: 'supcon' compares samples by their class and mixed samples have two; remove mixup and "
                "cutmix from augmentation, or use another loss"
            )
        said = model(batch.inputs, detailed=True)
        terms = self.criterion.terms(said.scores, said.embedding, batch.targets)
        return StepLoss(
            total=self.criterion.combine(terms),
            logits=said.scores,
            terms={name: term.detach() for name, term in terms.items()},
            views=said.views,
            severity=said.severity,
        )
