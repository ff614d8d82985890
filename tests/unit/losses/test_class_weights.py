from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from raytrain.errors import DataError
from raytrain.losses.class_weights import compute_class_weights


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_equals_scikit_learn_over_the_classes_present_and_is_zero_elsewhere(labels: list[int]) -> None:
    present = np.unique(labels)
    expected = np.zeros(6)
    expected[present] = compute_class_weight("balanced", classes=present, y=np.array(labels))
    weights = compute_class_weights(torch.tensor(labels), num_classes=6)
    assert weights.dtype == torch.float32
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-6)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_the_number_of_classes_follows_from_the_labels(labels: list[int]) -> None:
    weights = compute_class_weights(torch.tensor(labels))
    assert torch.equal(weights, compute_class_weights(torch.tensor(labels), num_classes=max(labels) + 1))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_a_samples_weight_is_one_on_average(labels: list[int]) -> None:
    targets = torch.tensor(labels)
    weights = compute_class_weights(targets, num_classes=6)
    assert weights[targets].mean().item() == pytest.approx(1, rel=1e-6)


def test_no_labels_are_refused() -> None:
    with pytest.raises(DataError, match="at least one training sample"):
        compute_class_weights(torch.tensor([], dtype=torch.int64), num_classes=3)


@pytest.mark.parametrize(("labels", "named"), [([0, 3], "3"), ([-1, 2], "-1")])
def test_class_indices_out_of_range_are_refused(labels: list[int], named: str) -> None:
    with pytest.raises(DataError, match=f"class indices must be 0 to 2, got {named}"):
        compute_class_weights(torch.tensor(labels), num_classes=3)


def test_a_negative_label_is_refused_where_the_number_of_classes_is_unknown() -> None:
    with pytest.raises(DataError, match="class indices must be 0 to 2, got -1"):
        compute_class_weights(torch.tensor([-1, 2]))
