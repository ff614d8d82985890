"""How all figures of a sweep look: colours that all readers tell apart, one layout, names shown as they are."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from raytrain.tuning.records import Status, TrialRecord
from raytrain.tuning.results import SweepResult
from raytrain.tuning.space import describe_point

__all__ = [
    "FAINT",
    "INK",
    "STATUS_COLOURS",
    "STATUS_SYMBOLS",
    "WINNER",
    "axis_style",
    "describe_trial",
    "explained",
    "is_winner",
    "shown",
    "styled",
    "whole_ticks",
    "winner_ring",
]

# Okabe and Ito 2008, "Color universal design".
STATUS_COLOURS: Mapping[Status, str] = {
    "finished": "#0072b2",
    "stopped": "#e69f00",
    "failed": "#d55e00",
    "running": "#56b4e9",
}
STATUS_SYMBOLS: Mapping[Status, str] = {
    "finished": "circle",
    "stopped": "triangle-down",
    "failed": "x",
    "running": "diamond",
}
WINNER = "#009e73"
INK, FAINT = "#27313b", "#8a949e"
_GRID = "#e7eaee"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def shown(text: object) -> str:
    """Return text that Plotly shows as it is: it reads a few HTML tags and entities in all it is given.

    >>> shown("<b>mine</b> & yours")
    '&lt;b&gt;mine&lt;/b&gt; &amp; yours'
    """
    return html.escape(str(text), quote=False)


def styled(figure: go.Figure, *, height: int = 420) -> go.Figure:
    """Give a figure the common layout; return it."""
    figure.update_layout(
        template="plotly_white",
        height=height,
        font={"family": _FONT, "size": 13, "color": INK},
        margin={"l": 70, "r": 30, "t": 50, "b": 60},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": None},
        hoverlabel={"align": "left", "font": {"family": _FONT}},
    )
    figure.update_xaxes(**axis_style())
    figure.update_yaxes(**axis_style())
    return figure


def axis_style() -> dict[str, Any]:
    """Return what all axes share."""
    return {"gridcolor": _GRID, "zeroline": False, "linecolor": FAINT, "automargin": True}


def whole_ticks(highest: int, *, most: int = 16) -> dict[str, Any]:
    """Return an axis of whole numbers from 1 to `highest`: at most `most` ticks, none in between."""
    margin = max(0.5, 0.02 * highest)
    step = max(1, math.ceil(highest / most))
    return {"range": [1 - margin, highest + margin], "tick0": 0, "dtick": step, "tickformat": "d"}


def winner_ring(x: Any, y: Any, *, number: int) -> dict[str, Any]:  # noqa: ANN401 - Plotly's own
    """Return the settings of a scatter that puts a ring around the point of the winner, trial `number`."""
    return {
        "x": [x],
        "y": [y],
        "mode": "markers",
        "name": f"the best, trial {number}",
        "marker": {"symbol": "circle-open", "size": 16, "color": WINNER, "line": {"width": 3}},
        "hoverinfo": "skip",
    }


def explained(reason: str, *, height: int = 160) -> go.Figure:
    """Return a figure that shows nothing but why there is nothing to show."""
    figure = styled(go.Figure(), height=height)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text=shown(reason),
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        showarrow=False,
        font={"size": 14, "color": FAINT},
    )
    return figure


def is_winner(result: SweepResult, record: TrialRecord) -> bool:
    """Whether a trial is the one that was chosen."""
    return result.best is not None and record.number == result.best.trial


def describe_trial(result: SweepResult, record: TrialRecord) -> str:
    """Return what hovering over a trial tells."""
    value = record.value(result.metric)
    lines = [
        f"<b>trial {record.number}</b>, {record.status}" + (", the best" if is_winner(result, record) else ""),
        "no value" if value is None else f"{shown(result.metric)} {value:.4f}",
        f"{len(record.curve)} epochs",
        *(shown(describe_point({name: value})) for name, value in record.point.items()),
        *([shown(record.reason)] if record.reason else []),
        *([] if record.feasible else ["breaks a constraint"]),
    ]
    return "<br>".join(lines)
