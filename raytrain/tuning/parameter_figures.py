"""Figures of what a sweep's parameters do to its metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from raytrain.tuning.asked import read_asked
from raytrain.tuning.axes import Axis, label, parameter_axes
from raytrain.tuning.conclusions import count_by_status
from raytrain.tuning.figure_style import (
    INK,
    STATUS_COLOURS,
    STATUS_SYMBOLS,
    WINNER,
    describe_trial,
    explained,
    is_winner,
    shown,
    styled,
    winner_ring,
)
from raytrain.tuning.importances import parameter_importances
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult

__all__ = ["importances", "slices"]

_COLUMNS = 3


def importances(result: SweepResult) -> go.Figure:
    """Return how much each parameter matters; what does not exceed its chance level (the stroke) is grey.

    See `parameter_importances` for the measure. With too few trials the figure says so instead.
    """
    found = parameter_importances(result, read_asked(result.directory))
    if found.reason:
        return explained(f"No importances: {found.reason}.")
    names = [shown(name) for name in reversed(found.shares)]
    shares, chance = ([one[name] for name in reversed(found.shares)] for one in (found.shares, found.chance))
    figure = go.Figure()
    figure.add_bar(
        x=shares,
        y=names,
        orientation="h",
        name="importance",
        showlegend=False,
        marker={"color": [WINNER if one > least else "#c3cad1" for one, least in zip(shares, chance, strict=True)]},
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    figure.add_scatter(
        x=chance,
        y=names,
        mode="markers",
        name="what chance stays below, 95 times in 100",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": INK}},
        hovertemplate="chance stays below %{x:.1%}<extra></extra>",
    )
    styled(figure, height=130 + 34 * len(names))
    figure.update_xaxes(
        title=f"importance ({found.good} good of {found.trials} trials)", tickformat=".0%", rangemode="tozero"
    )
    return figure


def slices(result: SweepResult) -> go.Figure:
    """Return the metric over each parameter by itself, of the trials that have a value."""
    records = [one for one in result.trials if one.best is not None]
    axes = parameter_axes(records, read_asked(result.directory))
    if not axes:
        return explained("No trial has a value.")
    rows = math.ceil(len(axes) / _COLUMNS)
    height = 70 + 250 * rows
    figure = make_subplots(
        rows=rows, cols=_COLUMNS, shared_yaxes=True, horizontal_spacing=0.04, vertical_spacing=75 / height
    )
    for index, axis in enumerate(axes):
        place = {"row": index // _COLUMNS + 1, "col": index % _COLUMNS + 1}
        for status in count_by_status(records):
            own = [one for one in records if one.status == status and axis.name in one.point]
            _add_slice(figure, result, own, axis, place, first=index == 0)
        for record in records:
            if is_winner(result, record) and axis.name in record.point:
                ring = winner_ring(_across(axis, record), record.value(result.metric), number=record.number)
                figure.add_scatter(**ring, legendgroup="best", showlegend=index == 0, **place)
        figure.update_xaxes(title={"text": shown(axis.name), "standoff": 6}, **_scale(axis), **place)
    styled(figure, height=height)
    figure.update_yaxes(title=shown(result.metric), col=1)
    return figure


def _add_slice(
    figure: go.Figure,
    result: SweepResult,
    records: Sequence[TrialRecord],
    axis: Axis,
    place: dict[str, int],
    *,
    first: bool,
) -> None:
    if not records:
        return
    status = records[0].status
    figure.add_scatter(
        x=[_across(axis, one) for one in records],
        y=[one.value(result.metric) for one in records],
        mode="markers",
        name=status,
        legendgroup=status,
        showlegend=first,
        marker={
            "color": STATUS_COLOURS[status],
            "symbol": STATUS_SYMBOLS[status],
            "size": 8,
            "opacity": 0.85,
        },
        text=[describe_trial(result, one) for one in records],
        hovertemplate="%{text}<extra></extra>",
        **place,
    )


def _across(axis: Axis, record: TrialRecord) -> Any:  # noqa: ANN401 - a number or a category
    value = record.point[axis.name]
    return shown(label(value)) if axis.categories else value


def _scale(axis: Axis) -> dict[str, Any]:
    """Return the kind of a parameter's own axis."""
    if axis.categories:
        order = [shown(one) for one in axis.categories]
        ends = [-0.5, len(order) - 0.5]
        return {"type": "category", "categoryorder": "array", "categoryarray": order, "range": ends}
    if axis.log and not axis.constant:
        return {"type": "log", "dtick": 1, "exponentformat": "e"}
    if axis.whole:
        span = round(axis.high - axis.low)
        return {"type": "linear", "tick0": axis.low, "dtick": max(1, math.ceil(span / 6))}
    return {"type": "linear", "nticks": 6}
