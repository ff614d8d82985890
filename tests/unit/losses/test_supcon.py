"""One worker; test_gather.py has two."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pytorch_metric_learning.losses import SupConLoss as MetricLearningSupConLoss
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.losses.supcon import SupConLoss, supcon_loss

TARGETS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 2])


def embeddings(size: int = 8) -> Tensor:
    return torch.randn(size, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3


def reference(rows: NDArray[np.float64], targets: list[int], temperature: float) -> float:
    """Equation 2 of Khosla et al., anchor by anchor."""
    z = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    losses = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if targets[p] == targets[i]]
        if positives:
            total = np.log(sum(np.exp(z[i] @ z[a] / temperature) for a in others))
            losses.append(-np.mean([z[i] @ z[p] / temperature - total for p in positives]))
    return float(np.mean(losses)) if losses else 0.0


@given(targets=st.lists(st.integers(0, 3), min_size=1, max_size=8), temperature=st.sampled_from([0.07, 0.1, 1.0]))
def test_equals_the_formula(targets: list[int], temperature: float) -> None:
    rows = embeddings(len(targets))
    value = supcon_loss(rows, torch.tensor(targets), temperature=temperature)
    assert value.item() == pytest.approx(reference(rows.numpy(), targets, temperature), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.07, 0.1, 0.5])
def test_equals_pytorch_metric_learning(temperature: float) -> None:
    assert (TARGETS == 3).sum() == 1  # an anchor without positives, which both leave out
    expected = MetricLearningSupConLoss(temperature=temperature)(embeddings(), TARGETS)
    torch.testing.assert_close(SupConLoss(temperature)(embeddings(), TARGETS), expected, rtol=1e-9, atol=0)


def test_the_default_temperature_is_a_tenth() -> None:
    assert torch.equal(SupConLoss()(embeddings(), TARGETS), SupConLoss(0.1)(embeddings(), TARGETS))


def test_gradient_is_that_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(lambda rows: SupConLoss(0.5)(rows, TARGETS), embeddings().requires_grad_())


def test_the_length_of_embeddings_does_not_matter() -> None:
    lengths = torch.linspace(0.1, 10, 8, dtype=torch.float64)[:, None]
    torch.testing.assert_close(SupConLoss()(embeddings() * lengths, TARGETS), SupConLoss()(embeddings(), TARGETS))


def test_a_step_against_the_gradient_draws_classes_together() -> None:
    rows = embeddings().requires_grad_()
    (gradient,) = torch.autograd.grad(SupConLoss()(rows, TARGETS), rows)
    same = (TARGETS[:, None] == TARGETS) & ~torch.eye(8, dtype=torch.bool)

    def closeness(points: Tensor) -> float:
        z = torch.nn.functional.normalize(points.detach(), dim=1)
        similarity = z @ z.T
        different = ~same & ~torch.eye(8, dtype=torch.bool)
        return (similarity[same].mean() - similarity[different].mean()).item()

    assert closeness(rows - 0.1 * gradient) > closeness(rows)


@pytest.mark.parametrize("targets", [[0], [0, 1, 2]])
def test_no_pair_gives_zero_with_a_graph(targets: list[int]) -> None:
    rows = embeddings(len(targets)).requires_grad_()
    value = SupConLoss()(rows, torch.tensor(targets))
    (gradient,) = torch.autograd.grad(value, rows)
    assert value.item() == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    rows = embeddings().to(dtype)
    value = SupConLoss()(rows, TARGETS)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, SupConLoss()(rows.float(), TARGETS), rtol=0, atol=0)


def test_autocast_does_not_touch_the_similarities() -> None:
    rows = embeddings().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = SupConLoss()(rows, TARGETS)
    assert torch.equal(value, SupConLoss()(rows, TARGETS))


@pytest.mark.parametrize("scale", [1e-6, 1e4, 1e15])
def test_extreme_embeddings_keep_value_and_gradient_finite(scale: float) -> None:
    rows = (embeddings().float() * scale).requires_grad_()
    value = SupConLoss(0.01)(rows, TARGETS)
    (gradient,) = torch.autograd.grad(value, rows)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    assert gradient.any()


@pytest.mark.parametrize(("temperature", "shown"), [(0.0, "0"), (-1.0, "-1"), (float("nan"), "nan")])
def test_impossible_temperature_is_refused(temperature: float, shown: str) -> None:
    with pytest.raises(ConfigError, match=f"loss.temperature must be above 0 and finite, got {shown}"):
        SupConLoss(temperature)
