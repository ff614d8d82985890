"""One worker; tests/unit/losses/test_gather.py has two."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.supcon import SupConLoss
from raytrain.models.classifier import Outputs
from raytrain.objectives.contrastive import Contrastive
from raytrain.types import Batch, Mixture, Progress

TARGETS = torch.tensor([0, 1, 2, 2, 1])
START = Progress(epoch=0, step=0, fraction=0.0)
CROSS_ENTROPY, SUPCON = LabelSmoothingCrossEntropy(0.1), SupConLoss(0.5)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, inputs: Tensor, *, detailed: bool = False) -> Tensor | Outputs:
        embedding = self.body(inputs)
        scores: Tensor = self.head(embedding)
        return Outputs(scores, embedding) if detailed else scores


def inputs() -> Tensor:
    return torch.randn(5, 6, generator=torch.Generator().manual_seed(1))


def test_total_weighs_and_terms_name_the_two_losses() -> None:
    model = Network()
    loss = Contrastive(ContrastiveCrossEntropy(CROSS_ENTROPY, SUPCON, weight=0.3))(
        model, Batch(inputs(), TARGETS), START
    )
    hard, contrast = CROSS_ENTROPY(model(inputs()), TARGETS), SUPCON(model.body(inputs()), TARGETS)
    assert torch.equal(loss.logits, model(inputs()))
    torch.testing.assert_close(loss.total, hard + 0.3 * contrast)
    assert loss.terms == {"cross_entropy": hard, "supcon": contrast}
    assert not any(term.requires_grad for term in loss.terms.values())
    assert loss.total.requires_grad


def test_the_contrastive_term_changes_the_gradient_of_the_body_only() -> None:
    def gradients(weight: float) -> tuple[Tensor, Tensor]:
        model = Network()
        objective = Contrastive(ContrastiveCrossEntropy(CROSS_ENTROPY, SUPCON, weight=weight))
        total = objective(model, Batch(inputs(), TARGETS), START).total
        body, head = torch.autograd.grad(total, [model.body.weight, model.head.weight])
        return body, head

    (body, head), (plain_body, plain_head) = gradients(1.0), gradients(0.0)
    assert torch.equal(head, plain_head)
    assert not torch.allclose(body, plain_body)


def test_a_mixed_batch_is_refused() -> None:
    batch = Batch(inputs(), TARGETS, mixture=Mixture(TARGETS.flip(0), torch.full((5,), 0.5)))
    objective = Contrastive(ContrastiveCrossEntropy(CROSS_ENTROPY, SUPCON))
    with pytest.raises(ConfigError, match=r"loss.name: 'supcon' .* mixed samples have two; remove mixup and cutmix"):
        objective(Network(), batch, START)
