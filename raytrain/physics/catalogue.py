"""Geometry of the bearings of the well-known public test rigs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from raytrain.physics.kinematics import BearingGeometry

__all__ = ["BEARINGS", "find_bearing"]

_INCH_MM = 25.4


def _inches(rolling_elements: int, element: float, pitch: float) -> BearingGeometry:
    return BearingGeometry(rolling_elements, element * _INCH_MM, pitch * _INCH_MM)


BEARINGS: Mapping[str, BearingGeometry] = MappingProxyType(
    {
        "6205": _inches(9, 0.3126, 1.537),
        "6203": _inches(8, 0.2656, 1.122),
        "NICE": _inches(8, 0.235, 1.245),
    }
)
"""Designation -> geometry.

6205 and 6203, drive end and fan end: Case Western Reserve University Bearing Data Center.
NICE: E. Bechhoefer, MFPT fault data sets (2013).
"""


def find_bearing(text: str) -> BearingGeometry | None:
    """Return the bearing of the catalogue whose designation stands in `text`; None unless exactly one does.

    A designation may have a maker's prefix and a suffix of seal or clearance.

    >>> find_bearing("SKF 6205-2RS JEM (drive end)") == BEARINGS["6205"]
    True
    >>> find_bearing("16205") is None
    True
    """
    found = [
        geometry
        for designation, geometry in BEARINGS.items()
        if re.search(rf"(?<!\d){designation}(?!\d)" if designation.isdigit() else rf"\b{designation}\b", text)
    ]
    return found[0] if len(found) == 1 else None
