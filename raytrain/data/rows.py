"""Lines of a table in a CSV file, whose cells are checked as they are read."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from raytrain.data.faults import Faults
from raytrain.errors import DataError

__all__ = ["Row", "finite", "read_rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. What breaks a rule is added to `faults`, and reading goes on to find the rest.

    Attributes:
        cells: Column, in lower case -> text without surrounding blanks.
        line: Line in the file, from 1 for the header.
        faults: Where faults are added.
    """

    cells: Mapping[str, str]
    line: int
    faults: Faults

    def fault(self, rule: str, value: object) -> None:
        """Note that this row breaks `rule` with `value`."""
        self.faults.add(rule, value, file=self.text("file"), row=self.line)

    def text(self, *columns: str) -> str:
        """Return the first of the columns that is filled, or an empty text."""
        return next((self.cells[column] for column in columns if self.cells.get(column)), "")

    def needed(self, *columns: str) -> str:
        """Return the same; empty is a fault. An absent column is told by `read_rows`, once for all rows."""
        text = self.text(*columns)
        if not text and any(column in self.cells for column in columns):
            self.fault(f"{' or '.join(columns)} must be given", text)
        return text

    def number(self, *columns: str) -> float | None:
        """Return the first of the columns that is filled, as a number; None where none is."""
        text = self.text(*columns)
        value = finite(text)
        if text and value is None:
            self.fault(f"{' or '.join(columns)} must be a number", text)
        return value

    def positive(self, *columns: str) -> float:
        """Return the first of the columns that is filled, as a positive number; NaN where it is not one."""
        text = self.needed(*columns)
        value = finite(text)
        if value is not None and value > 0:
            return value
        if text:
            self.fault(f"{' or '.join(columns)} must be a positive number", text)
        return math.nan


def read_rows(path: Path, *, needed: Sequence[tuple[str, ...]], faults: Faults) -> list[Row]:
    """Read the lines of a table; for each tuple in `needed`, one of its columns must be there.

    Raises:
        DataError: The file is no table of at least one line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not readable as comma-separated values in UTF-8: {error}") from error
    if not lines:
        raise DataError(f"{path}: there must be a line of column names and at least one line below it")
    _check_header(header, path=path, needed=needed, faults=faults)
    rows = []
    for line, cells in lines:
        row = Row(dict(zip(header, cells, strict=False)), line, faults)
        if len(cells) != len(header):
            row.fault(f"a row must have {len(header)} cells, as the header has", len(cells))
        rows.append(row)
    return rows


def finite(text: str) -> float | None:
    """Return the finite number that `text` is, or None.

    >>> finite("1797"), finite("12 kHz"), finite("nan")
    (1797.0, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_header(header: list[str], *, path: Path, needed: Sequence[tuple[str, ...]], faults: Faults) -> None:
    for columns in needed:
        if not any(column in header for column in columns):
            close = get_close_matches(columns[0], header, n=1)
            there = f"is '{close[0]}' meant for it?" if close else f"columns: {', '.join(header)}"
            faults.add(f"column {' or '.join(columns)} is missing", there, file=path.name, row=1)
    for name in sorted({name for name in header if name and header.count(name) > 1}):
        faults.add("column names must differ", name, file=path.name, row=1)
