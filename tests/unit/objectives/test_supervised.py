from __future__ import annotations

import torch
from torch import nn

from raytrain.losses.cross_entropy import CrossEntropy
from raytrain.objectives.supervised import Supervised
from raytrain.types import Batch, Objective, Progress

TARGETS = torch.tensor([0, 1, 2, 2])
START = Progress(epoch=0, step=0, fraction=0.0)


def test_total_is_the_criterion_of_the_models_scores() -> None:
    torch.manual_seed(0)
    model, criterion = nn.Linear(5, 3), CrossEntropy(TARGETS, 3)
    inputs = torch.randn(4, 5)
    loss = Supervised(criterion)(model, Batch(inputs, TARGETS), START)
    assert torch.equal(loss.logits, model(inputs))
    assert torch.equal(loss.total, criterion(model(inputs), TARGETS))
    assert loss.terms == {}


def test_never_calls_backward_and_leaves_the_graph_to_the_caller() -> None:
    torch.manual_seed(0)
    model = nn.Linear(5, 3)
    loss = Supervised(CrossEntropy(TARGETS, 3))(model, Batch(torch.randn(4, 5), TARGETS), START)
    assert [parameter.grad for parameter in model.parameters()] == [None, None]
    torch.autograd.backward(loss.total)
    assert model.weight.grad is not None
    assert model.weight.grad.any()


def test_is_an_objective_that_moves_its_criterion_and_owns_no_model() -> None:
    criterion = CrossEntropy(TARGETS, 3)
    objective = Supervised(criterion)
    as_protocol: Objective = objective
    as_protocol(nn.Linear(5, 3), Batch(torch.randn(4, 5), TARGETS), START)
    assert list(objective.parameters()) == []
    objective.to("meta")
    assert criterion.weight is not None
    assert criterion.weight.device.type == "meta"
