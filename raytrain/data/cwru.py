"""Recordings from the original `.mat` files of the Case Western Reserve University Bearing Data Center.

Read are the 12 kHz drive-end faults and the normal baseline, by their published numbers (`105.mat`) or names
(`IR007_0.mat`), in any sub-folders. Files of the other sets (48 kHz, fan end) are known by the number in
their variables and passed over. The normal baseline is sampled at 48 kHz: only so do its lines at 120 and
360 Hz fall on the mains. All loads of a fault and size, and all positions of an outer-race fault, count as
one bearing.

Source: https://engineering.case.edu/bearingdatacenter; its irregularities: Smith & Randall, Mechanical
Systems and Signal Processing 64-65 (2015) 100-131.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raytrain.data.arrays import load_variables, named_vectors, signal_faults, stack
from raytrain.data.faults import Fault, read_each
from raytrain.data.recording import Recording

__all__ = ["holds_cwru", "read_cwru"]

_NUMBERS = {  # condition -> file at 0, 1, 2, 3 hp
    "normal": (97, 98, 99, 100),
    "IR007": (105, 106, 107, 108),
    "B007": (118, 119, 120, 121),
    "OR007@6": (130, 131, 132, 133),
    "OR007@3": (144, 145, 146, 147),
    "OR007@12": (156, 158, 159, 160),
    "IR014": (169, 170, 171, 172),
    "B014": (185, 186, 187, 188),
    "OR014@6": (197, 198, 199, 200),
    "IR021": (209, 210, 211, 212),
    "B021": (222, 223, 224, 225),
    "OR021@6": (234, 235, 236, 237),
    "OR021@3": (246, 247, 248, 249),
    "OR021@12": (258, 259, 260, 261),
    "IR028": (3001, 3002, 3003, 3004),
    "B028": (3005, 3006, 3007, 3008),
}
_CONDITIONS = {number: (label, hp) for label, numbers in _NUMBERS.items() for hp, number in enumerate(numbers)}
# The files of the 28 mil faults carry variables of other numbers.
_VARIABLES = {number: 56 + hp for hp, number in enumerate(_NUMBERS["IR028"])} | {
    number: 48 + hp for hp, number in enumerate(_NUMBERS["B028"])
}
_LABELS = {label.lower(): label for label in _NUMBERS}
_NAME = re.compile(r"(normal|(?:ir|b|or)\d{3}(?:@\d{1,2})?)_([0-3])", re.IGNORECASE)
_FAULT_TYPES = {"n": "normal", "I": "inner", "B": "ball", "O": "outer"}
_NOMINAL_RPM = (1797.0, 1772.0, 1750.0, 1730.0)  # at 0, 1, 2, 3 hp, for files without a speed


def holds_cwru(folder: Path) -> bool:
    """Whether a file in `folder` or below has a number or name of the sets that `read_cwru` reads."""
    return any(_number(path.stem) for path in folder.rglob("*.mat"))


def read_cwru(folder: Path) -> list[Recording]:
    """Read the 12 kHz drive-end faults and the normal baseline found in `folder` and below.

    Raises:
        DataError: With all faults of the files in one report; or there is no file of these sets.
    """
    return read_each(sorted(folder.rglob("*.mat")), _read, folder=folder)


def _number(stem: str) -> int | None:
    """Return the published number of a file of our sets, or None."""
    if stem.isdecimal():
        return int(stem) if int(stem) in _CONDITIONS else None
    name = _NAME.fullmatch(stem)
    label = _LABELS.get(name[1].lower()) if name else None
    return _NUMBERS[label][int(name[2])] if name and label else None


def _read(path: Path, fault: Fault) -> Recording | None:
    """Return the recording of a file; None where it belongs to another set or there is a fault."""
    number = _number(path.stem)
    if number is None:
        if not (path.stem.isdecimal() or _NAME.fullmatch(path.stem)):
            fault("the name must be as published (105.mat, IR007_0.mat), else write a manifest.csv", path.stem)
        return None
    variables = load_variables(path)
    vectors = named_vectors(variables)
    prefix = f"X{_VARIABLES.get(number, number):03d}"
    channels = {end: vectors[key] for end in ("DE", "FE", "BA") if (key := f"{prefix}_{end}_time") in vectors}
    if "DE" not in channels:
        # The sets share names, not numbers: IR007_0.mat with X109_DE_time is of the 48 kHz set.
        if path.stem.isdecimal() or not any(re.fullmatch(r"X\d{3}_DE_time", name) for name in vectors):
            fault(f"variable {prefix}_DE_time must be in the file", ", ".join(variables))
        return None
    label, hp = _CONDITIONS[number]
    wrong = signal_faults(channels, list(channels))
    rpm = float(variables.get(f"{prefix}RPM", _NOMINAL_RPM[hp]))
    if not 0 < rpm < math.inf:
        wrong.append((f"{prefix}RPM must be a positive number", str(rpm)))
    for rule, value in wrong:
        fault(rule, value)
    return None if wrong else _recording(channels, label=label, hp=hp, rpm=rpm, source=str(path))


def _recording(
    channels: Mapping[str, NDArray[np.float32]], *, label: str, hp: int, rpm: float, source: str
) -> Recording:
    fault_type = _FAULT_TYPES[label[0]]
    size, _, clock = label.lstrip("IORB").partition("@")
    severity = "" if fault_type == "normal" else f"{int(size)} mil"
    return Recording(
        signal=stack(channels, list(channels)),
        fs_hz=48_000.0 if fault_type == "normal" else 12_000.0,
        shaft_speed_rpm=rpm,
        label=label,
        fault_type=fault_type,
        recording_id=f"cwru_{label}_{hp}",
        bearing_id=f"cwru:{fault_type}:{severity}",
        dataset="cwru",
        channels=tuple(channels),
        severity=severity,
        load=float(hp),
        load_unit="hp",
        location=f"{clock}:00" if clock else "",
        bearing_model=("NTN equivalent of 6205" if size == "028" else "SKF 6205-2RS JEM") + " (drive end)",
        source=source,
    )
