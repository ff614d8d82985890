from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from raytrain.errors import ConfigError
from raytrain.losses import (
    FrequencyConsistencyLoss,
    LossData,
    SommerfeldConsistencyLoss,
    TemporalSmoothnessLoss,
    create_consistency,
)
from raytrain.losses.random_orders import random_orders
from raytrain.physics import BEARINGS, FaultSignatureDatabase

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
FILM = ("viscosity_pa_s", "shaft_speed_rpm", "unit_load_pa", "clearance_ratio")


def changed(data: LossData, **changes: Any) -> LossData:  # noqa: ANN401 - of several types
    return LossData(**{name: getattr(data, name) for name in LossData.__slots__} | changes)


def frequency_of(data: LossData, **settings: Any) -> FrequencyConsistencyLoss:  # noqa: ANN401 - of several types
    loss = create_consistency(data, **settings).constraints.constraints["frequency"]
    assert isinstance(loss, FrequencyConsistencyLoss)
    return loss


def test_a_rolling_bearing_gets_its_lines_and_smoothness() -> None:
    physics = create_consistency(ROLLING)
    assert physics.lambdas == {"frequency": 1.0, "temporal": 0.1}
    assert (physics.schedule, physics.ramp_fraction, physics.gradient_interval) == ("linear", 0.5, 50)
    temporal = physics.constraints.constraints["temporal"]
    assert isinstance(temporal, TemporalSmoothnessLoss)
    assert (temporal.hop_samples, temporal.lambda_smooth) == (1024, 1.0)
    window = torch.randn(1, 1, 4096, generator=torch.Generator().manual_seed(0))
    by_hand = FrequencyConsistencyLoss(
        FaultSignatureDatabase.rolling(BEARING), ROLLING.classes, sample_rate_hz=12_000.0
    )
    speed = torch.tensor([1800.0])
    found = frequency_of(ROLLING).degree(window, speed_rpm=speed)
    assert torch.equal(found, by_hand.degree(window, speed_rpm=speed))


@pytest.mark.parametrize("conditions", [JOURNAL.conditions, FILM], ids=["number", "film"])
def test_a_journal_bearing_gets_its_film_and_smoothness(conditions: tuple[str, ...]) -> None:
    physics = create_consistency(changed(JOURNAL, conditions=conditions))
    assert physics.lambdas == {"sommerfeld": 0.5, "temporal": 0.1}
    assert isinstance(physics.constraints.constraints["sommerfeld"], SommerfeldConsistencyLoss)


def test_settings_reach_the_parts() -> None:
    data = changed(ROLLING, input="envelope")
    settings: dict[str, Any] = {"lambda_freq": 3.0, "lambda_temporal": 0.0, "tolerance": 0.01, "harmonics": 1}
    schedule: dict[str, Any] = {"lambda_schedule": "step", "ramp_fraction": 0.2, "gradient_interval": 7}
    physics = create_consistency(data, **settings, **schedule)
    assert physics.lambdas == {"frequency": 3.0}
    assert (physics.schedule, physics.ramp_fraction, physics.gradient_interval) == ("step", 0.2, 7)
    frequency = frequency_of(data, **settings)
    assert (frequency.tolerance, frequency.demodulate, len(frequency._orders)) == (0.01, False, 3)


def test_weights_that_do_not_adapt_are_constant_whatever_the_schedule() -> None:
    assert create_consistency(ROLLING, adaptive_lambda=False, lambda_schedule="grad_norm").schedule == "constant"


def test_random_bands_are_those_of_random_orders() -> None:
    assert ROLLING.fault_orders is not None
    drawn = random_orders(ROLLING.fault_orders, seed=4)
    found = frequency_of(ROLLING, bands="random", bands_seed=4)._orders
    by_hand = frequency_of(changed(ROLLING, fault_orders=drawn))._orders
    assert torch.equal(found, by_hand)
    real = frequency_of(ROLLING)._orders
    assert (((found[:, None] - real) / real).abs() > 0.04).all()
    assert not torch.equal(found, frequency_of(ROLLING, bands="random", bands_seed=5)._orders)


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        (
            changed(ROLLING, fault_orders=None),
            {},
            "physics.lambda_freq must be 0 where recordings are not all of one bearing of the catalogue",
        ),
        (ROLLING, {"lambda_sommerfeld": 0.5}, "physics.lambda_sommerfeld must be 0 where a class is not of a journal"),
        (
            JOURNAL,
            {"lambda_freq": 1.0},
            "physics.lambda_freq must be 0 for a journal bearing, whose faults share lines with a healthy one",
        ),
        (
            changed(JOURNAL, conditions=("shaft_speed_rpm",)),
            {},
            "nor all of viscosity_pa_s, shaft_speed_rpm, unit_load_pa, clearance_ratio, and these have shaft_speed_rpm",
        ),
        (ROLLING, {"lambda_freq": 0.0, "lambda_temporal": 0.0}, "are all 0; use physics: {name: none}"),
        (ROLLING, {"lambda_freq": -1.0}, "physics.lambda_freq must be at least 0 and finite, got -1"),
        (ROLLING, {"lambda_temporal": math.nan}, "physics.lambda_temporal must be at least 0 and finite, got nan"),
        (ROLLING, {"ramp_fraction": 0.0}, "physics.ramp_fraction must be above 0 and at most 1, got 0"),
        (ROLLING, {"gradient_interval": 0}, "physics.gradient_interval must be at least 1, got 0"),
        (ROLLING, {"lambda_schedule": "linaer"}, "there is no 'linaer'; did you mean 'linear'"),
        (changed(ROLLING, classes=("a", "b", "c", "d")), {}, "no signature is known of class 'a'"),
    ],
)
def test_what_does_not_fit_the_training_set_is_refused(data: LossData, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        create_consistency(data, **settings)
    assert message in str(caught.value)


def test_a_bearing_that_is_not_known_can_still_be_smooth() -> None:
    assert create_consistency(changed(ROLLING, fault_orders=None), lambda_freq=0.0).lambdas == {"temporal": 0.1}


def test_speeds_at_which_windows_cannot_resolve_the_lines_are_refused_before_the_first_batch() -> None:
    with pytest.raises(ConfigError, match=r"windows\.length must be at least \d+ at 12000 Hz .* at 600 rpm, got 2048"):
        create_consistency(changed(ROLLING, shaft_speed_rpm=torch.tensor([1800.0, 600.0])))
