"""The linear opinion pool: one opinion of the weighted mean of several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError

__all__ = ["OpinionPool", "linear_opinion_pool", "normalised_weights"]


def normalised_weights(views: Sequence[str], weights: Mapping[str, float] | None) -> dict[str, float]:
    """Return the weight of each view, in their order, with sum one; equal ones where none are given.

    >>> normalised_weights(["stft", "cwt"], {"cwt": 1.0, "stft": 3.0})
    {'stft': 0.75, 'cwt': 0.25}

    Raises:
        ConfigError: There is no view, one is named twice, a weight is missing or of no view, or is not positive (a view
            of weight zero would have parameters that nothing trains).
    """
    if not views or len(set(views)) < len(views):
        raise ConfigError(f"model.views must name one view or more, each once; got {', '.join(views) or 'none'}")
    given = dict.fromkeys(views, 1.0) if weights is None else weights
    if set(given) != set(views):
        raise ConfigError(
            f"model.weights must have a weight for each of the views {', '.join(views)}; "
            f"got {', '.join(given) or 'none'}"
        )
    for view, weight in given.items():
        if not (math.isfinite(weight) and weight > 0):
            raise ConfigError(f"model.weights.{view} must be positive and finite, got {weight:g}; leave the view out?")
    total = math.fsum(given.values())
    return {view: given[view] / total for view in views}


def linear_opinion_pool(scores: Mapping[str, Tensor], *, weights: Mapping[str, float]) -> Tensor:
    r"""Return the scores `[B, K]` that stand for the weighted mean of the views' class probabilities.

    `log sum_v w_v softmax(z_v)`, which are the logarithms of probabilities: their softmax is the pooled opinion. Found
    without leaving logarithms, so no probability underflows.

    Source: M. Stone, "The opinion pool", Annals of Mathematical Statistics 32(4), 1961.

    >>> sure, unsure = torch.tensor([[9.0, -9.0]]), torch.tensor([[0.0, 0.0]])
    >>> pooled = linear_opinion_pool({"stft": sure, "cwt": unsure}, weights={"stft": 0.5, "cwt": 0.5})
    >>> pooled.exp().round(decimals=3)
    tensor([[0.7500, 0.2500]])

    Args:
        scores: Class scores z_v `[B, K]` of each view.
        weights: Weight w_v of each of these views, with sum one.
    """
    opinions = [
        scores[view].log_softmax(dim=1, dtype=torch.promote_types(scores[view].dtype, torch.float32)) + math.log(weight)
        for view, weight in weights.items()
    ]
    return torch.stack(opinions).logsumexp(dim=0)


class OpinionPool(nn.Module):
    """One head per view, each scoring its own part of the embedding; the linear opinion pool of their scores.

    Source: M. Stone, "The opinion pool", Annals of Mathematical Statistics 32(4), 1961.

    >>> pool = OpinionPool({"stft": nn.Linear(2, 3), "cwt": nn.Linear(2, 3)}, weights={"stft": 0.5, "cwt": 0.5})
    >>> pool(torch.zeros(5, 4)).shape, list(pool.scores(torch.zeros(5, 4)))
    (torch.Size([5, 3]), ['stft', 'cwt'])

    Args:
        heads: For each view, from its part of the embedding, `[B, D]`, to scores `[B, K]`.
        weights: Weight of each view, in the order of their parts in the embedding, with sum one.
    """

    def __init__(self, heads: Mapping[str, nn.Module], *, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)
        self.weights = dict(weights)

    def scores(self, embedding: Tensor) -> dict[str, Tensor]:
        """Return the class scores `[B, K]` of each view, of the views' embeddings side by side `[B, V D]`."""
        parts = embedding.chunk(len(self.weights), dim=1)
        return {view: self.heads[view](part) for view, part in zip(self.weights, parts, strict=True)}

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the pooled class scores `[B, K]`."""
        return linear_opinion_pool(self.scores(embedding), weights=self.weights)
