"""Pieces of HTML in which every text is escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

__all__ = ["Section", "details", "number", "paragraph", "table", "tiles"]

_LARGE = 100


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: Its id.
        title: Its heading.
        explanation: How to read it, as plain text.
        figure: Its figure, if it has one.
        above: HTML before the figure, with all texts escaped.
        below: HTML after the figure, likewise.
    """

    anchor: str
    title: str
    explanation: str = ""
    figure: go.Figure | None = None
    above: str = ""
    below: str = ""


def paragraph(text: str, *, kind: str = "") -> str:
    """Return a paragraph, of a class of the page's style where `kind` names one."""
    return f"<p{_class(kind)}>{html.escape(text)}</p>"


def number(value: Any) -> str:  # noqa: ANN401 - a cell of a table
    """Return a cell as text: four decimals of a score, six digits of a large number, nothing for one that is missing.

    >>> number(0.5), number(54070.0), number(3), number(None), number(float("nan")), number("a")
    ('0.5000', '54070', '3', '', '', 'a')
    """
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.6g}"
    return str(value)


def table(rows: Sequence[Mapping[str, Any]], *, columns: Mapping[str, str], marks: Sequence[str] = ()) -> str:
    """Return a table.

    Args:
        rows: Its rows by key; a missing key is an empty cell.
        columns: Key -> heading, in the order of the columns.
        marks: A class of the page's style for each row, or none for all.
    """
    right = {key for key in columns if all(isinstance(row.get(key), int | float | None) for row in rows)}
    head = "".join(f"<th{_class('number' if key in right else '')}>{html.escape(columns[key])}</th>" for key in columns)
    body = "".join(
        f"<tr{_class(mark)}>"
        + "".join(
            f"<td{_class('number' if key in right else '')}>{html.escape(number(row.get(key)))}</td>" for key in columns
        )
        + "</tr>"
        for row, mark in zip(rows, marks or [""] * len(rows), strict=True)
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def tiles(values: Iterable[tuple[str, str, str]]) -> str:
    """Return large numbers side by side, each from its id on the page, its text and what it is."""
    numbers = (
        f'<div class="tile"><b id="{html.escape(name)}">{html.escape(text)}</b><span>{html.escape(what)}</span></div>'
        for name, text, what in values
    )
    return f'<div class="tiles">{"".join(numbers)}</div>'


def details(summary: str, content: str) -> str:
    """Return HTML that is shown on a click on `summary`."""
    return f"<details><summary>{html.escape(summary)}</summary>{content}</details>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
