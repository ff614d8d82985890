from __future__ import annotations

import dataclasses
from typing import Any

from raytrain.tuning.results import SweepResult
from raytrain.tuning.verdict_figures import confusion, pareto_front, recordings


def points(trace: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - plotly is untyped
    return list(zip(trace.x, trace.y, strict=True))


def test_the_front_is_told_from_what_it_beats(planned_result: SweepResult) -> None:
    third = planned_result.trials[2]
    third.best, third.objectives = {"val/macro_f1": 0.5}, {"model/parameters": 6000.0}
    beaten, front = pareto_front(planned_result).data
    assert (beaten.name, points(beaten)) == ("beaten (1)", [(6000, 0.5)])
    assert (front.name, points(front)) == ("Pareto front (2)", [(2000, 0.55), (5000, 0.9)])
    assert front.mode == "lines+markers"


def test_what_breaks_a_constraint_is_hollow(planned_result: SweepResult) -> None:
    planned_result.trials[0].violations["model/parameters"] = 1.0
    beaten, front = pareto_front(planned_result).data
    assert (points(beaten), beaten.marker.symbol) == ([(5000, 0.9)], ("circle-open",))
    assert points(front) == [(2000, 0.55)]


def test_a_sweep_without_objectives_has_no_front(sweep_result: SweepResult) -> None:
    figure = pareto_front(sweep_result)
    assert len(figure.data) == 0
    assert "no objective beside val/macro_f1" in figure.layout.annotations[0].text


def test_objectives_that_were_never_measured_are_no_front(planned_result: SweepResult) -> None:
    figure = pareto_front(dataclasses.replace(planned_result, trials=planned_result.trials[2:]))
    assert figure.layout.annotations[0].text == "No trial has a value of every objective."


def test_confusion_counts_windows_and_recordings(sweep_result: SweepResult) -> None:
    figure = confusion(sweep_result)
    windows, votes = figure.data
    assert sweep_result.best is not None
    test = sweep_result.best.judgements["test"]
    assert [list(row) for row in windows.text] == test.confusion
    assert [list(row) for row in votes.text] == test.recording_confusion
    assert [list(row) for row in windows.z] == [
        [0.75, 0.25, 0, 0],
        [0, 1, 0, 0],
        [None, None, None, None],  # a class without windows
        [0.25, 0.25, 0, 0.5],
    ]
    assert windows.x == windows.y == sweep_result.classes
    assert [one.text for one in figure.layout.annotations] == ["120 windows", "6 recordings, by vote"]


def test_classes_are_shown_as_they_are(sweep_result: SweepResult) -> None:
    figure = confusion(dataclasses.replace(sweep_result, classes=("<b>", "a&b", "c", "d")))
    assert figure.data[0].x[:2] == ("&lt;b&gt;", "a&amp;b")


def test_without_a_winner_nothing_is_tested(sweep_result: SweepResult) -> None:
    nothing = dataclasses.replace(sweep_result, best=None)
    assert "no winner to test" in confusion(nothing).layout.annotations[0].text
    assert "no results by recording" in recordings(nothing).layout.annotations[0].text


def test_each_test_recording_stands_at_its_class_and_share(sweep_result: SweepResult) -> None:
    figure = recordings(sweep_result)
    right, wrong = figure.data
    assert (right.name, wrong.name) == ("voted right (5)", "voted wrong (1)")
    assert [(round(x), y) for x, y in points(right)] == [(0, 0.75), (0, 0.75), (1, 1.0), (1, 1.0), (3, 0.75)]
    assert [(round(x), y) for x, y in points(wrong)] == [(3, 0.25)]
    assert len(set(right.x)) == 5  # side by side
    assert "<b>o1</b><br>true outer, voted ball<br>25% of 20 windows right" in wrong.text[0]
    assert figure.layout.xaxis.ticktext == sweep_result.classes


def test_a_recording_that_several_models_judged_stands_there_as_often(sweep_result: SweepResult) -> None:
    assert sweep_result.best is not None
    told = sweep_result.best.judgements["test"].recordings
    told[:] = [told[0], told[0]]
    (right,) = recordings(sweep_result).data
    assert right.name == "voted right (2)"
    assert len(set(right.x)) == 2
