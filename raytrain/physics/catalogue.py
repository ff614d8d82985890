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
        "6203 Paderborn": BearingGeometry(8, element_diameter_mm=6.75, pitch_diameter_mm=28.55),
        "NICE": _inches(8, 0.235, 1.245),
    }
)
"""Designation -> geometry.

6205 and 6203, drive end and fan end: Case Western Reserve University Bearing Data Center.
6203 Paderborn: the same type as measured for the Paderborn data sets, Lessmeier, Kimotho, Zimmer & Sextro, "Condition
monitoring of bearing damage in electromechanical drive systems by using motor current signals of electric motors",
European Conference of the PHM Society (2016); its balls and pitch are 0.06 and 0.18 % larger, its orders within 0.14 %.
NICE: E. Bechhoefer, MFPT fault data sets (2013).
"""


def find_bearing(text: str) -> BearingGeometry | None:
    """Return the bearing of the catalogue whose designation stands in `text`; None unless exactly one does.

    A designation may have a maker's prefix and a suffix of seal or clearance (DIN 623-1, 2020); its words may stand in
    any order. Where
    one designation says more than another (`6203 Paderborn`, `6203`), the one that says more is meant.

    >>> find_bearing("SKF 6205-2RS JEM (drive end)") == BEARINGS["6205"]
    True
    >>> find_bearing("Paderborn, FAG 6203") == BEARINGS["6203 Paderborn"]
    True
    >>> find_bearing("16205") is None
    True
    """
    found = {designation: set(designation.split()) for designation in BEARINGS if _names(designation, text)}
    meant = [name for name, words in found.items() if not any(words < others for others in found.values())]
    return BEARINGS[meant[0]] if len(meant) == 1 else None


def _names(designation: str, text: str) -> bool:
    """Whether every word of `designation` stands in `text`, no digit touching a number."""
    words = designation.split()
    return all(re.search(rf"(?<!\d){word}(?!\d)" if word.isdigit() else rf"\b{word}\b", text) for word in words)
