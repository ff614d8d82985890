from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from torch import Tensor
from torchmetrics.functional import classification as torch_oracle

from raytrain.errors import ConfigError, DataError
from raytrain.metrics import (
    compute_accuracy,
    compute_balanced_accuracy,
    compute_confusion_matrix,
    compute_f1_score,
    compute_per_class_metrics,
)

CLASSES = 4
PAIRS = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)
METRICS = (
    compute_accuracy,
    compute_balanced_accuracy,
    compute_confusion_matrix,
    compute_f1_score,
    compute_per_class_metrics,
)


def tensors(pairs: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    predictions, targets = torch.tensor(pairs).unbind(dim=1)
    return predictions, targets


@settings(max_examples=40)
@given(PAIRS)
def test_agree_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    predictions, targets = tensors(pairs)
    present = np.unique(targets)
    assert compute_accuracy(predictions, targets) == pytest.approx(
        oracle.accuracy_score(targets, predictions), abs=1e-12
    )
    with warnings.catch_warnings():  # it warns of predicted classes without true samples, and leaves them out
        warnings.simplefilter("ignore")
        balanced = oracle.balanced_accuracy_score(targets, predictions)
    assert compute_balanced_accuracy(predictions, targets) == pytest.approx(balanced, abs=1e-12)
    for average, labels in (("macro", present), ("weighted", None), ("micro", None)):
        expected = oracle.f1_score(targets, predictions, labels=labels, average=average, zero_division=0)
        assert compute_f1_score(predictions, targets, average=average) == pytest.approx(expected, abs=1e-12)  # type: ignore[arg-type]
    np.testing.assert_array_equal(
        compute_confusion_matrix(predictions, targets, num_classes=CLASSES),
        oracle.confusion_matrix(targets, predictions, labels=range(CLASSES)),
    )


@settings(max_examples=40)
@given(PAIRS)
def test_each_class_agrees_with_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    predictions, targets = tensors(pairs)
    classes = compute_per_class_metrics(predictions, targets, num_classes=CLASSES)
    expected = oracle.precision_recall_fscore_support(targets, predictions, labels=range(CLASSES), zero_division=np.nan)
    for values, reference in zip((classes.precision, classes.recall, classes.f1), expected, strict=False):
        np.testing.assert_allclose(values, reference, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(classes.support, expected[3])


def test_agree_with_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(CLASSES, (500,), generator=generator)
    noise = torch.randint(CLASSES, (500,), generator=generator)
    predictions = torch.where(torch.rand(500, generator=generator) < 0.6, targets, noise)
    settings = {"num_classes": CLASSES}
    for average in ("macro", "weighted", "micro"):
        expected = torch_oracle.multiclass_f1_score(predictions, targets, average=average, **settings)
        assert compute_f1_score(predictions, targets, average=average) == pytest.approx(float(expected), abs=1e-6)
    recall = torch_oracle.multiclass_accuracy(predictions, targets, average="macro", **settings)
    assert compute_balanced_accuracy(predictions, targets) == pytest.approx(float(recall), abs=1e-6)
    confusion = torch_oracle.multiclass_confusion_matrix(predictions, targets, **settings)
    np.testing.assert_array_equal(compute_confusion_matrix(predictions, targets), confusion)


def test_true_classes_are_rows() -> None:
    assert compute_confusion_matrix(torch.tensor([2]), torch.tensor([0])).tolist() == [[0, 0, 1], [0] * 3, [0] * 3]


def test_a_class_without_samples_lowers_nothing_by_itself() -> None:
    targets = torch.tensor([0, 0, 3, 3])
    predictions = torch.tensor([0, 1, 3, 3])  # class 1 is predicted but never true, class 2 is neither
    assert compute_balanced_accuracy(predictions, targets) == 0.75
    assert compute_f1_score(predictions, targets) == pytest.approx((2 / 3 + 1) / 2)
    classes = compute_per_class_metrics(predictions, targets)
    assert np.isnan(classes.recall).tolist() == [False, True, True, False]
    assert np.isnan(classes.precision).tolist() == [False, False, True, False]
    assert np.isnan(classes.f1).tolist() == [False, False, True, False]
    assert classes.f1[1] == 0


@pytest.mark.parametrize(("prediction", "value"), [(1, 1.0), (0, 0.0)])
def test_a_single_sample_is_right_or_wrong(prediction: int, value: float) -> None:
    sample = torch.tensor([prediction]), torch.tensor([1])
    assert compute_accuracy(*sample) == compute_balanced_accuracy(*sample) == value
    assert [compute_f1_score(*sample, average=average) for average in ("macro", "micro", "weighted")] == [value] * 3


def test_indices_may_be_of_any_integer_type() -> None:
    predictions, targets = torch.tensor([200, 3], dtype=torch.uint8), torch.tensor([200, 4], dtype=torch.int32)
    assert compute_accuracy(predictions, targets) == 0.5
    assert compute_confusion_matrix(predictions, targets)[200, 200] == 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("predictions", "targets", "message"),
    [
        (torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), "must hold at least one sample"),
        (torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64), r"predictions must be integer .* got float32 \[3, 2\]"),
        (torch.zeros(3, dtype=torch.bool), torch.zeros(3, dtype=torch.int64), r"predictions .* got bool \[3\]"),
        (torch.tensor([0]), torch.tensor([-1]), "targets must be 0 or more, got -1"),
        (torch.tensor([0, 1]), torch.tensor([1]), "must be equally many, got 2 and 1"),
    ],
)
def test_unusable_indices_are_refused(metric: object, predictions: Tensor, targets: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        metric(predictions, targets)  # type: ignore[operator]


def test_a_class_beyond_the_number_of_classes_is_refused() -> None:
    for metric in (compute_confusion_matrix, compute_per_class_metrics):
        with pytest.raises(DataError, match="must be below num_classes, 2; got 2"):
            metric(torch.tensor([2]), torch.tensor([0]), num_classes=2)


def test_an_unknown_average_is_refused() -> None:
    with pytest.raises(ConfigError, match="average 'samples' is unknown; valid: macro, micro, weighted"):
        compute_f1_score(torch.tensor([0]), torch.tensor([0]), average="samples")  # type: ignore[arg-type]
