"""Recordings from a folder with a `manifest.csv`: a line per recording names its file and says what it is.

Columns, in any order and with or without capitals:

- needed: `file` (path within the folder), `fs_hz`, `rpm` or `shaft_speed_rpm`, `label`
- `recording_id`: names the measurement, unique within its data set; the path of the file without suffix where
  absent. The same id in two data sets says that both hold the same measurement (at another rate, say).
- `bearing_id`: names the specimen; `dataset:fault_type:severity` where absent. That takes all recordings of
  one fault and size for the same bearing, as they are in seeded-fault data (CWRU), so that no split calls a
  bearing unseen that is not. It cannot know of a bearing that two data sets share: name it here then.
- `dataset` (name of the folder), `fault_type` (the label), `severity` (`fault_size_mil` in mil; empty or
  `none` for none), `load_value` or `load`, `load_unit`, `location`, `bearing`, `channels` (`DE+FE`; all)
- checked where given: `sha256` of the file, `n_samples` per channel, `duration_s` (it tells a wrong `fs_hz`)
- a numeric column with a unit at the end of its name, such as `oil_temperature_c`, is an operating condition,
  unless it begins with `source_`; other columns are passed over
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from raytrain.data.arrays import Arrays, load_channels, signal_faults, stack
from raytrain.data.faults import Faults
from raytrain.data.recording import Recording
from raytrain.data.rows import Row, finite, read_rows
from raytrain.data.select import check_datasets
from raytrain.errors import DataError

__all__ = ["MANIFEST", "read_manifest"]

MANIFEST = "manifest.csv"

_RPM = ("rpm", "shaft_speed_rpm")
_LOAD = ("load_value", "load")
_NEEDED = (("file",), ("fs_hz",), _RPM, ("label",))
_NOT_CONDITIONS = {"fs_hz", *_RPM, "fault_size_mil", "duration_s"}
_WITH_UNIT = re.compile(
    r".+_(a|bar|c|deg|f|fraction|g|h|hp|hz|k|khz|kn|kpa|kw|lb|lbf|m|min|mm|mpa|n|nm|pa|percent"
    r"|rad|rpm|s|s2|um|v|w)"
)


def read_manifest(folder: Path, *, dataset: Sequence[str] | None = None) -> list[Recording]:
    """Read the recordings listed in the manifest of `folder`.

    Args:
        folder: Holds `manifest.csv` and, in it or below it, the files it names.
        dataset: Read only the recordings of these data sets; no file of another is opened.

    Raises:
        DataError: With all faults of the manifest and its files in one report; nothing is loaded by halves.
        ConfigError: No recording belongs to a data set of that name.
    """
    faults = Faults(str(folder / MANIFEST))
    rows = read_rows(folder / MANIFEST, needed=_NEEDED, faults=faults)
    conditions = _condition_columns(rows)
    if dataset is not None:
        check_datasets(dataset, {_dataset(row, folder) for row in rows})
        rows = [row for row in rows if _dataset(row, folder) in dataset]
    recordings = [_recording(row, folder=folder, conditions=conditions) for row in rows]
    _check_unique(rows, folder)
    faults.raise_any()
    return [recording for recording in recordings if recording is not None]


def _recording(row: Row, *, folder: Path, conditions: Sequence[str]) -> Recording | None:
    before = len(row.faults)
    label, dataset, severity = row.needed("label"), _dataset(row, folder), _severity(row)
    fault_type = row.text("fault_type") or label
    fs_hz, rpm, load = row.positive("fs_hz"), row.positive(*_RPM), row.number(*_LOAD)
    measured = {name: value for name in conditions if (value := row.number(name)) is not None}
    arrays = _load(row, folder)
    names = _channels(row, arrays)
    _check_signal(row, arrays, names=names, fs_hz=fs_hz)
    if len(row.faults) > before or not arrays.channels:
        return None
    return Recording(
        signal=stack(arrays.channels, names),
        fs_hz=fs_hz,
        shaft_speed_rpm=rpm,
        label=label,
        fault_type=fault_type,
        recording_id=_recording_id(row),
        bearing_id=row.text("bearing_id") or f"{dataset}:{fault_type}:{severity}",
        dataset=dataset,
        channels=names,
        severity=severity,
        load=load,
        load_unit=row.text("load_unit"),
        location=row.text("location"),
        bearing_model=row.text("bearing"),
        conditions=measured,
        source=str(folder / row.text("file")),
    )


def _dataset(row: Row, folder: Path) -> str:
    return row.text("dataset") or folder.resolve().name


def _recording_id(row: Row) -> str:
    file = PurePath(row.text("file"))
    return row.text("recording_id") or (file.parent / file.stem).as_posix()


def _severity(row: Row) -> str:
    text = row.text("severity")
    if not text and (size := row.number("fault_size_mil")):
        return f"{size:g} mil"
    return "" if text.lower() == "none" else text


def _channels(row: Row, arrays: Arrays) -> tuple[str, ...]:
    """Return the channels the row asks for, else all of its file."""
    wanted = [part.strip() for part in row.text("channels").split("+")]
    return tuple(filter(None, wanted)) or tuple(arrays.channels)


def _load(row: Row, folder: Path) -> Arrays:
    """Load the file a row names, after checking that it is that file; no channels where there is a fault."""
    nothing = Arrays({})
    name = row.needed("file")
    if not name:
        return nothing
    # The text of a manifest may not lead elsewhere; a link that the owner of the folder put into it may.
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        row.fault("the file must lie within the folder", name)
        return nothing
    path = folder / name
    try:
        if not path.is_file():
            row.fault("the file must exist", name)
            return nothing
        _check_sha256(row, path)
        return load_channels(path)
    except (DataError, OSError) as error:
        row.fault("the file must be readable", error)
        return nothing


def _check_sha256(row: Row, path: Path) -> None:
    wanted = row.text("sha256")
    if not wanted:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted.lower():
        row.fault("sha256 must be that of the file", f"{wanted[:12]}..., of the file {found[:12]}...")


def _check_signal(row: Row, arrays: Arrays, *, names: Sequence[str], fs_hz: float) -> None:
    """Note what is wrong with the samples, and where their number or rate is not what the row says."""
    if not arrays.channels:
        return
    for rule, value in signal_faults(arrays.channels, names):
        row.fault(rule, value)
    if arrays.fs_hz is not None and abs(fs_hz - arrays.fs_hz) >= 1:  # .wav stores whole numbers
        row.fault(f"fs_hz must be the rate in the file, {arrays.fs_hz:g}", f"{fs_hz:g}")
    samples = min((arrays.channels[name].size for name in names if name in arrays.channels), default=0)
    stated, duration_s = row.number("n_samples"), row.number("duration_s")
    if stated is not None and stated != samples:
        row.fault(f"n_samples must be that of the file, {samples}", row.text("n_samples"))
    elif duration_s is not None and abs(samples / fs_hz - duration_s) > 0.001 + 0.01 * duration_s:
        row.fault(f"fs_hz must fit duration_s: {samples} samples in {duration_s:g} s", f"{fs_hz:g}")


def _condition_columns(rows: Sequence[Row]) -> list[str]:
    """Return the columns that hold numbers and say in which unit."""
    return [
        name
        for name in rows[0].cells
        if _WITH_UNIT.fullmatch(name) and name not in _NOT_CONDITIONS and not name.startswith("source_")
        if any(finite(row.text(name)) is not None for row in rows)
    ]


def _check_unique(rows: Sequence[Row], folder: Path) -> None:
    """Note each row that repeats the id, or the file and channels, of an earlier one."""
    ids: dict[tuple[str, str], int] = {}
    files: dict[tuple[str, str], int] = {}
    for row in rows:
        name, file = _recording_id(row), row.text("file")
        if not file:
            continue
        first = ids.setdefault((_dataset(row, folder), name), row.line)
        if first != row.line:
            row.fault(f"recording_id must be unique in a data set; row {first} has it too", name)
        same = files.setdefault((file, row.text("channels")), row.line)
        if same != row.line:
            row.fault(f"a recording must be listed once; row {same} has the same file and channels", file)
