from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.errors import ConfigError
from raytrain.losses.fault_lines import clear_lines, least_separation
from raytrain.physics import BEARINGS, FaultSignatureDatabase

FAULTS = {
    name: {
        fault: FaultSignatureDatabase.rolling(bearing).lookup(fault).orders[0] for fault in ("inner", "outer", "ball")
    }
    for name, bearing in BEARINGS.items()
}


@pytest.mark.parametrize("name", list(BEARINGS))
@pytest.mark.parametrize("harmonics", [1, 2, 3, 5])
def test_bands_of_different_faults_never_touch(name: str, harmonics: int) -> None:
    separation = least_separation(FAULTS[name], 0.01)
    lines = clear_lines(FAULTS[name], tolerance=0.01, harmonics=harmonics, separation=separation)
    assert {fault for fault, _ in lines} == set(FAULTS[name])
    for (fault, first), (other, second) in itertools.combinations(lines, 2):
        if fault != other:
            assert abs(first - second) - 0.01 * (first + second) >= separation - 1e-12


@given(st.floats(0.001, 0.05))
def test_separation_is_that_of_the_nearest_two(tolerance: float) -> None:
    outer, ball, inner = sorted(FAULTS["6205"].values())
    expected = min(ball - outer - tolerance * (ball + outer), inner - ball - tolerance * (inner + ball))
    assert least_separation(FAULTS["6205"], tolerance) == pytest.approx(expected)


def test_a_single_fault_is_separated_from_zero() -> None:
    assert least_separation({"outer": 3.5}, 0.02) == pytest.approx(3.43)
    assert clear_lines({"outer": 3.5}, tolerance=0.02, harmonics=3, separation=3.43) == [
        ("outer", 3.5),
        ("outer", 7.0),
        ("outer", 10.5),
    ]


def test_overlapping_bands_are_refused_with_the_tolerance_that_would_do() -> None:
    """In NICE, BPFI and 2 x BSF are 0.35 orders apart."""
    with pytest.raises(
        ConfigError, match=r"physics\.tolerance must be below 0\.0359, or the bands of inner and ball"
    ) as caught:
        least_separation(FAULTS["NICE"], 0.04)
    limit = float(str(caught.value).split("below ")[1].split(",")[0])
    assert least_separation(FAULTS["NICE"], limit - 1e-4) > 0
