"""Classification metrics from a confusion matrix: int64 `[K, K]`, true classes in rows, predicted in columns.

All are float64. A class without true samples is left out of every mean: nothing is known of how well it is
found. Where a ratio is 0/0 (the recall of such a class, the precision of a class never predicted) it is NaN,
as with scikit-learn's `zero_division=nan`, and so are the means of an all-zero matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from raytrain.errors import ConfigError, nearest

__all__ = ["Average", "PerClass", "accuracy", "balanced_accuracy", "f1_score", "per_class"]

Average = Literal["macro", "micro", "weighted"]
"""How one number is made of one per class."""


@dataclass(frozen=True, slots=True, eq=False)
class PerClass:
    """What the confusion matrix says of each class; arrays `[K]`.

    >>> per_class(np.array([[3, 1], [0, 4]])).support.tolist()
    [4, 4]

    Attributes:
        recall: Share of the true samples of the class that were found.
        precision: Share of the predictions of the class that were right.
        f1: Harmonic mean of the two, `2 TP / (2 TP + FP + FN)`.
        support: Number of true samples.
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]


def per_class(confusion: NDArray[np.int64]) -> PerClass:
    """Return recall, precision, F1 and support of each class.

    >>> per_class(np.array([[3, 1], [0, 4]])).recall.tolist()
    [0.75, 1.0]
    """
    hits, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return PerClass(
        recall=_ratio(hits, support),
        precision=_ratio(hits, predicted),
        f1=_ratio(2 * hits, support + predicted),
        support=support,
    )


def accuracy(confusion: NDArray[np.int64]) -> float:
    """Return the share of samples whose class was predicted.

    >>> accuracy(np.array([[3, 1], [0, 4]]))
    0.875
    """
    return float(_ratio(confusion.trace(), confusion.sum()))


def balanced_accuracy(confusion: NDArray[np.int64]) -> float:
    """Return the mean recall of the classes that have true samples."""
    classes = per_class(confusion)
    return _mean(classes.recall, weights=classes.support > 0)


def f1_score(confusion: NDArray[np.int64], average: Average = "macro") -> float:
    """Return the mean F1 of the classes that have true samples.

    Args:
        confusion: Counts `[K, K]`.
        average: `macro` weighs these classes alike, `weighted` by their true samples; `micro` is the F1 of the
            counts summed over all classes, which is the accuracy.

    Raises:
        ConfigError: The average is unknown.
    """
    classes = per_class(confusion)
    match average:
        case "macro":
            return _mean(classes.f1, weights=classes.support > 0)
        case "weighted":
            return _mean(classes.f1, weights=classes.support)
        case "micro":
            return accuracy(confusion)
    raise ConfigError(f"average {average!r} is unknown; {nearest(str(average), get_args(Average))}")


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    ratio = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=np.asarray(denominator) > 0)
    return ratio


def _mean(values: NDArray[np.float64], *, weights: NDArray[np.int64] | NDArray[np.bool_]) -> float:
    counted = weights > 0
    return float(np.average(values[counted], weights=weights[counted])) if counted.any() else float("nan")
