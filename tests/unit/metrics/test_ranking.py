from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle
from torch import Tensor
from torchmetrics.functional.classification import multiclass_auroc

from raytrain.errors import ConfigError, DataError
from raytrain.metrics import compute_accuracy, compute_auroc, compute_top_k_accuracy

CLASSES = 5


def samples(count: int, *, seed: int, levels: int | None = None) -> tuple[Tensor, Tensor]:
    """Return probabilities and targets; with `levels`, scores are small integers, so many tie."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(count, CLASSES)) if levels is None else rng.integers(1, levels + 1, (count, CLASSES))
    weights = np.exp(scores) if levels is None else scores / 8
    probabilities = torch.from_numpy(weights / weights.sum(axis=1, keepdims=True))
    return probabilities, torch.from_numpy(rng.integers(0, CLASSES, count))


@settings(max_examples=40)
@given(count=st.integers(1, 60), seed=st.integers(0, 1000), k=st.integers(1, CLASSES - 1))
def test_top_k_agrees_with_scikit_learn(count: int, seed: int, k: int) -> None:
    scores, targets = samples(count, seed=seed)
    expected = oracle.top_k_accuracy_score(targets, scores, k=k, labels=range(CLASSES))
    assert compute_top_k_accuracy(scores, targets, k=k) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40)
@given(count=st.integers(1, 60), seed=st.integers(0, 1000), k=st.integers(1, CLASSES - 1))
def test_of_equal_scores_the_lower_class_comes_first(count: int, seed: int, k: int) -> None:
    """scikit-learn puts the higher class first, so it is given the classes in reverse."""
    scores, targets = samples(count, seed=seed, levels=3)
    expected = oracle.top_k_accuracy_score(CLASSES - 1 - targets, scores.flip(1), k=k, labels=range(CLASSES))
    assert compute_top_k_accuracy(scores, targets, k=k) == pytest.approx(expected, abs=1e-12)


def test_the_first_guess_is_the_accuracy_and_all_guesses_are_right() -> None:
    scores, targets = samples(100, seed=1, levels=3)
    assert compute_top_k_accuracy(scores, targets, k=1) == compute_accuracy(scores.argmax(dim=1), targets)
    assert compute_top_k_accuracy(scores, targets, k=CLASSES) == 1
    assert 0 < compute_top_k_accuracy(scores, targets) == compute_top_k_accuracy(scores, targets, k=3) < 1


@pytest.mark.parametrize("k", [0, -1, CLASSES + 1])
def test_more_guesses_than_classes_or_none_are_refused(k: int) -> None:
    with pytest.raises(ConfigError, match=f"k must be from 1 to the number of classes, 5; got {k}"):
        compute_top_k_accuracy(*samples(3, seed=0), k=k)


@settings(max_examples=40)
@given(count=st.integers(CLASSES, 60), seed=st.integers(0, 1000), levels=st.sampled_from([None, 2, 4]))
def test_auroc_agrees_with_scikit_learn(count: int, seed: int, levels: int | None) -> None:
    probabilities, targets = samples(count, seed=seed, levels=levels)
    targets[:CLASSES] = torch.arange(CLASSES)  # scikit-learn wants samples of every class
    expected = oracle.roc_auc_score(targets, probabilities, multi_class="ovr", average="macro")
    assert compute_auroc(probabilities, targets) == pytest.approx(expected, abs=1e-12)


def test_auroc_agrees_with_torchmetrics() -> None:
    probabilities, targets = samples(200, seed=3)
    expected = multiclass_auroc(probabilities, targets, num_classes=CLASSES, average="macro")
    assert compute_auroc(probabilities, targets) == pytest.approx(float(expected), abs=1e-6)


def test_two_classes_have_the_area_of_the_binary_curve() -> None:
    rng = np.random.default_rng(2)
    positive, targets = rng.random(50), rng.integers(0, 2, 50)
    probabilities = torch.from_numpy(np.stack([1 - positive, positive], axis=1))
    expected = oracle.roc_auc_score(targets, positive)
    assert compute_auroc(probabilities, torch.from_numpy(targets)) == pytest.approx(expected, abs=1e-12)


def test_a_class_without_samples_is_left_out_of_the_area() -> None:
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.2, 0.3], [0.1, 0.8, 0.1]])
    targets = torch.tensor([0, 1, 1])
    areas = [oracle.roc_auc_score(targets == label, probabilities[:, label]) for label in (0, 1)]
    assert areas == [1.0, 0.5]
    assert compute_auroc(probabilities, targets) == 0.75


def test_one_class_alone_has_no_area() -> None:
    probabilities, _ = samples(4, seed=0)
    assert math.isnan(compute_auroc(probabilities, torch.ones(4, dtype=torch.int64)))
    assert math.isnan(compute_auroc(probabilities[:1], torch.tensor([0])))


def test_equal_probabilities_are_half_right() -> None:
    assert compute_auroc(torch.full((6, 3), 1 / 3), torch.tensor([0, 0, 1, 1, 2, 2])) == 0.5


@pytest.mark.parametrize("metric", [compute_auroc, compute_top_k_accuracy])
@pytest.mark.parametrize(
    ("scores", "targets", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), r"at least one sample; got float32 \[0, 3\]"),
        (torch.zeros(3), torch.tensor([0, 1, 2]), r"of shape \[N, K\].* got float32 \[3\]"),
        (torch.zeros(1, 3, dtype=torch.int64), torch.tensor([0]), r"floating-point .* got int64 \[1, 3\]"),
        (torch.tensor([[0.5, math.nan, 0.5], [1, 0, 0]]), torch.tensor([0, 1]), "1 of 2 samples have NaN"),
        (torch.zeros(2, 3), torch.tensor([0]), "must be equally many, got 2 and 1"),
        (torch.zeros(1, 3), torch.tensor([3]), "targets must be below the number of classes, 3; got 3"),
    ],
)
def test_unusable_scores_are_refused(metric: object, scores: Tensor, targets: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        metric(scores, targets)  # type: ignore[operator]


@pytest.mark.parametrize(("score", "told"), [(2.0, "2"), (-0.5, "-0.5")])
def test_logits_are_not_taken_for_probabilities(score: float, told: str) -> None:
    with pytest.raises(DataError, match=rf"from 0 to 1, got {told}; pass logits.softmax\(dim=-1\)"):
        compute_auroc(torch.tensor([[score, 0.5]]), torch.tensor([0]))


def test_a_probability_may_exceed_one_by_rounding() -> None:
    probabilities = torch.tensor([[1 + 2**-23, 0.0], [0.0, 1.0]])
    assert compute_auroc(probabilities, torch.tensor([0, 1])) == 1
