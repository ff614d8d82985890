"""Recordings from the original `.mat` files of the MFPT bearing fault data.

A file holds a structure `bearing` with `sr` (sampling rate in Hz), `gs` (acceleration in g), `load` (in lb)
and `rate` (shaft speed in Hz). Read are the 20 recordings of the test rig, by their published names and in
any sub-folders; the real-world examples beside them, of other machines, are passed over. No file names the
specimen: all recordings of one kind of fault count as one bearing.

Source: E. Bechhoefer, Condition Based Maintenance Fault Database, MFPT Society, 2013 (CC BY-NC-SA 4.0).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from raytrain.data.arrays import load_variables, named_vectors, signal_faults, stack
from raytrain.data.faults import Fault, read_each
from raytrain.data.recording import Recording

__all__ = ["holds_mfpt", "read_mfpt"]

_NAME = re.compile(r"(baseline|OuterRaceFault|InnerRaceFault)(?:_vload)?_\d+")
_FAULT_TYPES = {"baseline": "normal", "OuterRaceFault": "outer", "InnerRaceFault": "inner"}
_BEARING = "NICE (8 rolling elements, d=0.235 in, D=1.245 in)"


def holds_mfpt(folder: Path) -> bool:
    """Whether a file in `folder` or below has the name of a recording of the rig."""
    return any(_files(folder))


def read_mfpt(folder: Path) -> list[Recording]:
    """Read the recordings of the test rig found in `folder` and below.

    Raises:
        DataError: With all faults of the files in one report; or there is no file of the rig.
    """
    return read_each(_files(folder), _read, folder=folder)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.mat")) if _NAME.fullmatch(path.stem))


def _read(path: Path, fault: Fault) -> Recording | None:
    """Return the recording of a file, or None where there is a fault."""
    variables = load_variables(path)
    missing = [field for field in ("sr", "gs", "load", "rate") if f"bearing.{field}" not in variables]
    if missing:
        fault("structure bearing must have sr, gs, load and rate", f"no {', '.join(missing)}")
        return None
    fs_hz, load_lb, shaft_hz = (float(variables[f"bearing.{field}"]) for field in ("sr", "load", "rate"))
    channels = named_vectors({"x": variables["bearing.gs"]})
    wrong = signal_faults(channels, ["x"])
    wrong += [
        (f"bearing.{field} must be a positive number", str(value))
        for field, value in (("sr", fs_hz), ("rate", shaft_hz))
        if not 0 < value < math.inf
    ]
    for rule, value in wrong:
        fault(rule, value)
    if wrong:
        return None
    fault_type = next(kind for prefix, kind in _FAULT_TYPES.items() if path.stem.startswith(prefix))
    return Recording(
        signal=stack(channels, ["x"]),
        fs_hz=fs_hz,
        shaft_speed_rpm=60 * shaft_hz,
        label=fault_type,
        fault_type=fault_type,
        recording_id=f"mfpt_{path.stem}",
        bearing_id=f"mfpt:{fault_type}:",
        dataset="mfpt",
        channels=("x",),
        load=load_lb,
        load_unit="lb",
        bearing_model=_BEARING,
        source=str(path),
    )
