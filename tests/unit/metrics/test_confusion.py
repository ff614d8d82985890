from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as oracle

from raytrain.errors import ConfigError
from raytrain.metrics.confusion import accuracy, balanced_accuracy, f1_score, per_class

CLASSES = 4
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80)


def confusion_of(pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    confusion = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for truth, prediction in pairs:
        confusion[truth, prediction] += 1
    return confusion


@settings(max_examples=30)
@given(PAIRS)
def test_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truths, predictions = zip(*pairs, strict=True)
    confusion = confusion_of(pairs)
    present = sorted(set(truths))
    assert accuracy(confusion) == pytest.approx(oracle.accuracy_score(truths, predictions), abs=1e-12)
    recall = oracle.recall_score(truths, predictions, labels=present, average="macro")
    assert balanced_accuracy(confusion) == pytest.approx(recall, abs=1e-12)
    for average in ("macro", "weighted"):
        f1 = oracle.f1_score(truths, predictions, labels=present, average=average)
        assert f1_score(confusion, average) == pytest.approx(f1, abs=1e-12)
    assert f1_score(confusion, "micro") == pytest.approx(
        oracle.f1_score(truths, predictions, average="micro"), abs=1e-12
    )


@settings(max_examples=30)
@given(PAIRS)
def test_per_class_agrees_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truths, predictions = zip(*pairs, strict=True)
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        truths, predictions, labels=range(CLASSES), zero_division=np.nan
    )
    classes = per_class(confusion_of(pairs))
    np.testing.assert_allclose(classes.recall, recall, atol=1e-12)
    np.testing.assert_allclose(classes.precision, precision, atol=1e-12)
    np.testing.assert_allclose(classes.f1, f1, atol=1e-12)
    np.testing.assert_array_equal(classes.support, support)


def test_a_class_without_true_samples_is_left_out_of_the_means() -> None:
    confusion = np.array([[3, 0, 1], [0, 4, 0], [0, 0, 0]])
    assert balanced_accuracy(confusion) == (3 / 4 + 1) / 2
    assert f1_score(confusion) == pytest.approx((6 / 7 + 1) / 2)
    assert math.isnan(per_class(confusion).recall[2])
    assert per_class(confusion).f1[2] == 0  # it was predicted, wrongly


def test_means_are_not_weighted_by_the_size_of_a_class() -> None:
    confusion = np.array([[98, 0], [1, 1]])
    assert accuracy(confusion) == 0.99
    assert balanced_accuracy(confusion) == 0.75


def test_nothing_counted_gives_nan() -> None:
    empty = np.zeros((3, 3), dtype=np.int64)
    assert all(math.isnan(metric(empty)) for metric in (accuracy, balanced_accuracy, f1_score))
    assert math.isnan(f1_score(empty, "weighted"))


def test_counts_beyond_float_precision_are_exact() -> None:
    big = 2**53
    assert per_class(np.array([[big, big + 2], [0, 1]])).support[0] == 2 * big + 2


def test_an_unknown_average_is_refused() -> None:
    with pytest.raises(ConfigError, match="average 'marco' is unknown; did you mean 'macro'"):
        f1_score(np.eye(2, dtype=np.int64), "marco")  # type: ignore[arg-type]
