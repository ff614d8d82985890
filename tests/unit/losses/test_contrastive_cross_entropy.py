from __future__ import annotations

import pytest
import torch
from torch import nn

from raytrain.errors import ConfigError
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.supcon import SupConLoss

TARGETS = torch.tensor([0, 1, 1, 0, 2])
CROSS_ENTROPY, SUPCON = LabelSmoothingCrossEntropy(0.1), SupConLoss(0.5)


@pytest.mark.parametrize("weight", [0.0, 0.3, 2.0])
def test_is_the_weighted_sum_of_its_parts(weight: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, embeddings = torch.randn(5, 3, generator=generator), torch.randn(5, 4, generator=generator)
    hard, contrast = CROSS_ENTROPY(logits, TARGETS), SUPCON(embeddings, TARGETS)
    criterion = ContrastiveCrossEntropy(CROSS_ENTROPY, SUPCON, weight=weight)
    terms = criterion.terms(logits, embeddings, TARGETS)
    assert terms == {"cross_entropy": hard, "supcon": contrast}
    torch.testing.assert_close(criterion(logits, embeddings, TARGETS), hard + weight * contrast)
    assert torch.equal(criterion.combine(terms), criterion(logits, embeddings, TARGETS))


def test_each_part_reaches_what_it_is_about() -> None:
    layer, head = nn.Linear(6, 4), nn.Linear(4, 3)
    embeddings = layer(torch.randn(5, 6, generator=torch.Generator().manual_seed(1)))
    criterion = ContrastiveCrossEntropy(nn.CrossEntropyLoss(), SUPCON)
    terms = criterion.terms(head(embeddings), embeddings, TARGETS)
    torch.autograd.backward(terms["supcon"], retain_graph=True)
    assert layer.weight.grad is not None
    assert layer.weight.grad.any()
    assert head.weight.grad is None
    assert all(one.any() for one in torch.autograd.grad(terms["cross_entropy"], [layer.weight, head.weight]))


@pytest.mark.parametrize("weight", [-0.1, float("inf"), float("nan")])
def test_an_impossible_weight_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match=f"loss.weight must be at least 0 and finite, got {weight:g}"):
        ContrastiveCrossEntropy(CROSS_ENTROPY, SUPCON, weight=weight)
