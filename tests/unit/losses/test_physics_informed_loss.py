from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses import (
    FrequencyConsistencyLoss,
    LabelSmoothingCrossEntropy,
    LossData,
    PhysicalConstraintLoss,
    PhysicsInformedLoss,
    SommerfeldConsistencyLoss,
    TemporalSmoothnessLoss,
)
from raytrain.losses.physics_informed import create_physics_informed
from raytrain.physics import BEARINGS, FaultSignatureDatabase
from raytrain.types import Batch

BEARING = BEARINGS["6205"]
ROLLING = LossData(
    targets=torch.tensor([0, 1, 2, 3, 3]),
    classes=("normal", "inner", "outer", "ball"),
    sample_rate_hz=12_000.0,
    window_samples=2048,
    hop_samples=1024,
    fault_orders=(BEARING.bpfo, BEARING.bpfi, 2 * BEARING.bsf, BEARING.ftf),
    conditions=("recording", "shaft_speed_rpm", "window_start"),
)
JOURNAL = LossData(
    targets=torch.tensor([0, 1, 2]),
    classes=("healthy", "wear", "oil_whirl"),
    sample_rate_hz=20_480.0,
    window_samples=2048,
    hop_samples=1024,
    conditions=("recording", "shaft_speed_rpm", "sommerfeld_number", "window_start"),
)


def changed(data: LossData, **changes: Any) -> LossData:  # noqa: ANN401 - of several types
    return LossData(**{name: getattr(data, name) for name in LossData.__slots__} | changes)


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


def test_a_rolling_bearing_gets_its_lines_and_smoothness() -> None:
    loss = create_physics_informed(ROLLING)
    assert (loss.data_weight, loss.physics_weight) == (1.0, 0.1)
    assert loss.physics.weights == {"frequency": 1.0, "temporal": 0.1}
    frequency, temporal = loss.physics.constraints["frequency"], loss.physics.constraints["temporal"]
    assert isinstance(frequency, FrequencyConsistencyLoss)
    assert isinstance(temporal, TemporalSmoothnessLoss)
    assert (temporal.hop_samples, temporal.lambda_smooth) == (1024, 1.0)
    window = torch.randn(1, 1, 4096, generator=torch.Generator().manual_seed(0))
    by_hand = FrequencyConsistencyLoss(
        FaultSignatureDatabase.rolling(BEARING), ROLLING.classes, sample_rate_hz=12_000.0
    )
    speed = torch.tensor([1800.0])
    assert torch.equal(frequency.degree(window, speed_rpm=speed), by_hand.degree(window, speed_rpm=speed))


def test_a_journal_bearing_gets_its_film_and_smoothness() -> None:
    loss = create_physics_informed(JOURNAL)
    assert loss.physics.weights == {"sommerfeld": 0.5, "temporal": 0.1}
    assert isinstance(loss.physics.constraints["sommerfeld"], SommerfeldConsistencyLoss)


def test_settings_reach_the_parts() -> None:
    loss = create_physics_informed(
        changed(ROLLING, input="envelope"),
        data_weight=0.5,
        physics_weight=2.0,
        frequency_weight=3.0,
        temporal_weight=0.0,
        tolerance=0.01,
        harmonics=1,
        smoothing=0.2,
        class_weights="none",
    )
    assert (loss.data_weight, loss.physics_weight, loss.physics.weights) == (0.5, 2.0, {"frequency": 3.0})
    frequency = loss.physics.constraints["frequency"]
    assert isinstance(frequency, FrequencyConsistencyLoss)
    assert (frequency.tolerance, frequency.demodulate, len(frequency._orders)) == (0.01, False, 3)
    assert isinstance(loss.data, LabelSmoothingCrossEntropy)
    assert (loss.data.smoothing, loss.data.weight) == (0.2, None)


def test_balanced_classes_weigh_by_their_frequency() -> None:
    loss = create_physics_informed(ROLLING)
    assert isinstance(loss.data, LabelSmoothingCrossEntropy)
    assert loss.data.weight is not None
    assert loss.data.weight.tolist() == pytest.approx([1.25, 1.25, 1.25, 0.625])


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (
            changed(ROLLING, fault_orders=None),
            {},
            "loss.frequency_weight must be 0 where recordings are not all of one bearing of the catalogue",
        ),
        (ROLLING, {"sommerfeld_weight": 0.5}, "loss.sommerfeld_weight must be 0 where a class is not of a journal"),
        (
            JOURNAL,
            {"frequency_weight": 1.0},
            "loss.frequency_weight must be 0 for a journal bearing, whose faults share lines with a healthy one",
        ),
        (
            changed(JOURNAL, conditions=("shaft_speed_rpm",)),
            {},
            "must be 0 where recordings have no condition sommerfeld_number, and these have shaft_speed_rpm",
        ),
        (ROLLING, {"frequency_weight": 0.0, "temporal_weight": 0.0}, "are all 0; use cross_entropy"),
        (ROLLING, {"frequency_weight": -1.0}, "loss.frequency_weight must be at least 0 and finite, got -1"),
        (ROLLING, {"class_weights": "equal"}, "loss.class_weights must be none or balanced, got 'equal'"),
        (changed(ROLLING, classes=("a", "b", "c", "d")), {}, "no signature is known of class 'a'"),
    ],
)
def test_what_does_not_fit_the_training_set_is_refused(data: LossData, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        create_physics_informed(data, **settings)
    assert message in str(caught.value)


def test_a_bearing_that_is_not_known_can_still_be_smooth() -> None:
    loss = create_physics_informed(changed(ROLLING, fault_orders=None), frequency_weight=0.0)
    assert loss.physics.weights == {"temporal": 0.1}
