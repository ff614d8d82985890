"""Weights that make every class count the same, however many samples it has."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.errors import DataError

__all__ = ["compute_class_weights"]


def compute_class_weights(labels: Tensor, *, num_classes: int | None = None) -> Tensor:
    """Return balanced class weights, float32 `[K]`: `w_c = N / (P n_c)`.

    N is the number of samples, `n_c` that of class c and P the number of classes present. The mean weight of
    a sample is therefore one, and every class present weighs the same in total (King & Zeng 2001;
    scikit-learn's `class_weight="balanced"` over the classes present). A class without samples gets weight 0:
    nothing is known of it, so it must not enter the loss.

    Args:
        labels: Class indices of the training samples, integers `[N]`.
        num_classes: Number of classes K; None for one more than the highest label.

    Raises:
        DataError: There are no labels, or one lies outside 0 to K - 1.

    >>> compute_class_weights(torch.tensor([0, 0, 0, 1]))
    tensor([0.6667, 2.0000])
    >>> compute_class_weights(torch.tensor([0, 0, 0, 1]), num_classes=3)
    tensor([0.6667, 2.0000, 0.0000])
    """
    if labels.numel() == 0:
        raise DataError("class weights need at least one training sample, got none")
    low, high = int(labels.min()), int(labels.max())
    classes = high + 1 if num_classes is None else num_classes
    if low < 0 or high >= classes:
        raise DataError(f"class indices must be 0 to {max(0, classes - 1)}, got {low if low < 0 else high}")
    counts = torch.bincount(labels.flatten(), minlength=classes).double()
    weights = labels.numel() / (torch.count_nonzero(counts) * counts)
    return torch.where(counts > 0, weights, 0.0).float()
