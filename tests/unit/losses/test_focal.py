from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.losses import FocalLoss as MonaiFocalLoss
from torch import Tensor
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.cross_entropy import cross_entropy
from raytrain.losses.focal import FocalLoss, focal_loss

CLASSES = 4
ALPHA = torch.tensor([0.2, 3.0, 0.5, 1.5], dtype=torch.float64)


def batch(size: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, class indices and class shares."""
    generator = torch.Generator().manual_seed(0)
    logits, scores = torch.randn(2, size, CLASSES, generator=generator, dtype=torch.float64) * 3
    return logits, torch.randint(0, CLASSES, (size,), generator=generator), scores.softmax(dim=1)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 3.7])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_equals_the_formula(gamma: float, alpha: Tensor | None) -> None:
    logits, targets, _ = batch()
    weight = np.ones(CLASSES) if alpha is None else alpha.numpy()
    expected = []
    for row, target in zip(logits.numpy(), targets.numpy(), strict=True):
        p = (np.exp(row) / np.exp(row).sum())[target]
        expected.append(-weight[target] * (1 - p) ** gamma * np.log(p))
    np.testing.assert_allclose(focal_loss(logits, targets, alpha=alpha, gamma=gamma).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.7])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_equals_monai(gamma: float, alpha: Tensor | None) -> None:
    logits, targets, _ = batch()
    oracle = MonaiFocalLoss(
        gamma=gamma, use_softmax=True, to_onehot_y=True, reduction="none", weight=None if alpha is None else alpha
    )
    expected = oracle(logits, targets[:, None]).sum(dim=1)  # computed in float32
    value = focal_loss(logits, targets, alpha=alpha, gamma=gamma)
    torch.testing.assert_close(value.float(), expected.float(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_gamma_zero_is_weighted_cross_entropy(alpha: Tensor | None) -> None:
    logits, targets, shares = batch()
    criterion = FocalLoss(alpha, gamma=0.0)
    for labels in (targets, shares):
        torch.testing.assert_close(
            criterion(logits, labels), cross_entropy(logits, labels, weight=alpha), rtol=1e-12, atol=0
        )


@given(low=st.floats(0, 4), more=st.floats(0.1, 4))
def test_a_larger_gamma_pays_less_attention_most_of_all_to_easy_samples(low: float, more: float) -> None:
    easy_and_hard = torch.tensor([[3.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    targets = torch.tensor([0, 0])
    before, after = (focal_loss(easy_and_hard, targets, gamma=gamma) for gamma in (low, low + more))
    easy, hard = (after / before).tolist()
    assert easy < hard < 1


def test_shares_mix_the_losses_of_the_classes() -> None:
    logits, _, shares = batch()
    columns = [focal_loss(logits, torch.full((10,), label), alpha=ALPHA, gamma=1.5).numpy() for label in range(CLASSES)]
    expected = (np.stack(columns, axis=1) * shares.numpy()).sum(axis=1)
    np.testing.assert_allclose(focal_loss(logits, shares, alpha=ALPHA, gamma=1.5).numpy(), expected, rtol=1e-12)


def test_reductions() -> None:
    logits, targets, _ = batch()
    losses = focal_loss(logits, targets, alpha=ALPHA, gamma=2.0)
    criteria = {name: FocalLoss(ALPHA, 2.0, reduction=name) for name in ("none", "mean", "sum")}
    assert torch.equal(criteria["none"](logits, targets), losses)
    assert torch.equal(criteria["mean"](logits, targets), losses.mean())
    assert torch.equal(criteria["sum"](logits, targets), losses.sum())


def test_defaults_are_no_weights_gamma_two_and_the_mean() -> None:
    logits, targets, _ = batch()
    expected = FocalLoss(None, 2.0, reduction="mean")
    assert torch.equal(FocalLoss()(logits, targets), expected(logits, targets))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("mixed", [False, True])
def test_gradient_is_that_of_finite_differences(gamma: float, mixed: bool) -> None:
    logits, indices, shares = batch(5)
    criterion = FocalLoss(ALPHA, gamma)
    targets = shares if mixed else indices
    assert torch.autograd.gradcheck(lambda scores: criterion(scores, targets), logits.requires_grad_())


@pytest.mark.parametrize("gamma", [0.0, 0.01, 0.5, 1.0, 2.0])
def test_gradient_is_finite_at_certainty_right_and_wrong(gamma: float) -> None:
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    value = FocalLoss(gamma=gamma)(logits, torch.tensor([0, 0]))
    torch.autograd.backward(value)
    assert value.item() == pytest.approx(1e4)
    assert logits.grad is not None
    assert logits.grad.tolist() == [[0, 0], pytest.approx([-0.5, 0.5])]


def test_weights_move_with_the_module() -> None:
    alpha = FocalLoss(ALPHA).to("meta").alpha
    assert alpha is not None
    assert alpha.device.type == "meta"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": -1.0}, "loss.gamma must be at least 0 and finite, got -1"),
        ({"gamma": float("nan")}, "loss.gamma must be at least 0 and finite, got nan"),
        ({"alpha": 0.25}, "loss.alpha must be a tensor of one weight per class, got 0.25"),
        ({"alpha": torch.ones(2, 2)}, "loss.alpha must be a tensor of one weight per class"),
        ({"reduction": "average"}, "loss.reduction must be none, mean or sum, got 'average'"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FocalLoss(**settings)


def test_one_hot_shares_are_indices() -> None:
    logits, targets, _ = batch()
    one_hot = functional.one_hot(targets, CLASSES).double()
    torch.testing.assert_close(focal_loss(logits, one_hot), focal_loss(logits, targets), rtol=1e-14, atol=0)
