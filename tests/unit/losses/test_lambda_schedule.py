from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.errors import ConfigError
from raytrain.losses.lambda_schedule import RAMPS, LambdaSchedule, ramp


@given(fraction=st.floats(0, 1), share=st.floats(0.01, 1))
def test_ramps_are_their_closed_forms(fraction: float, share: float) -> None:
    done = min(1.0, fraction / share)
    assert ramp("linear", fraction, ramp_fraction=share) == pytest.approx(done)
    assert ramp("exponential", fraction, ramp_fraction=share) == pytest.approx(math.exp(-5 * (1 - done) ** 2))
    assert ramp("step", fraction, ramp_fraction=share) == (1.0 if fraction >= share else 0.0)
    assert ramp("constant", fraction, ramp_fraction=share) == 1.0
    assert ramp("grad_norm", fraction, ramp_fraction=share) == 1.0


@pytest.mark.parametrize("name", RAMPS)
def test_ramps_never_fall_and_end_at_one(name: LambdaSchedule) -> None:
    values = [ramp(name, step / 100, ramp_fraction=0.7) for step in range(101)]
    assert values == sorted(values)
    assert values[70:] == [1.0] * 31


def test_every_name_is_a_ramp() -> None:
    assert set(RAMPS) == set(get_args(LambdaSchedule))


def test_an_unknown_ramp_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"physics\.lambda_schedule: there is no 'exp'; .*exponential"):
        ramp("exp", 0.0)  # type: ignore[arg-type]
