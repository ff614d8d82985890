"""Metrics of the order in which scores put classes (top-k accuracy) or samples (area under the ROC curve)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.metrics.inputs import checked_probabilities, checked_scores, checked_targets

__all__ = ["check_top_k", "compute_auroc", "compute_top_k_accuracy", "target_ranks"]


def target_ranks(scores: Tensor, targets: Tensor) -> Tensor:
    """Return how many classes come before the true one, int64 `[N]`: 0 where it is the `argmax`.

    Classes are ordered by falling score `[N, K]`, those of equal score by rising index.
    """
    own = scores.gather(1, targets[:, None])
    is_earlier = torch.arange(scores.shape[1], device=scores.device) < targets[:, None]
    return ((scores > own) | ((scores == own) & is_earlier)).sum(dim=1)


def check_top_k(name: str, k: int, *, num_classes: int) -> None:
    """Refuse a k that is not a number of classes.

    Raises:
        ConfigError: k is below 1 or above the number of classes.
    """
    if not 1 <= k <= num_classes:
        raise ConfigError(f"{name} must be from 1 to the number of classes, {num_classes}; got {k}")


def compute_top_k_accuracy(scores: Tensor, targets: Tensor, *, k: int = 3) -> float:
    """Return the share of samples whose true class is among the k highest scores.

    Of equal scores that of the lower class index is the higher, so `k=1` is the accuracy of the `argmax`;
    `k=K` is 1.

    >>> scores = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]])
    >>> [compute_top_k_accuracy(scores, torch.tensor([1, 0]), k=k) for k in (1, 2, 3)]
    [0.0, 0.5, 1.0]

    Args:
        scores: Logits or probabilities `[N, K]`.
        targets: True class indices, integers `[N]`.
        k: How many guesses each sample has.

    Raises:
        ConfigError: `k` is below 1 or above K.
        DataError: There are no samples, a score is NaN, or scores and targets do not fit each other.
    """
    values = checked_scores("scores", scores)
    indices = checked_targets("scores", values, targets)
    check_top_k("k", k, num_classes=values.shape[1])
    return int((target_ranks(values, indices) < k).sum()) / len(indices)


def compute_auroc(probabilities: Tensor, targets: Tensor) -> float:
    """Return the area under the ROC curve of each class against the rest, averaged over classes alike.

    The area is the probability that a random sample of the class has a higher probability of it than a random
    sample of the rest, ties counting half (Hanley and McNeil 1982; Fawcett 2006, "An introduction to ROC analysis",
    on several classes). It is counted in
    integers, so it is exact. A class without samples, or with all of them, has no area and is left out of the
    mean; where that leaves none (all targets are one class) the result is NaN.

    >>> probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    >>> compute_auroc(probabilities, torch.tensor([0, 0, 1, 1]))
    0.75

    Args:
        probabilities: Class probabilities `[N, K]`.
        targets: True class indices, integers `[N]`.

    Raises:
        DataError: There are no samples, a probability is NaN or outside [0, 1], or probabilities and targets do
            not fit each other.
    """
    values, indices = checked_probabilities(probabilities, targets)
    areas = [_area(column[indices == label], column[indices != label]) for label, column in enumerate(values.unbind(1))]
    defined = [area for area in areas if area is not None]
    return math.fsum(defined) / len(defined) if defined else math.nan


def _area(positives: Tensor, negatives: Tensor) -> float | None:
    pairs = len(positives) * len(negatives)
    if pairs == 0:
        return None
    ordered = negatives.sort().values
    below, not_above = (torch.searchsorted(ordered, positives, right=right) for right in (False, True))
    return int((below + not_above).sum()) / (2 * pairs)
