"""One class per recording from the scores of its windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raytrain.errors import DataError
from raytrain.metrics.inputs import checked_indices, checked_scores

__all__ = ["PROBABILITY_UNIT", "RecordingVote", "count_pairs", "in_units", "recording_vote", "voted_classes"]

PROBABILITY_UNIT = 2**32
"""Probabilities are summed as multiples of 1 / this: unlike floats, such sums do not depend on the order."""


class RecordingVote(NamedTuple):
    """How the windows of one recording voted.

    Attributes:
        recording: Its index.
        truth: Index of its true class.
        voted: Index of the class it was given.
        windows: How many windows it has.
        right: How many of them were given the true class.
        probability: Mean probability of the class it was given, over its windows; 0 to 1.
    """

    recording: int
    truth: int
    voted: int
    windows: int
    right: int
    probability: float


def in_units(probabilities: Tensor) -> Tensor:
    """Return float64 probabilities in units of 2^-32, rounded down to int64; 0 where they are NaN."""
    return (probabilities.nan_to_num(nan=0.0) * PROBABILITY_UNIT).long()


def count_pairs(table: Tensor, rows: Tensor, columns: Tensor) -> None:
    """Add one to `table[row, column]` for each pair; `bincount` would make the host wait for the device."""
    table.view(-1).index_add_(0, columns.add(rows, alpha=table.shape[1]), torch.ones_like(rows))


def voted_classes(votes: NDArray[np.int64], probabilities: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class most windows of each recording voted for, int64 `[R]`.

    A tie goes to the class with the higher summed probability, then to the lower index.

    Args:
        votes: Windows by recording and predicted class `[R, K]`.
        probabilities: Summed probabilities in units, `[R, K]`.
    """
    is_first = votes == votes.max(axis=1, keepdims=True)
    winners: NDArray[np.int64] = np.where(is_first, probabilities, -1).argmax(axis=1)
    return winners


def recording_vote(logits: Tensor, recordings: Tensor, *, num_recordings: int | None = None) -> NDArray[np.int64]:
    """Return the class of each recording by the majority of its windows.

    A window votes for its highest score. A tie goes to the class with the higher summed probability, then to the
    lower index (plurality voting; Kuncheva 2004, "Combining Pattern Classifiers", section 4.2). The sums are
    of integers, so the order of the windows does not matter.

    >>> logits = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 9.0], [0.0, 1.0]])
    >>> recording_vote(logits, torch.tensor([0, 0, 0, 2])).tolist()
    [0, -1, 1]

    Args:
        logits: Class scores of windows `[N, K]` whose softmax is the probabilities; for probabilities pass their
            logarithm.
        recordings: Index of each window's recording, integers `[N]`.
        num_recordings: Number of recordings R; None for the highest index that occurs, plus one.

    Returns:
        Class indices, int64 `[R]`; -1 for a recording without windows.

    Raises:
        DataError: There are no windows, a score is NaN, or recordings do not fit the windows or R.
    """
    scores, indices = checked_scores("logits", logits), checked_indices("recordings", recordings)
    if len(scores) != len(indices):
        raise DataError(f"logits and recordings must be equally many, got {len(scores)} and {len(indices)}")
    total = int(indices.max()) + 1 if num_recordings is None else num_recordings
    if indices.max() >= total:
        raise DataError(f"recordings must be below num_recordings, {total}; got {indices.max()}")
    votes = torch.zeros(total, scores.shape[1], dtype=torch.int64)
    count_pairs(votes, indices, scores.argmax(dim=1))
    probabilities = torch.zeros_like(votes).index_add_(0, indices, in_units(scores.softmax(dim=1)))
    winners = voted_classes(votes.numpy(), probabilities.numpy())
    return np.where(votes.numpy().any(axis=1), winners, -1)
