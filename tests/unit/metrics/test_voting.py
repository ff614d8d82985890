from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from raytrain.errors import DataError
from raytrain.metrics import recording_vote

CLASSES = 3


@settings(max_examples=40)
@given(count=st.integers(1, 40), seed=st.integers(0, 1000))
def test_is_the_majority_of_each_recording(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, recordings = rng.normal(size=(count, CLASSES)), rng.integers(0, 6, count)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = []
    for recording in range(6):
        mine = probabilities[recordings == recording]
        votes = np.bincount(mine.argmax(axis=1), minlength=CLASSES)
        ordered = max(range(CLASSES), key=lambda label: (votes[label], mine[:, label].sum()))
        expected.append(ordered if len(mine) else -1)
    voted = recording_vote(torch.from_numpy(logits), torch.from_numpy(recordings), num_recordings=6)
    assert voted.dtype == np.int64
    assert voted.tolist() == expected


@settings(max_examples=40)
@given(count=st.integers(2, 40), seed=st.integers(0, 1000))
def test_the_order_of_windows_does_not_matter(count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, CLASSES, generator=generator).round(decimals=0)  # many ties
    recordings = torch.randint(4, (count,), generator=generator)
    order = torch.randperm(count, generator=generator)
    voted = recording_vote(logits, recordings, num_recordings=4)
    assert voted.tolist() == recording_vote(logits[order], recordings[order], num_recordings=4).tolist()


def test_a_tie_goes_to_the_surer_class_then_to_the_lower() -> None:
    probabilities = torch.tensor([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.0, 0.25, 0.75], [0.0, 0.75, 0.25]])
    assert recording_vote(probabilities.log(), torch.tensor([0, 0, 1, 1])).tolist() == [1, 1]


def test_a_confident_minority_does_not_outvote_the_majority() -> None:
    probabilities = torch.tensor([[0.51, 0.49], [0.51, 0.49], [0.0, 1.0]])
    assert recording_vote(probabilities.log(), torch.zeros(3, dtype=torch.int64)).tolist() == [0]


def test_a_recording_without_windows_has_no_vote() -> None:
    assert recording_vote(torch.eye(3), torch.tensor([4, 1, 1])).tolist() == [-1, 1, -1, -1, 0]
    assert recording_vote(torch.eye(3), torch.tensor([0, 1, 1]), num_recordings=3).tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("logits", "recordings", "message"),
    [
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), r"logits .* at least one sample; got float32 \[0, 2\]"),
        (torch.zeros(2, 2), torch.tensor([0]), "logits and recordings must be equally many, got 2 and 1"),
        (torch.zeros(1, 2), torch.tensor([3]), "recordings must be below num_recordings, 3; got 3"),
        (torch.zeros(1, 2), torch.tensor([-1]), "recordings must be 0 or more, got -1"),
        (torch.full((2, 2), torch.nan), torch.tensor([0, 1]), "logits must be numbers, and 2 of 2 samples have NaN"),
    ],
)
def test_unusable_windows_are_refused(logits: Tensor, recordings: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        recording_vote(logits, recordings, num_recordings=3)
