from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy, cross_entropy

CLASSES = 4
WEIGHT = torch.tensor([0.2, 3.0, 0.0, 1.5], dtype=torch.float64)


def batch(size: int = 12, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, CLASSES, generator=generator, dtype=torch.float64) * 3
    return logits, torch.randint(0, CLASSES, (size,), generator=generator)


def class_shares(size: int = 12) -> Tensor:
    scores = torch.randn(size, CLASSES, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return scores.softmax(dim=1)


def reference(
    logits: NDArray[np.float64], shares: NDArray[np.float64], weight: NDArray[np.float64], smoothing: float
) -> float:
    """The formula of the docstring, sample by sample."""
    losses = []
    for row, share in zip(logits, shares, strict=True):
        surprise = -np.log(np.exp(row) / np.exp(row).sum())
        losses.append((weight * ((1 - smoothing) * share + smoothing / CLASSES) * surprise).sum())
    return float(np.mean(losses))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("weight", [[1.0, 1.0, 1.0, 1.0], [0.2, 3.0, 0.0, 1.5]])
@pytest.mark.parametrize("mixed", [False, True])
def test_equals_the_formula(smoothing: float, weight: list[float], mixed: bool) -> None:
    logits, indices = batch()
    shares = class_shares() if mixed else functional.one_hot(indices, CLASSES).double()
    value = cross_entropy(
        logits, shares if mixed else indices, weight=torch.tensor(weight, dtype=torch.float64), smoothing=smoothing
    )
    expected = reference(logits.numpy(), shares.numpy(), np.array(weight), smoothing)
    assert value.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("mixed", [False, True])
def test_equals_torchs_sum_over_the_number_of_samples(smoothing: float, weight: Tensor | None, mixed: bool) -> None:
    logits, indices = batch()
    targets = class_shares() if mixed else indices
    total = functional.cross_entropy(logits, targets, weight=weight, label_smoothing=smoothing, reduction="sum")
    criterion = LabelSmoothingCrossEntropy(smoothing, weight)
    torch.testing.assert_close(criterion(logits, targets), total / 12, rtol=1e-14, atol=0)


def test_plain_and_unweighted_it_is_torchs_own() -> None:
    logits, targets = batch()
    torch.testing.assert_close(LabelSmoothingCrossEntropy(0.0)(logits, targets), nn.CrossEntropyLoss()(logits, targets))


def test_the_default_smoothing_is_a_tenth() -> None:
    logits, targets = batch()
    expected = nn.CrossEntropyLoss(label_smoothing=0.1)(logits, targets)
    torch.testing.assert_close(LabelSmoothingCrossEntropy()(logits, targets), expected)


@pytest.mark.parametrize("mixed", [False, True])
def test_gradient_is_that_of_finite_differences(mixed: bool) -> None:
    logits, indices = batch(5)
    targets = class_shares(5) if mixed else indices
    assert torch.autograd.gradcheck(
        lambda scores: cross_entropy(scores, targets, weight=WEIGHT, smoothing=0.1), logits.requires_grad_()
    )


@given(
    cuts=st.lists(st.integers(1, 31), min_size=1, max_size=5, unique=True),
    smoothing=st.sampled_from([0.0, 0.1]),
)
def test_micro_batches_weighted_by_size_give_the_large_batch(cuts: list[int], smoothing: float) -> None:
    logits, targets = batch(32)
    criterion = LabelSmoothingCrossEntropy(smoothing, WEIGHT)
    whole = criterion(logits, targets)
    parts = torch.tensor_split(torch.arange(32), sorted(cuts))
    total = sum(criterion(logits[part], targets[part]) * len(part) for part in parts)
    torch.testing.assert_close(total / 32, whole, rtol=1e-12, atol=0)


def test_torchs_own_weighted_mean_would_not() -> None:
    """Why the normaliser is the number of samples."""
    logits, targets = batch(32)
    weight = torch.tensor([0.2, 3.0, 0.5, 1.5]).double()
    halves = (slice(16), slice(16, 32))
    parts = [functional.cross_entropy(logits[half], targets[half], weight=weight).item() for half in halves]
    whole = functional.cross_entropy(logits, targets, weight=weight).item()
    assert abs(sum(parts) / 2 - whole) > 0.01
    one_hot = functional.one_hot(targets, CLASSES).double()
    assert abs(functional.cross_entropy(logits, one_hot, weight=weight).item() - whole) > 0.01


def test_an_accumulated_step_gives_the_gradient_of_one_large_step() -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, CLASSES).double()
    inputs, (_, targets) = torch.randn(20, 6).double(), batch(20)
    criterion = LabelSmoothingCrossEntropy(0.1, WEIGHT)
    criterion(model(inputs), targets).backward()
    assert model.weight.grad is not None
    whole = model.weight.grad.clone()
    assert whole.any()
    model.zero_grad()
    for part in (slice(0, 8), slice(8, 16), slice(16, 20)):  # the last micro-batch is short
        share = len(targets[part]) / 20
        (criterion(model(inputs[part]), targets[part]) * share).backward()
    torch.testing.assert_close(model.weight.grad, whole, rtol=1e-12, atol=1e-15)


def test_weights_of_another_precision_are_used_in_that_of_the_scores() -> None:
    logits, targets = batch()
    single, double = (LabelSmoothingCrossEntropy(0.1, weight) for weight in (WEIGHT.float(), WEIGHT))
    torch.testing.assert_close(single(logits, targets), double(logits, targets), rtol=1e-7, atol=0)
    assert double(logits.float(), targets).dtype == torch.float32


def test_weights_move_with_the_module() -> None:
    weight = LabelSmoothingCrossEntropy(0.1, WEIGHT).to("meta").weight
    assert weight is not None
    assert weight.device.type == "meta"


@pytest.mark.parametrize(("smoothing", "shown"), [(1.0, "1"), (-0.1, "-0.1"), (float("nan"), "nan")])
def test_impossible_smoothing_is_refused(smoothing: float, shown: str) -> None:
    with pytest.raises(ConfigError, match=f"loss.smoothing must be at least 0 and below 1, got {shown}"):
        LabelSmoothingCrossEntropy(smoothing)
