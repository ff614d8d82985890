"""Figures of what came out of a sweep: the trade between objectives, and the winner on the test part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from raytrain.config.space import OBJECTIVES
from raytrain.distributed.judge import RecordingJudgement
from raytrain.tuning.asked import read_asked
from raytrain.tuning.figure_style import FAINT, STATUS_COLOURS, WINNER, describe_trial, explained, shown, styled
from raytrain.tuning.results import SweepResult
from raytrain.tuning.standings import Standing, pareto_standings

__all__ = ["confusion", "pareto_front", "recordings"]

_RIGHT, _WRONG = WINNER, STATUS_COLOURS["failed"]


def pareto_front(result: SweepResult) -> go.Figure:
    """Return the sweep's metric over each further objective; the trials that none beats in everything are joined.

    A trial that breaks a constraint is hollow.
    """
    objectives = read_asked(result.directory).objectives
    if not objectives:
        return explained(f"The sweep had no objective beside {result.metric}.")
    standings = pareto_standings(result.trials, metric=result.metric, objectives=objectives)
    if not standings:
        return explained("No trial has a value of every objective.")
    figure = make_subplots(rows=1, cols=len(objectives), shared_yaxes=True, horizontal_spacing=0.04)
    for index, objective in enumerate(objectives, start=1):
        for on_front in (False, True):
            own = [one for one in standings if one.on_front == on_front]
            if own:
                _add_standings(figure, result, own, index, joined=on_front and len(objectives) == 1)
        better = "less" if OBJECTIVES[objective] == "min" else "more"
        figure.update_xaxes(title=f"{shown(objective)} ({better} is better)", row=1, col=index)
    styled(figure)
    figure.update_yaxes(title=shown(result.metric), col=1)
    return figure


def _add_standings(
    figure: go.Figure, result: SweepResult, standings: Sequence[Standing], index: int, *, joined: bool
) -> None:
    """Add the trials on the front, or those off it, over the objective numbered `index`."""
    ordered = sorted(standings, key=lambda one: one.values[index])
    on_front = ordered[0].on_front
    figure.add_scatter(
        x=[one.values[index] for one in ordered],
        y=[one.values[0] for one in ordered],
        mode="lines+markers" if joined else "markers",
        name=f"Pareto front ({len(ordered)})" if on_front else f"beaten ({len(ordered)})",
        legendgroup=str(on_front),
        showlegend=index == 1,
        line={"color": WINNER, "width": 1.5, "dash": "dot"},
        marker={
            "color": WINNER if on_front else FAINT,
            "symbol": ["circle" if one.record.feasible else "circle-open" for one in ordered],
            "size": 10 if on_front else 7,
        },
        text=[describe_trial(result, one.record) for one in ordered],
        hovertemplate="%{x:.6g}<br>%{text}<extra></extra>",
        row=1,
        col=index,
    )


def confusion(result: SweepResult) -> go.Figure:
    """Return the winner's confusion on the test part, of windows and of recordings; colours are shares of a row."""
    if result.best is None:
        return explained("No trial has a value, so there is no winner to test.")
    test = result.best.judgements["test"]
    titles = (_counted(test.confusion, "windows"), _counted(test.recording_confusion, "recordings, by vote"))
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.06)
    classes = [shown(one) for one in result.classes]
    for column, counts in enumerate((test.confusion, test.recording_confusion), start=1):
        figure.add_heatmap(
            z=_shares(counts),
            x=classes,
            y=classes,
            zmin=0,
            zmax=1,
            colorscale=[[0, "#ffffff"], [1, "#0072b2"]],
            showscale=False,
            text=counts,
            texttemplate="%{text}",
            textfont={"size": 14},
            xgap=2,
            ygap=2,
            hovertemplate="true %{y}, predicted %{x}: %{text} (%{z:.1%} of the class)<extra></extra>",
            row=1,
            col=column,
        )
    styled(figure, height=160 + max(240, 56 * len(classes)))
    figure.update_xaxes(title="predicted", type="category", showgrid=False)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title="true", col=1)
    return figure


def _counted(counts: Sequence[Sequence[int]], what: str) -> str:
    return f"{sum(map(sum, counts))} {what}"


def _shares(counts: Sequence[Sequence[int]]) -> list[list[float | None]]:
    """Return each row as shares of its sum; None in a row without any."""
    return [[one / sum(row) if sum(row) else None for one in row] for row in counts]


def recordings(result: SweepResult) -> go.Figure:
    """Return for each test recording which share of its windows the winner gave the right class, by true class."""
    tested = [] if result.best is None else result.best.judgements["test"].recordings
    if not tested:
        return explained("The run keeps no results by recording.")
    figure = go.Figure()
    placed = list(zip(tested, _places(tested, result.classes), strict=True))
    for name, colour, right in (("voted right", _RIGHT, True), ("voted wrong", _WRONG, False)):
        own = [(one, place) for one, place in placed if (one.voted == one.truth) == right]
        if own:
            figure.add_scatter(
                x=[place for _, place in own],
                y=[one.right for one, _ in own],
                mode="markers",
                name=f"{name} ({len(own)})",
                marker={"color": colour, "size": 10, "symbol": "circle" if right else "x"},
                text=[_describe(one) for one, _ in own],
                hovertemplate="%{text}<extra></extra>",
            )
    styled(figure, height=340)
    figure.update_xaxes(
        title="true class",
        tickvals=list(range(len(result.classes))),
        ticktext=[shown(one) for one in result.classes],
        range=[-0.5, len(result.classes) - 0.5],
        showgrid=False,
    )
    figure.update_yaxes(title="share of windows right", tickformat=".0%", range=[-0.05, 1.05])
    return figure


def _places(tested: Sequence[RecordingJudgement], classes: Sequence[str]) -> list[float]:
    """Return where each recording stands: those of a class side by side."""
    totals, seen = Counter(one.truth for one in tested), Counter[str]()
    places = []
    for one in tested:
        share = (seen[one.truth] + 0.5) / totals[one.truth] - 0.5
        places.append(classes.index(one.truth) + share * min(0.7, 0.06 * totals[one.truth]))
        seen[one.truth] += 1
    return places


def _describe(one: RecordingJudgement) -> str:
    return (
        f"<b>{shown(one.recording)}</b><br>true {shown(one.truth)}, voted {shown(one.voted)}<br>"
        f"{one.right:.0%} of {one.windows} windows right<br>probability {one.probability:.3f}"
    )
