"""Metrics of windows and of recordings, gathered batch by batch and merged over workers without loss.

Not torchmetrics: its import costs each fresh process 4 s, and its sums are float32. All that is needed follows
from integer counts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raytrain.errors import ConfigError, DataError, RunError
from raytrain.metrics.calibration import check_bins, confidence_bins
from raytrain.metrics.confusion import Average, PerClass, accuracy, balanced_accuracy, f1_score, per_class
from raytrain.metrics.ranking import check_top_k, target_ranks
from raytrain.metrics.voting import PROBABILITY_UNIT, RecordingVote, count_pairs, in_units, voted_classes

__all__ = ["MetricsTracker"]


class MetricsTracker:
    """Counts from which every metric of an evaluation follows exactly, whatever the batches and workers.

    A window's prediction is its highest score. A recording's is the class most of its windows voted for; a
    tie goes to the class with the higher summed probability, then to the lower index. All windows of a
    recording are taken to be of one class. NaN ranks above every number, as `argmax` has it, and counts as
    probability 0.

    Counts are integers and probabilities are summed in units of 2^-32, so the sums over batches and workers do not
    depend on their order; only the loss is a float64 sum. Areas under ROC curves need all scores at once:
    `compute_auroc`.

    Where a model has several views of a window, each view's own predictions are counted beside the combined ones.

    `update` waits for nothing on the device; only `compute` and the matrices bring numbers to the host.

    >>> tracker = MetricsTracker(2)
    >>> tracker.update(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    >>> tracker.update(torch.tensor([[0.0, 1.0], [0.0, 3.0]]), torch.tensor([1, 1]))
    >>> {name: round(value, 3) for name, value in tracker.compute(average="weighted").items()}
    {'accuracy': 0.75, 'balanced_accuracy': 0.833, 'weighted_f1': 0.767}

    Args:
        num_classes: Number of classes K.
        num_recordings: Number of recordings R that indices may refer to; those without windows count in no
            metric. 0 gives no recording metrics.
        top_k: Also report the share of windows whose true class is among the k highest scores.
        calibration_bins: Also report the expected calibration error over so many bins (Guo et al. 2017).
        device: Where batches are.

    Raises:
        ConfigError: A number is impossible.
    """

    def __init__(
        self,
        num_classes: int,
        num_recordings: int = 0,
        *,
        top_k: int | None = None,
        calibration_bins: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if num_classes < 1 or num_recordings < 0:
            raise ConfigError(
                f"num_classes must be at least 1 and num_recordings at least 0, got {num_classes} and {num_recordings}"
            )
        if top_k is not None:
            check_top_k("top_k", top_k, num_classes=num_classes)
        if calibration_bins is not None:
            check_bins("calibration_bins", calibration_bins)
        self.num_classes = num_classes
        self.num_recordings = num_recordings
        self.top_k = top_k
        self.calibration_bins = calibration_bins
        self._confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device)
        self._votes = self._confusion.new_zeros(num_recordings, num_classes)
        self._truths = torch.zeros_like(self._votes)
        self._probabilities = torch.zeros_like(self._votes)
        self._top_hits = self._confusion.new_zeros(int(top_k is not None))
        self._gaps = self._confusion.new_zeros(calibration_bins or 0)
        self._judged = self._confusion.new_zeros(())
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._views: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(
        self,
        logits: Tensor,
        targets: Tensor,
        *,
        recordings: Tensor | None = None,
        loss: Tensor | None = None,
        views: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Count one batch of B windows.

        Args:
            logits: Class scores `[B, K]` whose softmax is the probabilities; for probabilities pass their
                logarithm.
            targets: Class indices, int64 `[B]`.
            recordings: Index of each window's recording, int64 `[B]`; needed where recordings are counted.
            loss: Mean loss of the batch's windows, a scalar; in every batch or in none.
            views: Class scores `[B, K]` of each view by itself, by name; the same views in every batch.

        Raises:
            DataError: Scores are not `[B, K]`, or recordings are missing or not counted.
        """
        self._check(logits, targets, recordings)
        for name, scores in (views or {}).items():
            self._check_scores(f"the view {name!r}", scores, targets)
            count_pairs(self._view(name), targets, scores.argmax(dim=-1))
        predictions = logits.argmax(dim=-1)
        count_pairs(self._confusion, targets, predictions)
        if recordings is not None or self.calibration_bins is not None:
            probabilities = logits.softmax(dim=-1, dtype=torch.float64)
            if recordings is not None:
                count_pairs(self._votes, recordings, predictions)
                count_pairs(self._truths, recordings, targets)
                self._probabilities.index_add_(0, recordings, in_units(probabilities))
            if self.calibration_bins is not None:
                confidences = probabilities.gather(1, predictions[:, None]).squeeze(1)
                gaps = (predictions == targets) * PROBABILITY_UNIT - in_units(confidences)
                self._gaps.index_add_(0, confidence_bins(confidences, self.calibration_bins), gaps)
        if self.top_k is not None:
            self._top_hits += (target_ranks(logits.nan_to_num(nan=torch.inf), targets) < self.top_k).sum()
        if loss is not None:
            self._judged += len(targets)
            self._loss += loss.double() * len(targets)

    def tensors(self) -> list[Tensor]:
        """Return the state itself, always in the same order; summing each over workers, in place, merges.

        Views are known from the first update on, so every worker must have counted a batch, or none.
        """
        optional = [self._votes, self._truths, self._probabilities, self._top_hits, self._gaps]
        views = [self._views[name] for name in sorted(self._views)]
        return [self._confusion, *(counts for counts in optional if counts.numel()), *views, self._judged, self._loss]

    def merge(self, other: MetricsTracker) -> None:
        """Add what another tracker of the same shape and device has counted."""
        for name in self._views.keys() | other._views.keys():
            self._view(name), other._view(name)
        for mine, theirs in zip(self.tensors(), other.tensors(), strict=True):
            mine.add_(theirs)

    def reset(self) -> None:
        """Forget all that was counted."""
        self._views.clear()
        for tensor in self.tensors():
            tensor.zero_()

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Windows by true class (row) and predicted class (column), `[K, K]`."""
        return self._confusion.cpu().numpy().copy()

    @property
    def recording_confusion(self) -> NDArray[np.int64]:
        """Recordings with windows, by true class (row) and vote (column), `[K, K]`."""
        truths = self._truths.cpu().numpy()
        voted = voted_classes(self._votes.cpu().numpy(), self._probabilities.cpu().numpy())
        present = truths.any(axis=1)
        confusion = np.zeros((self.num_classes, self.num_classes), dtype=np.int64)
        np.add.at(confusion, (truths.argmax(axis=1)[present], voted[present]), 1)
        return confusion

    def per_recording(self) -> list[RecordingVote]:
        """Return how each recording with windows voted, in the order of their indices."""
        truths, votes, sums = (one.cpu().numpy() for one in (self._truths, self._votes, self._probabilities))
        windows, truth, voted = votes.sum(axis=1), truths.argmax(axis=1), voted_classes(votes, sums)
        present = np.flatnonzero(windows)
        return [
            RecordingVote(
                recording=int(index),
                truth=int(truth[index]),
                voted=int(voted[index]),
                windows=int(windows[index]),
                right=int(votes[index, truth[index]]),
                probability=float(sums[index, voted[index]]) / (int(windows[index]) * PROBABILITY_UNIT),
            )
            for index in present
        ]

    def per_class(self) -> PerClass:
        """Return recall, precision, F1 and support of each class over windows."""
        return per_class(self.confusion)

    def compute(self, prefix: str = "", *, average: Average = "macro") -> dict[str, float]:
        """Return all metrics by name.

        `loss` (where it was given), `accuracy`, `balanced_accuracy`, `{average}_f1`, `top_{k}_accuracy` and
        `expected_calibration_error` are over windows, `recording_accuracy` and `recording_{average}_f1` over
        recordings; `{view}/accuracy` and `{view}/{average}_f1` are those of each view by itself.

        Args:
            prefix: Each name follows `{prefix}/`, if it is not empty.
            average: How F1 is averaged over classes, as in `compute_f1_score`.

        Raises:
            ConfigError: The average is unknown.
            RunError: Nothing was counted, or the loss or a view was given for a part of the windows.
        """
        windows = self.confusion
        count = int(windows.sum())
        if count == 0:
            raise RunError(f"{prefix} metrics need at least one window, and none was counted".lstrip())
        metrics = self._mean_loss(count)
        metrics |= {
            "accuracy": accuracy(windows),
            "balanced_accuracy": balanced_accuracy(windows),
            f"{average}_f1": f1_score(windows, average),
        }
        if self.top_k is not None:
            metrics[f"top_{self.top_k}_accuracy"] = int(self._top_hits) / count
        if self.calibration_bins is not None:
            gaps = int(self._gaps.abs().sum())
            metrics["expected_calibration_error"] = gaps / (count * PROBABILITY_UNIT)
        if self.num_recordings:
            recordings = self.recording_confusion
            metrics["recording_accuracy"] = accuracy(recordings)
            metrics[f"recording_{average}_f1"] = f1_score(recordings, average)
        metrics |= self._of_views(count, average)
        return {f"{prefix}/{name}" if prefix else name: value for name, value in metrics.items()}

    def _mean_loss(self, count: int) -> dict[str, float]:
        judged = int(self._judged)
        if judged not in (0, count):
            raise RunError(f"the loss was given for {judged} of {count} windows; give it in every update or in none")
        return {"loss": float(self._loss) / count} if judged else {}

    def _of_views(self, count: int, average: Average) -> dict[str, float]:
        metrics: dict[str, float] = {}
        for name, counts in self._views.items():
            windows = counts.cpu().numpy()
            if windows.sum() != count:
                raise RunError(
                    f"the view {name!r} was given for {windows.sum()} of {count} windows; give it in every update"
                )
            metrics |= {f"{name}/accuracy": accuracy(windows), f"{name}/{average}_f1": f1_score(windows, average)}
        return metrics

    def _view(self, name: str) -> Tensor:
        """Return the confusion matrix of a view, zeros where it is new."""
        if name not in self._views:
            self._views[name] = torch.zeros_like(self._confusion)
        return self._views[name]

    def _check(self, logits: Tensor, targets: Tensor, recordings: Tensor | None) -> None:
        self._check_scores("logits", logits, targets)
        if (recordings is not None) != (self.num_recordings > 0):
            given = "none were given" if recordings is None else "recordings were given"
            raise DataError(f"num_recordings is {self.num_recordings}, but {given} to update")

    def _check_scores(self, name: str, scores: Tensor, targets: Tensor) -> None:
        expected = (len(targets), self.num_classes)
        if scores.shape != expected:
            raise DataError(f"{name} must have shape [B, K] = {list(expected)}, got {list(scores.shape)}")
