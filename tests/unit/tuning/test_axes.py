from __future__ import annotations

from typing import Any

import pytest

from raytrain.tuning.asked import Asked, read_asked
from raytrain.tuning.axes import Axis, parameter_axes
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult


def trials(name: str, *values: Any) -> list[TrialRecord]:  # noqa: ANN401
    return [TrialRecord(str(index), index, {name: value}) for index, value in enumerate(values, start=1)]


def test_the_space_says_what_a_parameter_is(planned_result: SweepResult) -> None:
    rate, model, depth, length, epochs = parameter_axes(planned_result.trials, read_asked(planned_result.directory))
    assert rate == Axis("optimizer.lr", low=0.0012345, high=0.5, log=True)
    assert model == Axis("model.name", categories=("cnn1d", "wdcnn"))
    assert depth == Axis("model.depth", low=4, high=4, whole=True)
    assert length == Axis("windows.length", categories=("2048",))
    assert epochs == Axis("epochs", low=9, high=9, whole=True)


@pytest.mark.parametrize(
    ("values", "axis"),
    [
        ((1, 3), Axis("x", low=1, high=3, whole=True)),
        ((0.5, 3), Axis("x", low=0.5, high=3)),
        ((0.001, 0.1), Axis("x", low=0.001, high=0.1, log=True)),
        ((-1.0, 100.0), Axis("x", low=-1, high=100)),
        ((True, False), Axis("x", categories=("false", "true"))),
        ((None, "a"), Axis("x", categories=("a", "null"))),
        (([1, 2], [0]), Axis("x", categories=("[0]", "[1, 2]"))),
        ((1, "auto"), Axis("x", categories=("1", "auto"))),
    ],
)
def test_without_a_space_the_values_say_it(values: tuple[Any, ...], axis: Axis) -> None:
    assert parameter_axes(trials("x", *values), Asked()) == [axis]


def test_numbers_to_choose_from_are_in_their_order() -> None:
    asked = Asked(parameters={"x": {"type": "choice", "values": [64, 8, 256]}})
    (axis,) = parameter_axes(trials("x", 64, 8, 256, 8), asked)
    assert axis.categories == ("8", "64", "256")
    assert [axis.position(value) for value in (8, 64, 256)] == [0, 0.5, 1]


def test_a_parameter_that_no_trial_has_is_no_axis(planned_result: SweepResult) -> None:
    axes = parameter_axes(planned_result.trials[:1], read_asked(planned_result.directory))
    assert "model.depth" not in [axis.name for axis in axes]


def test_positions_go_from_end_to_end() -> None:
    linear, log = Axis("x", low=-1, high=3), Axis("x", low=0.001, high=10, log=True)
    assert [linear.position(value) for value in (-1, 1, 3)] == [0, 0.5, 1]
    assert [log.position(value) for value in (0.001, 0.1, 10)] == pytest.approx([0, 0.5, 1])
    assert Axis("x", low=2, high=2).position(2) == Axis("x", categories=("a",)).position("a") == 0.5


def test_ticks_are_values_where_they_stand() -> None:
    assert Axis("x", low=0.01, high=1, log=True).ticks() == [(0, "0.01"), (0.5, "0.1"), (1, "1")]
    assert Axis("x", low=2, high=5, whole=True).ticks() == [(0, "2"), (pytest.approx(2 / 3), "4"), (1, "5")]
    assert Axis("x", low=2, high=3, whole=True).ticks() == [(0, "2"), (1, "3")]
    assert Axis("x", low=7, high=7).ticks() == [(0.5, "7")]
    assert Axis("x", categories=("a", "b")).ticks() == [(0, "a"), (1, "b")]
