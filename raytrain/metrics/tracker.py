"""Metrics of windows and of recordings, gathered batch by batch and merged over workers without loss.

Not torchmetrics, whose import costs each fresh process 2.5 s: all that is needed follows from integer counts.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raytrain.errors import RunError
from raytrain.metrics.functional import PerClass, accuracy, balanced_accuracy, macro_f1, per_class

__all__ = ["MetricsTracker"]

_PROBABILITY_UNIT = 2**32
"""Probabilities are summed as multiples of 1 / this: unlike floats, such sums do not depend on the order."""


class MetricsTracker:
    """Counts from which every metric of an evaluation follows exactly.

    A window's prediction is its highest score. A recording's is the class most of its windows voted for; a
    tie goes to the class with the higher summed probability, then to the lower index. All windows of a
    recording are taken to be of one class.

    `update` waits for nothing on the device; only `compute` and the matrices bring numbers to the host.

    Args:
        num_classes: Number of classes K.
        num_recordings: Number of recordings R that indices may refer to; those without windows count in no
            metric.
        device: Where batches are.
    """

    def __init__(self, num_classes: int, num_recordings: int, *, device: torch.device | str = "cpu") -> None:
        self.num_classes = num_classes
        self._confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)
        self._votes = torch.zeros(num_recordings, num_classes, dtype=torch.int64, device=device)
        self._truths = torch.zeros_like(self._votes)
        self._probabilities = torch.zeros_like(self._votes)
        self._loss = torch.zeros((), dtype=torch.float64, device=device)

    @torch.no_grad()
    def update(self, logits: Tensor, targets: Tensor, *, recordings: Tensor, loss: Tensor) -> None:
        """Count one batch of B windows.

        Args:
            logits: Class scores `[B, K]` whose softmax is the probabilities; for probabilities pass their
                logarithm.
            targets: Class indices, int64 `[B]`.
            recordings: Index of each window's recording, int64 `[B]`.
            loss: Mean loss of the batch's windows, a scalar.
        """
        predictions = logits.argmax(dim=-1)
        probabilities = logits.double().softmax(dim=-1).nan_to_num(nan=0.0)
        _count(self._confusion, targets, predictions)
        _count(self._votes, recordings, predictions)
        _count(self._truths, recordings, targets)
        self._probabilities.index_add_(0, recordings, (probabilities * _PROBABILITY_UNIT).long())
        self._loss += loss.double() * targets.shape[0]

    def tensors(self) -> list[Tensor]:
        """Return the state itself, always in the same order; summing each over workers, in place, merges."""
        return [self._confusion, self._votes, self._truths, self._probabilities, self._loss]

    def merge(self, other: MetricsTracker) -> None:
        """Add what another tracker of the same shape and device has counted."""
        for mine, theirs in zip(self.tensors(), other.tensors(), strict=True):
            mine.add_(theirs)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Windows by true class (row) and predicted class (column), `[K, K]`."""
        return self._confusion.cpu().numpy().copy()

    @property
    def recording_confusion(self) -> NDArray[np.int64]:
        """Recordings with windows, by true class (row) and vote (column), `[K, K]`."""
        truths, votes = self._truths.cpu().numpy(), self._votes.cpu().numpy()
        probabilities = self._probabilities.cpu().numpy()
        is_first = votes == votes.max(axis=1, keepdims=True)
        voted = np.where(is_first, probabilities, -1).argmax(axis=1)
        present = truths.any(axis=1)
        confusion = np.zeros((self.num_classes, self.num_classes), dtype=np.int64)
        np.add.at(confusion, (truths.argmax(axis=1)[present], voted[present]), 1)
        return confusion

    def per_class(self) -> PerClass:
        """Return recall, precision, F1 and support of each class over windows."""
        return per_class(self.confusion)

    def compute(self, prefix: str = "val") -> dict[str, float]:
        """Return all metrics by name.

        `loss`, `accuracy`, `balanced_accuracy`, `macro_f1` are over windows, `recording_accuracy` and
        `recording_macro_f1` over recordings; each name follows `{prefix}/`.

        Raises:
            RunError: Nothing was counted.
        """
        windows, recordings = self.confusion, self.recording_confusion
        count = int(windows.sum())
        if count == 0:
            raise RunError(f"{prefix} metrics need at least one window, and none was counted")
        return {
            f"{prefix}/loss": float(self._loss) / count,
            f"{prefix}/accuracy": accuracy(windows),
            f"{prefix}/balanced_accuracy": balanced_accuracy(windows),
            f"{prefix}/macro_f1": macro_f1(windows),
            f"{prefix}/recording_accuracy": accuracy(recordings),
            f"{prefix}/recording_macro_f1": macro_f1(recordings),
        }


def _count(table: Tensor, rows: Tensor, columns: Tensor) -> None:
    """Add one to `table[row, column]` for each pair; `bincount` would make the host wait for the device."""
    table.view(-1).index_add_(0, rows * table.shape[1] + columns, torch.ones_like(rows))
