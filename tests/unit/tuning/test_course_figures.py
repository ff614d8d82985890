from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from raytrain.tuning.course_figures import cost, history, learning_curves
from raytrain.tuning.results import SweepResult

METRIC = "val/macro_f1"


def traces(figure: Any) -> dict[str, Any]:  # noqa: ANN401 - plotly is untyped
    """Return a figure's traces by name."""
    return {trace.name: trace for trace in figure.data}


def points(trace: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401
    return list(zip(trace.x, trace.y, strict=True))


def test_history_shows_each_trial_once_under_its_end(sweep_result: SweepResult) -> None:
    shown = traces(history(sweep_result))
    assert points(shown["finished (1)"]) == [(1, 0.9)]
    assert points(shown["stopped (1)"]) == [(2, 0.55)]
    assert points(shown["stopped, no value (1)"]) == [(5, "no value")]
    assert points(shown["failed, no value (2)"]) == [(3, "no value"), (4, "no value")]
    assert points(shown["the best, trial 1"]) == [(1, 0.9)]
    assert shown["failed, no value (2)"].marker.symbol == "x"
    assert "CUDA out of memory" in shown["failed, no value (2)"].text[0]


def test_history_knows_the_best_so_far(sweep_result: SweepResult) -> None:
    values = [0.3, None, 0.2, 0.8, 0.5]
    for record, value in zip(sweep_result.trials, values, strict=True):
        record.best = None if value is None else {METRIC: value, "val/loss": value}
    best = traces(history(sweep_result))["best so far"]
    assert points(best) == [(1, 0.3), (2, 0.3), (3, 0.3), (4, 0.8), (5, 0.8)]
    least = traces(history(dataclasses.replace(sweep_result, metric="val/loss")))["best so far"]
    assert least.y == (0.3, 0.3, 0.2, 0.2, 0.2)


def test_what_breaks_a_constraint_is_hollow_and_no_best(sweep_result: SweepResult) -> None:
    sweep_result.trials[0].violations["model/parameters"] = 1.0
    shown = traces(history(sweep_result))
    assert shown["finished (1)"].marker.symbol == ("circle-open",)
    assert points(shown["best so far"])[0] == (2, 0.55)


def test_history_shows_the_classical_model_that_validates_best(sweep_result: SweepResult) -> None:
    assert traces(history(sweep_result))["classical: random_forest"].y == (0.95, 0.95)
    (_, skipped) = sweep_result.baselines
    names = traces(history(dataclasses.replace(sweep_result, baselines=(skipped,))))
    assert not [name for name in names if name.startswith("classical")]


@pytest.mark.parametrize("kept", [slice(0, 1), slice(2, 4), slice(4, 5)])
def test_history_of_few_or_only_failed_trials(kept: slice, sweep_result: SweepResult) -> None:
    trials = sweep_result.trials[kept]
    result = dataclasses.replace(sweep_result, trials=trials, best=None, baselines=())
    shown = traces(history(result))
    drawn = [number for name, trace in shown.items() if name != "best so far" for number in trace.x]
    assert sorted(drawn) == [record.number for record in trials]


def test_learning_curves_are_those_of_the_trials(sweep_result: SweepResult) -> None:
    shown = traces(learning_curves(sweep_result))
    assert points(shown["the best, trial 1"]) == [(1, 0.6), (2, 0.9), (3, 0.8), (None, None)]
    assert points(shown["stopped (1)"]) == [(1, 0.55), (None, None)]
    assert points(shown["failed (1)"]) == [(1, None), (None, None)]  # NaN is a gap
    assert shown["the best, trial 1"].line.width > shown["stopped (1)"].line.width
    assert "finished (1)" not in shown


def test_curves_of_one_end_do_not_run_into_each_other(sweep_result: SweepResult) -> None:
    trials = (sweep_result.trials[0], dataclasses.replace(sweep_result.trials[0], number=2))
    (trace,) = learning_curves(dataclasses.replace(sweep_result, trials=trials, best=None)).data
    assert trace.x == (1, 2, 3, None, 1, 2, 3, None)
    assert trace.name == "finished (2)"


def test_cost_stacks_what_was_run_and_what_was_saved(planned_result: SweepResult) -> None:
    planned_result.trials[1].reason = "by the scheduler"
    figure = cost(planned_result)
    shown = traces(figure)
    assert figure.layout.barmode == "stack"
    assert points(shown["finished (1)"]) == [(1, 3)]
    assert points(shown["stopped (2)"]) == [(2, 1), (5, 0)]
    assert points(shown["failed (2)"]) == [(3, 0), (4, 1)]
    assert points(shown["saved by stopping early (8 epochs)"]) == [(2, 8)]
    assert shown["finished (1)"].text == ("4.5 s",)


def test_cost_without_a_plan_shows_no_savings(sweep_result: SweepResult) -> None:
    for record in sweep_result.trials:
        record.point.pop("epochs")
        record.reason = "by the scheduler"
    assert not [name for name in traces(cost(sweep_result)) if name.startswith("saved")]


@pytest.mark.parametrize("draw", [history, learning_curves, cost])
def test_without_trials_a_figure_says_so(draw: Any, sweep_result: SweepResult) -> None:  # noqa: ANN401
    figure = draw(dataclasses.replace(sweep_result, trials=(), best=None))
    assert len(figure.data) == 0
    assert figure.layout.annotations[0].text.startswith("No trial")


def test_numbers_that_are_not_finite_never_reach_a_figure(sweep_result: SweepResult) -> None:
    sweep_result.trials[0].curve[1][METRIC] = math.inf
    shown = traces(learning_curves(sweep_result))
    assert shown["the best, trial 1"].y == (0.6, None, 0.8, None)
