from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.errors import ConfigError
from raytrain.physics.lubrication import (
    density_kg_m3,
    dynamic_viscosity_pa_s,
    kinematic_viscosity_mm2_s,
    sommerfeld_number,
)

GRADES = (32, 46, 68, 100)


@pytest.mark.parametrize(("grade", "at_100c"), [(32, 5.4), (46, 6.8), (68, 8.7), (100, 11.4)])
def test_viscosity_meets_both_points_that_define_the_oil(grade: int, at_100c: float) -> None:
    assert kinematic_viscosity_mm2_s([40.0, 100.0], iso_vg=grade) == pytest.approx([grade, at_100c], rel=1e-12)


@pytest.mark.parametrize("grade", GRADES)
def test_viscosity_is_a_straight_line_on_the_astm_chart(grade: int) -> None:
    temperature_c = np.linspace(0.0, 120.0, 25)
    ordinate = np.log10(np.log10(kinematic_viscosity_mm2_s(temperature_c, iso_vg=grade) + 0.7))
    abscissa = np.log10(temperature_c + 273.15)
    slope, offset = np.polyfit(abscissa, ordinate, 1)
    assert ordinate == pytest.approx(slope * abscissa + offset, abs=1e-12)
    assert -4.0 < slope < -3.0  # mineral oils


def test_unknown_grade_is_refused() -> None:
    with pytest.raises(ConfigError, match="iso_vg must be one of the grades 32, 46, 68, 100, got 33"):
        kinematic_viscosity_mm2_s(50.0, iso_vg=33)


def test_density_falls_by_expansion() -> None:
    assert density_kg_m3([15.0, 65.0]) == pytest.approx([870.0, 870.0 * (1 - 0.0325)])


def test_dynamic_viscosity_is_kinematic_times_density() -> None:
    assert dynamic_viscosity_pa_s(40.0, iso_vg=46) == pytest.approx(46e-6 * 870.0 * (1 - 6.5e-4 * 25))


@given(
    viscosity=st.floats(1e-3, 1.0),
    rev_per_s=st.floats(0.1, 500.0),
    radius_m=st.floats(0.01, 1.0),
    ratio=st.floats(1e-4, 1e-2),
    load_n=st.floats(10.0, 1e6),
    length_m=st.floats(0.01, 1.0),
)
def test_sommerfeld_number_is_the_textbook_formula(
    *, viscosity: float, rev_per_s: float, radius_m: float, ratio: float, load_n: float, length_m: float
) -> None:
    pressure_pa = load_n / (2 * radius_m * length_m)
    clearance_m = ratio * radius_m
    expected = (radius_m / clearance_m) ** 2 * viscosity * rev_per_s / pressure_pa
    number = sommerfeld_number(viscosity, rev_per_s, unit_load_pa=pressure_pa, clearance_ratio=ratio)
    assert float(number) == pytest.approx(expected, rel=1e-9)


def test_sommerfeld_number_broadcasts() -> None:
    speeds, loads = np.array([30.0, 60.0]), np.array([[1e6], [2e6], [4e6]])
    numbers = sommerfeld_number(0.02, speeds, unit_load_pa=loads, clearance_ratio=1e-3)
    assert numbers == pytest.approx(1e6 * 0.02 * speeds / loads)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan])
def test_impossible_load_or_clearance_is_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match="unit_load_pa must be positive, got"):
        sommerfeld_number(0.02, 60.0, unit_load_pa=bad, clearance_ratio=1e-3)
    with pytest.raises(ConfigError, match="clearance_ratio must be positive, got"):
        sommerfeld_number(0.02, 60.0, unit_load_pa=1e6, clearance_ratio=bad)
