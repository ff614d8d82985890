from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

from raytrain.errors import ConfigError, DataError
from raytrain.metrics import compute_expected_calibration_error

CLASSES = 4


def reference(probabilities: NDArray[np.float64], targets: NDArray[np.int64], bins: int) -> float:
    """Guo et al. 2017, equation 3, bin by bin."""
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    error = 0.0
    for m in range(1, bins + 1):
        inside = (confidences > (m - 1) / bins) & (confidences <= m / bins)
        if inside.any():
            error += inside.sum() / len(targets) * abs(right[inside].mean() - confidences[inside].mean())
    return error


def samples(count: int, *, seed: int, spread: float = 2.0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, spread, (count, CLASSES)))
    return logits.softmax(dim=1), torch.from_numpy(rng.integers(0, CLASSES, count))


@settings(max_examples=50)
@given(
    count=st.integers(1, 200), seed=st.integers(0, 1000), bins=st.integers(1, 40), spread=st.sampled_from([0.1, 2, 20])
)
def test_agrees_with_a_reference(count: int, seed: int, bins: int, spread: float) -> None:
    probabilities, targets = samples(count, seed=seed, spread=spread)
    expected = reference(probabilities.numpy(), targets.numpy(), bins)
    assert compute_expected_calibration_error(probabilities, targets, bins=bins) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50)
@given(steps=st.lists(st.tuples(st.integers(8, 15), st.booleans()), min_size=1, max_size=30))
def test_confidences_on_an_edge_belong_to_the_bin_below(steps: list[tuple[int, bool]]) -> None:
    confidence = np.array([step / 15 for step, _ in steps])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    targets = np.array([int(wrong) for _, wrong in steps])
    expected = reference(probabilities, targets, 15)
    value = compute_expected_calibration_error(torch.from_numpy(probabilities), torch.from_numpy(targets))
    assert value == pytest.approx(expected, abs=1e-12)


def test_agrees_with_torchmetrics() -> None:
    probabilities, targets = samples(500, seed=1)
    assert probabilities.max() < 1  # a confidence of exactly 1 has a bin of its own there
    expected = multiclass_calibration_error(probabilities, targets, num_classes=CLASSES, n_bins=15, norm="l1")
    assert compute_expected_calibration_error(probabilities, targets) == pytest.approx(float(expected), abs=1e-6)


def test_honest_confidence_has_no_error_and_false_certainty_has_all() -> None:
    honest = torch.tensor([[0.75, 0.25]] * 4)
    assert compute_expected_calibration_error(honest, torch.tensor([0, 1, 0, 0])) == 0
    certain = torch.tensor([[1.0, 0.0]])
    assert compute_expected_calibration_error(certain, torch.tensor([1])) == 1


def test_gaps_of_one_bin_cancel_and_those_of_two_do_not() -> None:
    probabilities = torch.tensor([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.5, 0.5]], dtype=torch.float64)
    targets = torch.tensor([0, 0, 1, 1])  # too modest three times, then too sure
    assert compute_expected_calibration_error(probabilities, targets, bins=1) == pytest.approx(0.25 / 4)
    assert compute_expected_calibration_error(probabilities, targets, bins=2) == pytest.approx((0.75 + 0.5) / 4)


def test_unusable_input_is_refused() -> None:
    probabilities, targets = samples(3, seed=0)
    with pytest.raises(ConfigError, match="bins must be at least 1, got 0"):
        compute_expected_calibration_error(probabilities, targets, bins=0)
    with pytest.raises(DataError, match=r"probabilities must be from 0 to 1, got 3; pass logits.softmax\(dim=-1\)"):
        compute_expected_calibration_error(probabilities * 0 + 3, targets)
    with pytest.raises(DataError, match="3 of 3 samples have NaN"):
        compute_expected_calibration_error(probabilities * torch.nan, targets)
    with pytest.raises(DataError, match=r"at least one sample; got float64 \[0, 4\]"):
        compute_expected_calibration_error(probabilities[:0], targets[:0])
