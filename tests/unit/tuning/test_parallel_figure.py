from __future__ import annotations

import dataclasses

import pytest

from raytrain.tuning.parallel_figure import parallel_coordinates
from raytrain.tuning.results import SweepResult

METRIC = "val/macro_f1"


def test_each_trial_with_a_value_is_a_line_through_its_parameters(planned_result: SweepResult) -> None:
    best, other = parallel_coordinates(planned_result).data[::-1]
    assert best.x == other.x == (0, 1, 2, 3, 4, 5, None)
    # rate, model, depth (which the winner lacks), length, epochs, and the value
    assert best.y == (pytest.approx(0), 1, -0.14, 0.5, 0.5, 1, None)
    assert other.y == (pytest.approx(1), 0, 0.5, 0.5, 0.5, 0, None)


def test_axes_are_named_and_have_their_values(planned_result: SweepResult) -> None:
    texts = [one.text for one in parallel_coordinates(planned_result).layout.annotations]
    for text in ("<b>lr</b>", "<b>model</b>", "<b>depth</b>", f"<b>{METRIC}</b>", "wdcnn", "cnn1d", "0.9", "0.55"):
        assert text in texts


def test_names_are_shown_as_they_are(sweep_result: SweepResult) -> None:
    for record in sweep_result.trials:
        record.point["model.<b>"] = "<script>"
    texts = [one.text for one in parallel_coordinates(sweep_result).layout.annotations]
    assert "<b>&lt;b&gt;</b>" in texts
    assert "&lt;script&gt;" in texts


@pytest.mark.parametrize(("metric", "darkest"), [(METRIC, 0.9), ("val/loss", 0.1)])
def test_the_better_is_the_darker(metric: str, darkest: float, sweep_result: SweepResult) -> None:
    figure = parallel_coordinates(dataclasses.replace(sweep_result, metric=metric))
    brightness = {trace.text[0]: sum(map(int, trace.line.color[4:-1].split(","))) for trace in figure.data}
    (dark, bright) = sorted(brightness, key=lambda text: brightness[text])
    assert f"{metric} {darkest:.4f}" in dark
    assert "trial 1" not in bright


def test_one_trial_is_a_line_too(sweep_result: SweepResult) -> None:
    (line,) = parallel_coordinates(dataclasses.replace(sweep_result, trials=sweep_result.trials[:1])).data
    assert set(line.y) == {0.5, None}


def test_without_a_value_it_says_so(sweep_result: SweepResult) -> None:
    figure = parallel_coordinates(dataclasses.replace(sweep_result, trials=sweep_result.trials[2:], best=None))
    assert figure.layout.annotations[0].text == "No trial has a value."
