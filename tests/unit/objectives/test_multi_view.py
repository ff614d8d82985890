from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy, cross_entropy
from raytrain.models.classifier import Outputs
from raytrain.objectives.multi_view import MultiView
from raytrain.types import Batch, Mixture, Objective, Progress

TARGETS = torch.tensor([0, 1, 2, 2])
START = Progress(epoch=0, step=0, fraction=0.0)
WEIGHTS = {"stft": 2.0, "cwt": 1.0, "wvd": 5.0}
CRITERION = LabelSmoothingCrossEntropy(0.1)


class Views(nn.Module):
    """One linear branch per view; combines them by a mean that is not the objective's weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.branches = nn.ModuleDict({name: nn.Linear(5, 3) for name in WEIGHTS})

    def forward(self, inputs: Mapping[str, Tensor], *, detailed: bool = False) -> Tensor | Outputs:
        views = {name: branch(inputs[name]) for name, branch in self.branches.items()}
        scores = torch.stack(list(views.values())).mean(dim=0)
        return Outputs(scores, scores, views=views) if detailed else scores


def batch(mixture: Mixture | None = None) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch({name: torch.randn(4, 5, generator=generator) for name in WEIGHTS}, TARGETS, mixture=mixture)


def test_total_weighs_the_views_by_normalised_weights_and_terms_name_them() -> None:
    model = Views()
    loss = MultiView(CRITERION, WEIGHTS)(model, batch(), START)
    said = model(batch().inputs, detailed=True)
    each = {name: CRITERION(said.views[name], TARGETS) for name in WEIGHTS}
    torch.testing.assert_close(loss.total, (2 * each["stft"] + each["cwt"] + 5 * each["wvd"]) / 8)
    assert loss.terms == each
    assert not any(term.requires_grad for term in loss.terms.values())
    assert torch.equal(loss.logits, said.scores)
    assert loss.views.keys() == WEIGHTS.keys()
    assert all(torch.equal(loss.views[name], said.views[name]) for name in WEIGHTS)


def test_the_scale_of_the_weights_says_nothing() -> None:
    scaled = {name: 7 * weight for name, weight in WEIGHTS.items()}
    one, other = (MultiView(CRITERION, weights)(Views(), batch(), START).total for weights in (WEIGHTS, scaled))
    torch.testing.assert_close(one, other)


def test_each_branch_learns_from_its_own_view_by_its_weight() -> None:
    model = Views()
    torch.autograd.backward(MultiView(CRITERION, WEIGHTS)(model, batch(), START).total)
    for name, weight in WEIGHTS.items():
        alone = Views()
        said = alone(batch().inputs, detailed=True)
        torch.autograd.backward(CRITERION(said.views[name], TARGETS) * weight / 8)
        ours, theirs = model.branches[name].weight, alone.branches[name].weight
        assert isinstance(ours, nn.Parameter)
        assert isinstance(theirs, nn.Parameter)
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_every_view_of_a_mixed_batch_has_the_class_shares() -> None:
    mixed = batch(Mixture(TARGETS.flip(0), torch.tensor([0.9, 0.2, 0.5, 0.7])))
    model = Views()
    loss = MultiView(LabelSmoothingCrossEntropy(0.0), WEIGHTS)(model, mixed, START)
    for name, scores in model(mixed.inputs, detailed=True).views.items():
        torch.testing.assert_close(loss.terms[name], cross_entropy(scores, mixed.class_shares(3)))


def test_is_an_objective_that_owns_no_model() -> None:
    objective = MultiView(LabelSmoothingCrossEntropy(0.1, torch.ones(3)), WEIGHTS)
    as_protocol: Objective = objective
    as_protocol(Views(), batch(), START)
    assert list(objective.parameters()) == []
    objective.to("meta")
    assert {buffer.device.type for buffer in objective.buffers()} == {"meta"}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"stft": -1.0}, r"model\.weights\.stft must be positive and finite, got -1; leave the view out"),
        ({"stft": math.nan}, r"model\.weights\.stft must be positive and finite, got nan"),
        ({"stft": math.inf}, r"model\.weights\.stft must be positive and finite, got inf"),
        ({"stft": 1.0, "cwt": 0.0}, r"model\.weights\.cwt must be positive and finite, got 0"),
        ({}, r"model\.views must name one view or more, each once; got none"),
    ],
)
def test_impossible_weights_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiView(CRITERION, weights)


def test_views_of_other_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="are of the views stft, dwt, and the model states scores of stft, cwt, wvd"):
        MultiView(CRITERION, {"stft": 1.0, "dwt": 1.0})(Views(), batch(), START)
