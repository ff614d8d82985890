from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from raytrain.tuning.asked import Asked
from raytrain.tuning.figure_style import WINNER
from raytrain.tuning.importances import parameter_importances
from raytrain.tuning.parameter_figures import importances, slices
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult

METRIC = "val/macro_f1"


def many(count: int) -> tuple[TrialRecord, ...]:
    """Return trials whose value is their parameter `<x>`, whatever `y` is."""
    drawn = np.random.default_rng(0).uniform(size=(count, 2))
    return tuple(
        TrialRecord(str(i), i + 1, {"<x>": float(x), "y": float(y)}, status="finished", best={METRIC: float(x)})
        for i, (x, y) in enumerate(drawn)
    )


def test_importances_are_those_that_were_measured(sweep_result: SweepResult) -> None:
    result = dataclasses.replace(sweep_result, trials=many(40))
    found = parameter_importances(result, Asked())
    bars, chance = importances(result).data
    names = {"&lt;x&gt;": "<x>", "y": "y"}
    assert {names[shown]: share for shown, share in zip(bars.y, bars.x, strict=True)} == found.shares
    assert {names[shown]: share for shown, share in zip(chance.y, chance.x, strict=True)} == found.chance
    assert bars.y[-1] == "&lt;x&gt;"  # the most important on top
    colours = dict(zip(bars.y, bars.marker.color, strict=True))
    assert colours["&lt;x&gt;"] == WINNER != colours["y"]


def test_too_few_trials_are_said_to_be_too_few(sweep_result: SweepResult) -> None:
    figure = importances(sweep_result)
    assert len(figure.data) == 0
    assert "too few trials: 2 have a value" in figure.layout.annotations[0].text


def test_slices_have_the_trials_that_have_the_parameter(planned_result: SweepResult) -> None:
    figure = slices(planned_result)
    titles = [figure.layout[f"xaxis{number or ''}"].title.text for number in ("", 2, 3, 4, 5)]
    assert titles == ["optimizer.lr", "model.name", "model.depth", "windows.length", "epochs"]
    assert drawn(figure, "x") == {"finished": [(0.0012345, 0.9)], "stopped": [(0.5, 0.55)]}
    assert drawn(figure, "x2") == {"finished": [("wdcnn", 0.9)], "stopped": [("cnn1d", 0.55)]}
    assert drawn(figure, "x3") == {"stopped": [(4, 0.55)]}
    assert (figure.layout.xaxis.type, figure.layout.xaxis2.type) == ("log", "category")


def test_one_legend_for_all_slices(planned_result: SweepResult) -> None:
    shown = [trace.name for trace in slices(planned_result).data if trace.showlegend]
    assert shown == ["finished", "stopped", "the best, trial 1"]


def test_without_a_value_there_are_no_slices(sweep_result: SweepResult) -> None:
    figure = slices(dataclasses.replace(sweep_result, trials=sweep_result.trials[2:4], best=None))
    assert figure.layout.annotations[0].text == "No trial has a value."


def drawn(figure: Any, axis: str) -> dict[str, list[tuple[Any, Any]]]:  # noqa: ANN401 - plotly is untyped
    """Return the points over one axis by status."""
    return {
        trace.name: list(zip(trace.x, trace.y, strict=True))
        for trace in figure.data
        if (trace.xaxis or "x") == axis and not trace.name.startswith("the best")
    }
