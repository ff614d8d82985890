"""All that is wrong with some files, gathered while they are read and told in one report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from raytrain.data.recording import Recording
from raytrain.errors import DataError

__all__ = ["Fault", "Faults", "read_each"]

Fault = Callable[[str, object], None]
"""Called with a rule and the value that breaks it."""


class _Line(NamedTuple):
    file: str
    row: str
    rule: str
    value: str


class Faults:
    """Gathers faults, so that a user mends a folder once and not file by file.

    >>> faults = Faults("bearings/manifest.csv")
    >>> faults.add("rpm must be positive", "-5", file="a.npz", row=2)
    >>> faults.raise_any()
    Traceback (most recent call last):
    raytrain.errors.DataError: bearings/manifest.csv: 1 fault, nothing was loaded
      file   row  rule                  value
      a.npz  2    rpm must be positive  -5

    Args:
        title: What is being read; the report begins with it.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._faults: list[_Line] = []

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, rule: str, value: object, *, file: str, row: int | None = None) -> None:
        """Note that `value`, in `file` or in line `row` of a table, breaks `rule`."""
        one_line = " ".join(str(value).split()) or "(empty)"
        self._faults.append(_Line(file or "-", "-" if row is None else str(row), rule, one_line))

    def raise_any(self) -> None:
        """Raise DataError with a table of all faults, if there is one."""
        if not self._faults:
            return
        count = f"{len(self)} fault{'s' if len(self) > 1 else ''}"
        table = [_Line("file", "row", "rule", "value"), *self._faults]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in table]
        raise DataError("\n  ".join([f"{self._title}: {count}, nothing was loaded", *lines]))


def read_each(
    paths: Iterable[Path], read: Callable[[Path, Fault], Recording | None], *, folder: Path
) -> list[Recording]:
    """Read one recording from each file, or tell all faults in one report.

    Args:
        paths: Files in `folder` or below.
        read: Returns the recording of a file, or None: it is of no interest, or the fault has been told.
        folder: Names in the report are relative to it.

    Raises:
        DataError: There is a fault, such as the same recording in two files, or no recording at all.
    """
    faults = Faults(str(folder))
    recordings: dict[str, Recording] = {}
    for path in paths:
        name = str(path.relative_to(folder))

        def fault(rule: str, value: object, file: str = name) -> None:
            faults.add(rule, value, file=file)

        try:
            recording = read(path, fault)
        except (DataError, TypeError, ValueError) as error:
            fault("the file must be readable and laid out as published", error)
            continue
        if recording is not None:
            first = recordings.setdefault(recording.recording_id, recording)
            if first is not recording:
                fault(f"a recording must be there once; {first.source} is it too", recording.recording_id)
    faults.raise_any()
    if not recordings:
        raise DataError(f"{folder}: no recording of the published set is in it")
    return list(recordings.values())
