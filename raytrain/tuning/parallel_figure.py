"""A figure of all parameters of a sweep at once: each trial a line through them to its value."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from raytrain.config.schema import METRICS
from raytrain.tuning.asked import read_asked
from raytrain.tuning.axes import Axis, parameter_axes
from raytrain.tuning.figure_style import FAINT, INK, describe_trial, explained, shown, styled
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult

__all__ = ["parallel_coordinates"]

_SCALE = "Viridis"
_ABSENT = -0.14  # where the line of a trial without a parameter crosses its axis
_COLOURS = 16


def parallel_coordinates(result: SweepResult) -> go.Figure:
    """Return each trial as a line through its parameters to its value; the colour tells the value.

    A line crosses the axis of a parameter that its trial does not have below the axis. Drawn as SVG lines, since
    Plotly's own parallel coordinates need WebGL and know no missing parameter.
    """
    records = [one for one in result.trials if one.best is not None]
    axes = parameter_axes(records, read_asked(result.directory))
    if not axes:
        return explained("No trial has a value.")
    values = [one.best[result.metric] for one in records if one.best is not None]
    worth = Axis(result.metric, low=min(values), high=max(values))
    figure = go.Figure()
    for step in range(_COLOURS):
        own = [one for one, value in zip(records, values, strict=True) if _step(worth.position(value)) == step]
        if own:
            _add_lines(figure, result, own, [*axes, worth], colour=_colour(result, step))
    _add_axes(figure, [*axes, worth])
    _explain_colours(figure)
    styled(figure, height=460)
    figure.update_layout(margin={"l": 40, "r": 40, "t": 60, "b": 30})
    figure.update_xaxes(visible=False, range=[-0.25, len(axes) + 0.45])
    figure.update_yaxes(visible=False, range=[_ABSENT - 0.06, 1.14])
    return figure


def _step(position: float) -> int:
    return min(_COLOURS - 1, int(position * _COLOURS))


def _colour(result: SweepResult, step: int) -> str:
    """Return the colour of a step from the least to the largest value; the better, the darker."""
    at = step / (_COLOURS - 1)
    return str(sample_colorscale(_SCALE, [0.95 * (1 - at if METRICS[result.metric] == "max" else at)])[0])


def _add_lines(
    figure: go.Figure, result: SweepResult, records: Sequence[TrialRecord], axes: Sequence[Axis], *, colour: str
) -> None:
    """Add the lines of several trials as one trace, with a gap between two."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    texts: list[str] = []
    for record in records:
        point = {**record.point, axes[-1].name: record.value(result.metric)}
        xs += [*range(len(axes)), None]
        ys += [*(axis.position(point[axis.name]) if axis.name in point else _ABSENT for axis in axes), None]
        texts += [describe_trial(result, record)] * len(axes) + [""]
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines+markers",
        line={"color": colour, "width": 1.6},
        marker={"size": 4},
        text=texts,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _add_axes(figure: go.Figure, axes: Sequence[Axis]) -> None:
    for index, axis in enumerate(axes):
        figure.add_shape(type="line", x0=index, x1=index, y0=0, y1=1, line={"color": INK, "width": 1}, layer="below")
        figure.add_annotation(
            x=index, y=1.1, text=f"<b>{shown(_short(axis.name))}</b>", showarrow=False, font={"size": 12}
        )
        for position, text in axis.ticks():
            figure.add_annotation(
                x=index,
                y=position,
                text=shown(text),
                showarrow=False,
                xanchor="left",
                xshift=4,
                font={"size": 11, "color": INK},
                bgcolor="rgba(255, 255, 255, 0.75)",
                borderpad=1,
            )


def _short(name: str) -> str:
    """Return a parameter's name without its part, as in the leaderboard."""
    return name if "/" in name else name.removesuffix(".name").split(".", 1)[-1]


def _explain_colours(figure: go.Figure) -> None:
    """Say in words what the colours mean; the metric's own axis is the scale."""
    figure.add_annotation(
        x=1,
        y=-0.02,
        xref="paper",
        yref="paper",
        xanchor="right",
        showarrow=False,
        text="the better, the darker; below an axis: a trial without that parameter",
        font={"size": 12, "color": FAINT},
    )
