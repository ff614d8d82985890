from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses import (
    LabelSmoothingCrossEntropy,
    PhysicalConstraintLoss,
    PhysicsInformedLoss,
    TemporalSmoothnessLoss,
)
from raytrain.types import Batch


def test_the_whole_is_the_weighted_sum_of_data_and_physics() -> None:
    physics = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(hop_samples=8), temporal_weight=7.0)
    loss = PhysicsInformedLoss(LabelSmoothingCrossEntropy(), physics, data_weight=2.0, physics_weight=0.3)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    places = {"recording": torch.zeros(4, dtype=torch.int64), "window_start": 8 * torch.arange(4)}
    batch = Batch(torch.zeros(4, 1, 8), torch.tensor([0, 1, 2, 0]), places)
    terms = loss.terms(logits, batch)
    assert list(terms) == ["data", "temporal"]
    assert terms["data"] == functional.cross_entropy(logits, batch.targets, label_smoothing=0.1)
    assert all(term.requires_grad for term in terms.values())
    torch.testing.assert_close(loss(logits, batch), 2 * terms["data"] + 0.3 * 7 * terms["temporal"])


@pytest.mark.parametrize("name", ["data", "physics"])
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_impossible_weights_are_refused(name: str, bad: float) -> None:
    physics = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(hop_samples=8))
    weights = {f"{name}_weight": bad}
    with pytest.raises(ConfigError, match=rf"loss\.{name}_weight must be at least 0 and finite, got"):
        PhysicsInformedLoss(LabelSmoothingCrossEntropy(), physics, **weights)
