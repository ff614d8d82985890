from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.cross_entropy import CrossEntropy, cross_entropy

CLASSES = 4


def batch(size: int = 12, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, CLASSES, generator=generator, dtype=torch.float64) * 3
    return logits, torch.randint(0, CLASSES, (size,), generator=generator)


def reference(
    logits: NDArray[np.float64], targets: NDArray[np.int64], weight: NDArray[np.float64], smoothing: float
) -> float:
    """The formula of the docstring, sample by sample."""
    losses = []
    for row, target in zip(logits, targets, strict=True):
        surprise = -np.log(np.exp(row) / np.exp(row).sum())
        hard = weight[target] * surprise[target]
        losses.append((1 - smoothing) * hard + smoothing / CLASSES * (weight * surprise).sum())
    return float(np.mean(losses))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("weight", [[1.0, 1.0, 1.0, 1.0], [0.2, 3.0, 0.0, 1.5]])
def test_equals_the_formula(smoothing: float, weight: list[float]) -> None:
    logits, targets = batch()
    value = cross_entropy(logits, targets, weight=torch.tensor(weight).double(), smoothing=smoothing)
    expected = reference(logits.numpy(), targets.numpy(), np.array(weight), smoothing)
    assert value.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_without_weights_equals_torch(smoothing: float) -> None:
    logits, targets = batch()
    expected = functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    torch.testing.assert_close(cross_entropy(logits, targets, smoothing=smoothing), expected)


def test_gradient_is_that_of_finite_differences() -> None:
    logits, targets = batch(5)
    weight = torch.tensor([0.2, 3.0, 0.0, 1.5]).double()
    assert torch.autograd.gradcheck(
        lambda scores: cross_entropy(scores, targets, weight=weight, smoothing=0.1), logits.requires_grad_()
    )


@given(
    cuts=st.lists(st.integers(1, 31), min_size=1, max_size=5, unique=True),
    smoothing=st.sampled_from([0.0, 0.1]),
)
def test_micro_batches_weighted_by_size_give_the_large_batch(cuts: list[int], smoothing: float) -> None:
    logits, targets = batch(32)
    criterion = CrossEntropy(targets.clamp(max=2), CLASSES, smoothing=smoothing).double()
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


def test_an_accumulated_step_gives_the_gradient_of_one_large_step() -> None:
    torch.manual_seed(0)
    model = nn.Linear(6, CLASSES).double()
    inputs, (_, targets) = torch.randn(20, 6).double(), batch(20)
    criterion = CrossEntropy(targets, CLASSES, smoothing=0.1).double()
    criterion(model(inputs), targets).backward()
    assert model.weight.grad is not None
    whole = model.weight.grad.clone()
    assert whole.any()
    model.zero_grad()
    for part in (slice(0, 8), slice(8, 16), slice(16, 20)):  # the last micro-batch is short
        share = len(targets[part]) / 20
        (criterion(model(inputs[part]), targets[part]) * share).backward()
    torch.testing.assert_close(model.weight.grad, whole, rtol=1e-12, atol=1e-15)


def test_balanced_classes_weigh_the_same_in_total() -> None:
    targets = torch.tensor([0] * 6 + [1] * 3 + [2])
    criterion = CrossEntropy(targets, 3)
    uniform = torch.zeros(10, 3)
    shares = [
        criterion(uniform[targets == label], targets[targets == label]).item() * int((targets == label).sum())
        for label in range(3)
    ]
    assert shares == pytest.approx([shares[0]] * 3)
    assert criterion(uniform, targets).item() == pytest.approx(np.log(3))


def test_class_weights_none_weighs_samples_alike() -> None:
    logits, targets = batch()
    criterion = CrossEntropy(torch.tensor([0, 0, 0, 1]), CLASSES, class_weights="none")
    assert criterion.weight is None
    torch.testing.assert_close(criterion(logits, targets), functional.cross_entropy(logits, targets))


def test_weights_move_with_the_module() -> None:
    assert CrossEntropy(torch.tensor([0, 1]), 2).to("meta").weight.device.type == "meta"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smoothing": 1.0}, "loss.smoothing must be at least 0 and below 1, got 1"),
        ({"smoothing": -0.1}, "loss.smoothing"),
        ({"class_weights": "equal"}, "loss.class_weights must be none or balanced, got 'equal'"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CrossEntropy(torch.tensor([0, 1]), 2, **settings)
