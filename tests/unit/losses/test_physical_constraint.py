from __future__ import annotations

import math

import pytest
import torch

from raytrain.errors import ConfigError
from raytrain.losses import (
    FrequencyConsistencyLoss,
    PhysicalConstraintLoss,
    SommerfeldConsistencyLoss,
    TemporalSmoothnessLoss,
)
from raytrain.physics import BEARINGS, FaultSignatureDatabase
from raytrain.types import Batch

FREQUENCY = FrequencyConsistencyLoss(
    FaultSignatureDatabase.rolling(BEARINGS["6205"]), ("normal", "inner", "outer"), sample_rate_hz=12_000.0
)
SOMMERFELD = SommerfeldConsistencyLoss(("healthy", "wear", "lubrication"))
TEMPORAL = TemporalSmoothnessLoss(hop_samples=64)
LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
BATCH = Batch(
    torch.randn(6, 1, 4096, generator=torch.Generator().manual_seed(1)),
    torch.zeros(6, dtype=torch.int64),
    {
        "shaft_speed_rpm": torch.full((6,), 1800.0),
        "sommerfeld_number": torch.linspace(0.01, 2.0, 6),
        "recording": torch.zeros(6, dtype=torch.int64),
        "window_start": 64 * torch.arange(6),
    },
)


def test_the_whole_is_the_weighted_sum_of_its_parts() -> None:
    loss = PhysicalConstraintLoss(
        frequency=FREQUENCY,
        sommerfeld=SOMMERFELD,
        temporal=TEMPORAL,
        frequency_weight=2.0,
        sommerfeld_weight=3.0,
        temporal_weight=5.0,
    )
    parts = {name: part(LOGITS, BATCH) for name, part in _parts().items()}
    assert all(part > 0 for part in parts.values())
    assert loss.terms(LOGITS, BATCH) == parts
    expected = 2 * parts["frequency"] + 3 * parts["sommerfeld"] + 5 * parts["temporal"]
    torch.testing.assert_close(loss(LOGITS, BATCH), expected)
    torch.testing.assert_close(loss.combine(parts), expected)


def _parts() -> dict[str, torch.nn.Module]:
    return {"frequency": FREQUENCY, "sommerfeld": SOMMERFELD, "temporal": TEMPORAL}


def test_autocast_changes_no_term() -> None:
    """The objective is called under autocast, which computes matrix products in half precision."""
    loss = PhysicalConstraintLoss(frequency=FREQUENCY, sommerfeld=SOMMERFELD, temporal=TEMPORAL)
    with torch.autocast("cpu", torch.bfloat16):
        terms = loss.terms(LOGITS, BATCH)
    assert terms == loss.terms(LOGITS, BATCH)


def test_weights_are_those_of_the_description() -> None:
    loss = PhysicalConstraintLoss(frequency=FREQUENCY, sommerfeld=SOMMERFELD, temporal=TEMPORAL)
    assert loss.weights == {"frequency": 1.0, "sommerfeld": 0.5, "temporal": 0.1}


def test_what_is_absent_has_no_term_and_asks_for_no_condition() -> None:
    loss = PhysicalConstraintLoss(temporal=TEMPORAL, temporal_weight=1.0)
    places = {name: BATCH.conditions[name] for name in ("recording", "window_start")}
    bare = Batch(BATCH.inputs, BATCH.targets, places)
    assert set(loss.terms(LOGITS, bare)) == {"temporal"}
    assert loss(LOGITS, bare) == TEMPORAL(LOGITS, bare)


def test_buffers_move_with_it() -> None:
    loss = PhysicalConstraintLoss(
        sommerfeld=SommerfeldConsistencyLoss(("healthy", "wear")),
        frequency=FrequencyConsistencyLoss(
            FaultSignatureDatabase.rolling(BEARINGS["6203"]), ("inner", "outer"), sample_rate_hz=12_000.0
        ),
    ).to("meta")
    devices = {buffer.device.type for buffer in loss.buffers()}
    assert devices == {"meta"}
    assert loss.state_dict() == {}


def test_nothing_to_constrain_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a frequency, a sommerfeld or a temporal loss"):
        PhysicalConstraintLoss()


@pytest.mark.parametrize("name", ["frequency", "sommerfeld", "temporal"])
@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_impossible_weights_are_refused(name: str, bad: float) -> None:
    weights = {f"{name}_weight": bad}
    with pytest.raises(ConfigError, match=rf"loss\.{name}_weight must be at least 0 and finite, got"):
        PhysicalConstraintLoss(temporal=TEMPORAL, **weights)  # type: ignore[arg-type]
