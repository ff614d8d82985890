from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.losses import TemporalSmoothnessLoss
from raytrain.losses.temporal_smoothness import adjacent_windows, temporal_smoothness
from raytrain.types import Batch

HOP = 512


def batch_of(recording: list[int], window: list[int]) -> Batch:
    """Return a batch of the windows of these numbers within these recordings."""
    conditions = {"recording": torch.tensor(recording), "window_start": HOP * torch.tensor(window)}
    return Batch(torch.zeros(len(window), 1, 8), torch.zeros(len(window), dtype=torch.int64), conditions)


def reference(logits: Tensor, recording: list[int], window: list[int]) -> float:
    """The formula, over all pairs one by one, in float64."""
    scores = np.exp(logits.double().numpy())
    share = scores / scores.sum(axis=1, keepdims=True)
    changes = [
        float(np.square(share[later] - share[earlier]).sum())
        for earlier in range(len(window))
        for later in range(len(window))
        if recording[earlier] == recording[later] and window[later] - window[earlier] == 1
    ]
    return sum(changes) / len(window)


@given(
    places=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8)), min_size=1, max_size=24, unique=True),
    seed=st.integers(0, 100),
)
def test_the_loss_is_the_formula_in_any_order(places: list[tuple[int, int]], seed: int) -> None:
    recording, window = [place[0] for place in places], [place[1] for place in places]
    logits = torch.randn(len(places), 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3
    loss = TemporalSmoothnessLoss(hop_samples=HOP, lambda_smooth=0.1)
    value = loss(logits, batch_of(recording, window)).item()
    assert value == pytest.approx(0.1 * reference(logits, recording, window), rel=1e-9, abs=1e-15)


def test_pairs_are_found_wherever_they_stand() -> None:
    batch = batch_of([7, 3, 7, 7, 3], [2, 5, 0, 1, 3])
    earlier, later = adjacent_windows(batch.conditions["recording"], batch.conditions["window_start"], hop_samples=HOP)
    assert sorted(zip(earlier.tolist(), later.tolist(), strict=True)) == [(2, 3), (3, 0)]


@pytest.mark.parametrize(
    ("recording", "window"),
    [([0, 1], [0, 1]), ([0, 0], [0, 2]), ([0, 0], [4, 4]), ([0], [0])],
    ids=["two recordings", "two hops apart", "the same window", "alone"],
)
def test_what_is_not_adjacent_never_counts(recording: list[int], window: list[int]) -> None:
    logits = torch.randn(len(window), 3, requires_grad=True)
    value = TemporalSmoothnessLoss(hop_samples=HOP)(logits, batch_of(recording, window))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_start_off_by_one_sample_is_no_neighbour() -> None:
    starts = torch.tensor([0, HOP - 1, 2 * HOP, 3 * HOP + 1])
    earlier, _ = adjacent_windows(torch.zeros(4, dtype=torch.int64), starts, hop_samples=HOP)
    assert len(earlier) == 0


def test_gradient_is_that_of_finite_differences() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    earlier, later = torch.tensor([0, 1, 3]), torch.tensor([1, 2, 4])
    assert torch.autograd.gradcheck(lambda scores: temporal_smoothness(scores.softmax(dim=1), earlier, later), logits)


def test_one_step_brings_neighbours_together_and_leaves_others_alone() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0]], requires_grad=True)
    loss = TemporalSmoothnessLoss(hop_samples=HOP, lambda_smooth=1.0)
    before = loss(logits, batch_of([0, 0, 1], [0, 1, 0]))
    before.backward()
    assert logits.grad is not None
    after = loss(logits.detach() - logits.grad, batch_of([0, 0, 1], [0, 1, 0]))
    assert after < 0.9 * before
    assert not logits.grad[2].any()


def test_lambda_is_a_factor_of_one_tenth_when_nothing_is_said() -> None:
    logits, batch = torch.tensor([[9.0, 0.0], [0.0, 9.0]]), batch_of([0, 0], [0, 1])
    whole = TemporalSmoothnessLoss(hop_samples=HOP, lambda_smooth=1.0)(logits, batch)
    torch.testing.assert_close(TemporalSmoothnessLoss(hop_samples=HOP)(logits, batch), 0.1 * whole)


@pytest.mark.parametrize(
    ("hop", "factor", "message"),
    [
        (0, 0.1, "hop_samples must be at least 1, got 0"),
        (HOP, -0.1, "lambda_smooth must be at least 0 and finite, got -0.1"),
        (HOP, math.nan, "lambda_smooth must be at least 0 and finite, got nan"),
    ],
)
def test_impossible_settings_are_refused(hop: int, factor: float, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TemporalSmoothnessLoss(hop_samples=hop, lambda_smooth=factor)
    assert message in str(caught.value)


@pytest.mark.parametrize("missing", ["recording", "window_start"])
def test_a_batch_without_places_is_refused(missing: str) -> None:
    batch = batch_of([0, 0], [0, 1])
    conditions = {name: value for name, value in batch.conditions.items() if name != missing}
    with pytest.raises(ConfigError, match=f"needs the operating condition {missing}; batches carry"):
        TemporalSmoothnessLoss(hop_samples=HOP)(torch.zeros(2, 2), Batch(batch.inputs, batch.targets, conditions))


def test_without_a_hop_windows_follow_each_other_end_to_end() -> None:
    place = {"recording": torch.tensor([0, 0, 0]), "window_start": torch.tensor([0, 8, 12])}
    batch = Batch(torch.zeros(3, 1, 8), torch.tensor([0, 0, 0]), place)
    logits = torch.tensor([[20.0, 0.0], [0.0, 20.0], [20.0, 0.0]])
    torch.testing.assert_close(
        TemporalSmoothnessLoss()(logits, batch), TemporalSmoothnessLoss(hop_samples=8)(logits, batch), rtol=0, atol=0
    )
    assert TemporalSmoothnessLoss(lambda_smooth=1.0)(logits, batch).item() == pytest.approx(2.0 / 3, rel=1e-6)
