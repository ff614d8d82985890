from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.focal import FocalLoss
from raytrain.models.classifier import Outputs
from raytrain.objectives.supervised import Supervised
from raytrain.types import Batch, Mixture, Objective, Progress

TARGETS = torch.tensor([0, 1, 2, 2])
WEIGHT = torch.tensor([2.0, 1.0, 0.5])
START = Progress(epoch=0, step=0, fraction=0.0)


def test_total_is_the_criterion_of_the_models_scores() -> None:
    torch.manual_seed(0)
    model, criterion = nn.Linear(5, 3), LabelSmoothingCrossEntropy(0.1, WEIGHT)
    inputs = torch.randn(4, 5)
    loss = Supervised(criterion)(model, Batch(inputs, TARGETS), START)
    assert torch.equal(loss.logits, model(inputs))
    assert torch.equal(loss.total, criterion(model(inputs), TARGETS))
    assert loss.terms == {}


@pytest.mark.parametrize(
    "criterion", [LabelSmoothingCrossEntropy(0.1, WEIGHT), FocalLoss(WEIGHT), nn.CrossEntropyLoss()]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_mixed_sample_has_the_loss_of_each_class_by_its_share(criterion: nn.Module, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model, inputs = nn.Linear(5, 3).to(dtype), torch.randn(4, 5).to(dtype)
    partners, share = torch.tensor([1, 1, 0, 2]), torch.tensor([0.9, 0.25, 0.6, 0.5])
    batch = Batch(inputs, TARGETS, mixture=Mixture(partners, share))
    loss = Supervised(criterion)(model, batch, START)
    logits = model(inputs).float()
    own, other = (
        torch.stack([criterion(logits[i : i + 1], labels[i : i + 1]) for i in range(4)])
        for labels in (TARGETS, partners)
    )
    expected = (share * own + (1 - share) * other).mean()
    torch.testing.assert_close(loss.total.float(), expected, rtol=1e-2 if dtype == torch.bfloat16 else 1e-6, atol=0)


def test_never_calls_backward_and_leaves_the_graph_to_the_caller() -> None:
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    loss = Supervised(LabelSmoothingCrossEntropy())(model, Batch(torch.randn(4, 5), TARGETS), START)
    assert [parameter.grad for parameter in model.parameters()] == [None, None]
    torch.autograd.backward(loss.total)
    assert model.weight.grad is not None
    assert model.weight.grad.any()


def test_is_an_objective_that_moves_its_criterion_and_owns_no_model() -> None:
    criterion = LabelSmoothingCrossEntropy(0.1, WEIGHT)
    objective = Supervised(criterion)
    as_protocol: Objective = objective
    as_protocol(nn.Linear(5, 3), Batch(torch.randn(4, 5), TARGETS), START)
    assert list(objective.parameters()) == []
    objective.to("meta")
    assert criterion.weight is not None
    assert criterion.weight.device.type == "meta"


class Stating(nn.Module):
    """Scores, and a severity, of an embedding of five features."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head, self.severity = nn.Linear(5, 3), nn.Linear(5, 1)

    def forward(self, inputs: Tensor, *, detailed: bool = False) -> Tensor | Outputs:
        scores: Tensor = self.head(inputs)
        return Outputs(scores, inputs, severity=self.severity(inputs)[:, 0].sigmoid()) if detailed else scores


def test_all_that_a_model_says_is_passed_on_where_it_is_asked_for() -> None:
    model, batch = Stating(), Batch(torch.randn(4, 5), TARGETS)
    plain = Supervised(nn.CrossEntropyLoss())(model, batch, START)
    detailed = Supervised(nn.CrossEntropyLoss(), detailed=True)(model, batch, START)
    assert plain.severity is None
    assert detailed.severity is not None
    assert torch.equal(detailed.severity, model.severity(batch.inputs)[:, 0].sigmoid())
    assert detailed.severity.requires_grad
    assert torch.equal(detailed.total, plain.total)
    assert torch.equal(detailed.logits, plain.logits)
