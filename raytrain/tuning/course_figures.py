"""Figures of how a sweep went: what trials were worth one after the other, how they learned, what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from raytrain.config.schema import METRICS
from raytrain.tuning.asked import read_asked
from raytrain.tuning.conclusions import count_by_status
from raytrain.tuning.costs import costs_of, epochs_saved
from raytrain.tuning.figure_style import (
    FAINT,
    INK,
    STATUS_COLOURS,
    STATUS_SYMBOLS,
    WINNER,
    describe_trial,
    explained,
    is_winner,
    shown,
    styled,
    whole_ticks,
    winner_ring,
)
from raytrain.tuning.records import Status, TrialRecord
from raytrain.tuning.results import SweepResult

__all__ = ["cost", "history", "learning_curves"]


def history(result: SweepResult) -> go.Figure:
    """Return what each trial was worth, in the order of starting, and the best so far.

    A trial that breaks a constraint is hollow, and no best. Trials without a value stand on a line below. The dotted
    line is the best classical baseline on the same validation part.
    """
    if not result.trials:
        return explained("No trial was started.")
    valued, worthless = _by_value(result.trials)
    rows = 2 if worthless else 1
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.03,
        row_heights=[0.88, 0.12] if worthless else [1],
    )
    for status in count_by_status(result.trials):
        _add_values(figure, result, [one for one in valued if one.status == status], status)
        lost = [one for one in worthless if one.status == status]
        if lost:
            _add_lost(figure, result, lost, status)
    for record in valued:
        if is_winner(result, record):
            ring = winner_ring(record.number, record.value(result.metric), number=record.number)
            figure.add_scatter(**ring, row=1, col=1)
    best = list(_best_so_far(result))
    if best:
        numbers, values = zip(*best, strict=True)
        line = {"color": INK, "width": 1.5, "shape": "hv"}
        figure.add_scatter(
            x=numbers, y=values, mode="lines", line=line, name="best so far", hoverinfo="skip", row=1, col=1
        )
    _add_baseline(figure, result)
    styled(figure)
    figure.update_yaxes(title=shown(result.metric), row=1, col=1)
    figure.update_xaxes(**whole_ticks(max(one.number for one in result.trials)))
    figure.update_xaxes(title="trial", row=rows, col=1)
    if worthless:
        figure.update_yaxes(tickvals=["no value"], showgrid=False, row=2, col=1)
    return figure


def _by_value(trials: Sequence[TrialRecord]) -> tuple[list[TrialRecord], list[TrialRecord]]:
    """Return the trials with a value, and those without."""
    return [one for one in trials if one.best is not None], [one for one in trials if one.best is None]


def _add_values(figure: go.Figure, result: SweepResult, records: Sequence[TrialRecord], status: Status) -> None:
    if not records:
        return
    symbol = STATUS_SYMBOLS[status]
    figure.add_scatter(
        x=[one.number for one in records],
        y=[one.value(result.metric) for one in records],
        mode="markers",
        name=f"{status} ({len(records)})",
        marker={
            "color": STATUS_COLOURS[status],
            "symbol": [symbol if one.feasible else f"{symbol}-open" for one in records],
            "size": 9,
        },
        text=[describe_trial(result, one) for one in records],
        hovertemplate="%{text}<extra></extra>",
        row=1,
        col=1,
    )


def _add_lost(figure: go.Figure, result: SweepResult, records: Sequence[TrialRecord], status: Status) -> None:
    figure.add_scatter(
        x=[one.number for one in records],
        y=["no value"] * len(records),
        mode="markers",
        name=f"{status}, no value ({len(records)})",
        marker={"color": STATUS_COLOURS[status], "symbol": STATUS_SYMBOLS[status], "size": 9},
        text=[describe_trial(result, one) for one in records],
        hovertemplate="%{text}<extra></extra>",
        row=2,
        col=1,
    )


def _best_so_far(result: SweepResult) -> Iterator[tuple[int, float]]:
    """Yield number and best value up to there of each trial that can win."""
    better = max if METRICS[result.metric] == "max" else min
    best: float | None = None
    for record in result.trials:
        value = record.value(result.metric)
        if value is not None and record.feasible:
            best = value if best is None else better(best, value)
        if best is not None:
            yield record.number, best


def _add_baseline(figure: go.Figure, result: SweepResult) -> None:
    ran = [one for one in result.baselines if not one.skipped]
    if not ran:
        return
    better = max if METRICS[result.metric] == "max" else min
    rival = better(ran, key=lambda one: one.validation[result.metric])
    figure.add_scatter(
        x=[result.trials[0].number, result.trials[-1].number],
        y=[rival.validation[result.metric]] * 2,
        mode="lines",
        line={"color": FAINT, "dash": "dot"},
        name=f"classical: {shown(rival.name)}",
        hovertemplate=f"{shown(rival.name)} {rival.validation[result.metric]:.4f}<extra></extra>",
        row=1,
        col=1,
    )


def learning_curves(result: SweepResult) -> go.Figure:
    """Return the sweep's metric over the epochs of each trial; the colour tells how it ended, the winner is thick.

    An epoch whose metric is not finite is a gap.
    """
    begun = [one for one in result.trials if one.curve]
    if not begun:
        return explained("No trial completed an epoch.")
    figure = go.Figure()
    for status, count in count_by_status(begun).items():
        records = [one for one in begun if one.status == status and not is_winner(result, one)]
        if records:
            _add_curves(figure, result, records, name=f"{status} ({count})", colour=STATUS_COLOURS[status], width=1.3)
    for record in begun:
        if is_winner(result, record):
            _add_curves(figure, result, [record], name=f"the best, trial {record.number}", colour=WINNER, width=3)
    styled(figure)
    longest = max(len(one.curve) for one in begun)
    figure.update_xaxes(title="epoch", **whole_ticks(longest))
    figure.update_yaxes(title=shown(result.metric))
    return figure


def _add_curves(
    figure: go.Figure, result: SweepResult, records: Sequence[TrialRecord], *, name: str, colour: str, width: float
) -> None:
    """Add the curves of several trials as one trace, with a gap between two."""
    epochs: list[float | None] = []
    values: list[float | None] = []
    texts: list[str] = []
    for record in records:
        text = describe_trial(result, record)
        for row in record.curve:
            value = row.get(result.metric, math.nan)
            epochs.append(row["epoch"])
            values.append(value if math.isfinite(value) else None)
            texts.append(text)
        epochs.append(None)
        values.append(None)
        texts.append("")
    figure.add_scatter(
        x=epochs,
        y=values,
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": width},
        marker={"size": 4 if width < 2 else 7},
        text=texts,
        hovertemplate="epoch %{x}: %{y:.4f}<br>%{text}<extra></extra>",
    )


def cost(result: SweepResult) -> go.Figure:
    """Return the epochs that each trial ran, by how it ended, and those that stopping it early saved."""
    if not result.trials:
        return explained("No trial was started.")
    asked = read_asked(result.directory)
    figure = go.Figure()
    for status, count in count_by_status(result.trials).items():
        records = [one for one in result.trials if one.status == status]
        figure.add_bar(
            x=[one.number for one in records],
            y=[len(one.curve) for one in records],
            name=f"{status} ({count})",
            marker={"color": STATUS_COLOURS[status]},
            text=[f"{one.curve[-1]['seconds']:.1f} s" if one.curve else "no epoch" for one in records],
            textposition="none",
            hovertemplate="trial %{x}: %{y} epochs, %{text}<extra></extra>",
        )
    costs = costs_of(result, asked)
    if costs.epochs_saved:
        saved = [(one.number, epochs_saved(one, asked)) for one in result.trials]
        figure.add_bar(
            x=[number for number, amount in saved if amount],
            y=[amount for _, amount in saved if amount],
            name=f"saved by stopping early ({costs.epochs_saved} epochs)",
            marker={
                "color": "#ffffff",
                "line": {"color": FAINT, "width": 1},
                "pattern": {"shape": "/", "fgcolor": FAINT},
            },
            hovertemplate="trial %{x}: %{y} epochs saved<extra></extra>",
        )
    styled(figure, height=360)
    figure.update_layout(barmode="stack", bargap=0.25, legend_traceorder="normal")
    figure.update_xaxes(title="trial", **whole_ticks(max(one.number for one in result.trials)))
    figure.update_yaxes(title="epochs", rangemode="tozero")
    return figure
