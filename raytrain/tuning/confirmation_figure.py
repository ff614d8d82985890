"""A figure of the best configurations trained again with other seeds."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from raytrain.tuning.confirmation import Candidate, on_test_part
from raytrain.tuning.figure_style import FAINT, STATUS_COLOURS, WINNER, explained, shown, styled
from raytrain.tuning.results import SweepResult

__all__ = ["confirmation"]


def confirmation(result: SweepResult) -> go.Figure:
    """Return each candidate's runs with other seeds, their mean and its interval, on validation and on the test part.

    The stroke is the score that the sweep knew a candidate by.
    """
    found = result.confirmation
    if found is None:
        return explained("The sweep was not asked to confirm its best configurations with other seeds.")
    metrics = (found.metric, on_test_part(found.metric))
    figure = make_subplots(rows=1, cols=2, subplot_titles=metrics, shared_yaxes=True, horizontal_spacing=0.04)
    for column, metric in enumerate(metrics, start=1):
        for one in found.candidates:
            _add_candidate(figure, one, metric, column, chosen=one.trial != 0 and one.trial == found.best)
    figure.add_scatter(
        x=[one.tuned for one in found.candidates],
        y=[shown(one.name) for one in found.candidates],
        mode="markers",
        name="in the sweep",
        marker={"symbol": "line-ns", "size": 18, "line": {"width": 2, "color": FAINT}},
        hovertemplate="the sweep's score %{x:.4f}<extra></extra>",
        row=1,
        col=1,
    )
    styled(figure, height=150 + 46 * len(found.candidates))
    figure.update_yaxes(type="category", autorange="reversed")
    figure.update_layout(showlegend=False)
    return figure


def _add_candidate(figure: go.Figure, one: Candidate, metric: str, column: int, *, chosen: bool) -> None:
    part, name = metric.split("/", maxsplit=1)[0], shown(one.name)
    interval = one.validation if part == "val" else one.test
    scores = [run.validation if part == "val" else run.test for run in one.runs]
    done = [(run.seed, score[metric]) for run, score in zip(one.runs, scores, strict=True) if metric in score]
    colour = WINNER if chosen else (STATUS_COLOURS["finished"] if one.trial else FAINT)
    figure.add_scatter(
        x=[value for _, value in done],
        y=[name] * len(done),
        mode="markers",
        name=f"{name}, runs",
        marker={"color": colour, "size": 6, "opacity": 0.4},
        text=[f"seed {seed}" for seed, _ in done],
        hovertemplate="%{text}: %{x:.4f}<extra></extra>",
        row=1,
        col=column,
    )
    figure.add_scatter(
        x=[interval.mean],
        y=[name],
        mode="markers",
        name=f"{name}, mean",
        marker={"color": colour, "size": 10, "symbol": "diamond"},
        error_x={
            "array": [interval.high - interval.mean],
            "arrayminus": [interval.mean - interval.low],
            "symmetric": False,
            "thickness": 2,
        },
        hovertemplate="mean %{x:.4f}<extra></extra>",
        row=1,
        col=column,
    )
