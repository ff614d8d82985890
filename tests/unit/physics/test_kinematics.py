from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, hilbert, sosfiltfilt

from raytrain.errors import ConfigError
from raytrain.physics.catalogue import BEARINGS
from raytrain.physics.kinematics import BearingGeometry


@st.composite
def geometries(draw: st.DrawFn) -> BearingGeometry:
    n = draw(st.integers(2, 40))
    element_mm = draw(st.floats(0.5, 100.0))
    pitch_mm = element_mm / math.sin(math.pi / n) * draw(st.floats(1.001, 5.0))
    return BearingGeometry(n, element_mm, pitch_mm, draw(st.floats(0.0, 60.0)))


def test_orders_of_skf_6205_are_the_published_ones() -> None:
    orders = BEARINGS["6205"].fault_orders()
    published = {"bpfo": 3.5848, "bpfi": 5.4152, "bsf": 2.3567, "ftf": 0.3983}
    assert orders == pytest.approx(published, abs=5e-5)


def test_orders_of_skf_6203_are_the_published_ones() -> None:
    orders = BEARINGS["6203"].fault_orders()
    published = {"bpfo": 3.0530, "bpfi": 4.9469, "bsf": 1.9937, "ftf": 0.3817}
    assert orders == pytest.approx(published, abs=2e-4)  # from dimensions rounded to 1e-4 inch


@given(geometries())
def test_orders_follow_from_rolling_without_slip(bearing: BearingGeometry) -> None:
    """Speeds of the contact points, for one turn of the inner race per unit of time, the outer race at rest."""
    reach_mm = bearing.element_diameter_mm / 2 * math.cos(math.radians(bearing.contact_angle_deg))
    inner_radius_mm = bearing.pitch_diameter_mm / 2 - reach_mm
    outer_radius_mm = bearing.pitch_diameter_mm / 2 + reach_mm
    centre_speed = (2 * math.pi * inner_radius_mm + 0.0) / 2
    cage = centre_speed / (math.pi * bearing.pitch_diameter_mm)
    spin = cage * 2 * math.pi * outer_radius_mm / (math.pi * bearing.element_diameter_mm)
    n = bearing.rolling_elements
    expected = {"bpfo": n * cage, "bpfi": n * (1 - cage), "bsf": spin, "ftf": cage}
    assert bearing.fault_orders() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ((1, 8.0, 39.0), "rolling_elements must be at least 2, got 1"),
        ((9, 0.0, 39.0), "element_diameter_mm must be positive and finite, got 0"),
        ((9, math.nan, 39.0), "element_diameter_mm must be positive and finite, got nan"),
        ((9, 8.0, 8.0), "pitch_diameter_mm must be at least 23.39 for 9 elements of 8 mm to fit, got 8"),
        ((9, 8.0, math.nan), "pitch_diameter_mm must be at least"),
        ((9, 8.0, 39.0, 90.0), r"contact_angle_deg must be in \[0, 90\), got 90"),
    ],
)
def test_impossible_geometry_is_refused(geometry: tuple[int, float, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BearingGeometry(*geometry)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("IR007_0", "bpfi"), ("IR021_2", "bpfi"), ("OR007@6_1", "bpfo"), ("OR021@6_3", "bpfo")],
)
def test_real_recordings_ring_at_the_computed_order(real_data: Path, name: str, expected: str) -> None:
    with (real_data / "manifest.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["file"] == f"cwru/{name}.npz")
    with np.load(real_data / row["file"]) as arrays:
        signal = arrays["DE"].astype(np.float64)
    fs_hz, shaft_hz = float(row["fs_hz"]), float(row["rpm"]) / 60
    envelope = np.abs(hilbert(sosfiltfilt(butter(4, (2500, 4500), "bandpass", fs=fs_hz, output="sos"), signal)))
    spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(envelope.size)))
    orders = np.fft.rfftfreq(envelope.size, 1 / fs_hz) / shaft_hz
    heights = {
        line: spectrum[np.abs(orders / order - 1) < 0.02].max()
        for line, order in BEARINGS["6205"].fault_orders().items()
        if line in {"bpfi", "bpfo"}
    }
    other = heights.keys() - {expected}
    assert heights[expected] > 3 * heights[other.pop()]
