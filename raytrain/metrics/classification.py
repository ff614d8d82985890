"""Metrics of predicted against true classes, all from one confusion matrix of integer counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from raytrain.errors import DataError
from raytrain.metrics.confusion import Average, PerClass, accuracy, balanced_accuracy, f1_score, per_class
from raytrain.metrics.inputs import checked_pair

__all__ = [
    "compute_accuracy",
    "compute_balanced_accuracy",
    "compute_confusion_matrix",
    "compute_f1_score",
    "compute_per_class_metrics",
]


def compute_confusion_matrix(
    predictions: Tensor, targets: Tensor, *, num_classes: int | None = None
) -> NDArray[np.int64]:
    """Count samples by true class (row) and predicted class (column).

    >>> import torch
    >>> compute_confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])).tolist()
    [[1, 1], [0, 1]]

    Args:
        predictions: Class indices, integers `[N]`; of scores, their `argmax(dim=-1)`.
        targets: True class indices, integers `[N]`.
        num_classes: Number of classes K; None for the highest index that occurs, plus one.

    Returns:
        Counts, int64 `[K, K]`. A class that does not occur has zeros.

    Raises:
        DataError: There are no samples, predictions and targets differ in number, or an index is not in [0, K).
    """
    predicted, true = checked_pair(predictions, targets)
    highest = int(max(predicted.max(), true.max()))
    classes = highest + 1 if num_classes is None else num_classes
    if highest >= classes:
        raise DataError(f"predictions and targets must be below num_classes, {classes}; got {highest}")
    counts = (true * classes + predicted).bincount(minlength=classes**2)
    matrix: NDArray[np.int64] = counts.reshape(classes, classes).numpy()
    return matrix


def compute_accuracy(predictions: Tensor, targets: Tensor) -> float:
    """Return the share of samples whose class was predicted.

    >>> import torch
    >>> compute_accuracy(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 1, 1]))
    0.75

    Args:
        predictions: Class indices, integers `[N]`.
        targets: True class indices, integers `[N]`.

    Raises:
        DataError: There are no samples, or predictions and targets do not fit each other.
    """
    return accuracy(compute_confusion_matrix(predictions, targets))


def compute_balanced_accuracy(predictions: Tensor, targets: Tensor) -> float:
    """Return the mean recall of the classes, each weighing the same however many samples it has.

    Brodersen et al. 2010, "The balanced accuracy and its posterior distribution". Classes without true samples
    are left out, as in scikit-learn.

    >>> import torch
    >>> compute_balanced_accuracy(torch.tensor([0, 0, 0, 0]), torch.tensor([0, 0, 0, 1]))
    0.5

    Args:
        predictions: Class indices, integers `[N]`.
        targets: True class indices, integers `[N]`.

    Raises:
        DataError: There are no samples, or predictions and targets do not fit each other.
    """
    return balanced_accuracy(compute_confusion_matrix(predictions, targets))


def compute_f1_score(predictions: Tensor, targets: Tensor, *, average: Average = "macro") -> float:
    """Return F1, `2 TP / (2 TP + FP + FN)`, averaged over classes.

    Sokolova and Lapalme 2009, "A systematic analysis of performance measures for classification tasks". A class
    without true samples is left out of the mean also where it was predicted; that prediction lowers the recall
    of its true class. scikit-learn does so where `labels` are the classes in `targets`.

    >>> import torch
    >>> predictions, targets = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1])
    >>> [round(compute_f1_score(predictions, targets, average=way), 3) for way in ("macro", "micro", "weighted")]
    [0.733, 0.75, 0.767]

    Args:
        predictions: Class indices, integers `[N]`.
        targets: True class indices, integers `[N]`.
        average: `macro` is the mean over classes; `weighted` weighs each by its true samples; `micro` is the F1
            of the counts summed over classes, which for one class per sample is the accuracy.

    Raises:
        ConfigError: The average is unknown.
        DataError: There are no samples, or predictions and targets do not fit each other.
    """
    return f1_score(compute_confusion_matrix(predictions, targets), average)


def compute_per_class_metrics(predictions: Tensor, targets: Tensor, *, num_classes: int | None = None) -> PerClass:
    """Return recall, precision, F1 and number of true samples of each class, arrays `[K]`.

    The recall of a class without true samples and the precision of a class never predicted are 0/0: NaN, as
    with scikit-learn's `zero_division=nan`.

    >>> import torch
    >>> classes = compute_per_class_metrics(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), num_classes=3)
    >>> classes.recall.tolist(), classes.precision.tolist()
    ([0.5, 1.0, nan], [1.0, 0.5, nan])

    Args:
        predictions: Class indices, integers `[N]`.
        targets: True class indices, integers `[N]`.
        num_classes: Number of classes K; None for the highest index that occurs, plus one.

    Raises:
        DataError: There are no samples, or predictions and targets do not fit each other or K.
    """
    return per_class(compute_confusion_matrix(predictions, targets, num_classes=num_classes))
