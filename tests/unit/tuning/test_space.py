from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.config.load import validate
from raytrain.config.schema import TrainConfig
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.space import (
    Point,
    active_parameters,
    check_space,
    check_teachers,
    count_points,
    describe_point,
    extremes,
    finite_values,
    grid_points,
    is_active,
    ordered,
    train_config,
)

Settings = dict[str, Any]


def choice(*values: object, **when: object) -> Settings:
    return {"type": "choice", "values": list(values), "when": when}


def uniform(low: float, high: float) -> Settings:
    return {"type": "uniform", "low": low, "high": high}


def whole(low: int, high: int, *, when: Settings | None = None, step: int = 1) -> Settings:
    return {"type": "int", "low": low, "high": high, "step": step, "when": when or {}}


def make_space(
    parameters: Settings, *, fixed: Settings | None = None, algorithm: str = "random", trials: int = 16
) -> SpaceConfig:
    settings = {
        "name": "trying",
        "fixed": fixed or {},
        "parameters": parameters,
        "search": {"algorithm": algorithm, "trials": trials},
    }
    return validate(SpaceConfig, settings, where="search space")


def report(space: SpaceConfig) -> list[str]:
    """Return the lines of the report that check_space makes of a space, its heading first."""
    with pytest.raises(ConfigError) as caught:
        check_space(space)
    return [line.strip() for line in str(caught.value).splitlines()]


MODEL = choice("cnn1d", "wdcnn")

BROKEN: dict[str, tuple[Settings, str]] = {
    "unknown field": (
        {"optimizr.lr": uniform(0.1, 0.2)},
        "parameters.optimizr.lr: 'optimizr' is no setting of a run; did you mean 'optimizer'?",
    ),
    "data": (
        {"data.source": choice("rolling", "journal")},
        "parameters.data.source: 'data' must be the same for all trials; set it under fixed",
    ),
    "metric": (
        {"metric": choice("val/loss", "val/macro_f1")},
        "parameters.metric: 'metric' must be the same for all trials; set it under fixed",
    ),
    "a whole part": (
        {"model": choice("cnn1d")},
        "parameters.model: vary model.name or one of its settings, e.g. model.name",
    ),
    "continuous windows": (
        {"windows.length": uniform(512, 2048)},
        "parameters.windows.length: windows are made once and shared, so give a choice, grid or int",
    ),
    "condition on nothing": (
        {"model.name": MODEL, "model.depth": whole(2, 3, when={"model.nam": "cnn1d"})},
        "parameters.model.depth.when: 'model.nam' names no parameter; did you mean 'model.name'?",
    ),
    "condition on a continuous parameter": (
        {"optimizer.lr": uniform(0.1, 0.2), "batch_size": whole(8, 9, when={"optimizer.lr": 0.1})},
        "parameters.batch_size.when: 'optimizer.lr' is continuous; a condition needs a choice, grid or int",
    ),
    "condition never true": (
        {"model.name": MODEL, "model.depth": whole(2, 3, when={"model.name": ["cnn1d", "resnet"]})},
        "parameters.model.depth.when: 'model.name' is never 'resnet'; it is one of ['cnn1d', 'wdcnn']",
    ),
    "condition outside the steps": (
        {"epochs": whole(2, 8, step=3), "batch_size": whole(8, 9, when={"epochs": 3})},
        "parameters.batch_size.when: 'epochs' is never 3; it is one of [2, 5, 8]",
    ),
    "conditions that exclude each other": (
        {
            "model.name": MODEL,
            "model.depth": whole(2, 3, when={"model.name": "cnn1d"}),
            "model.hidden": whole(8, 9, when={"model.depth": 2, "model.name": "wdcnn"}),
        },
        "parameters.model.hidden: never exists, as the conditions on 'model.name' it depends on exclude each other",
    ),
    "unknown setting at every point": (
        {"windows.lenght": choice(512, 1024)},
        "windows.lenght: unknown field; did you mean 'length'? (at lenght=512)",
    ),
    "impossible value": (
        {"epochs": whole(0, 3)},
        "epochs: Input should be greater than or equal to 1 (got 0) (at epochs=0)",
    ),
    "whole ends of a range that is not": (
        {"batch_size": uniform(16, 64)},
        "batch_size: Input should be a valid integer, got a number with a fractional part (got 33.65",
    ),
    "setting of another model": (
        {"model.name": MODEL, "model.depth": whole(2, 3)},
        "model.depth: 'wdcnn' has no such setting; did you mean 'width'? (at model=wdcnn, depth=2)",
    ),
    "condition leads to another model": (
        {"model.name": MODEL, "model.hidden": choice(8, **{"model.name": ["cnn1d", "wdcnn"]})},
        "model.hidden: 'cnn1d' has no such setting; ",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_rule_is_told_once(name: str) -> None:
    parameters, message = BROKEN[name]
    lines = report(make_space(parameters))
    assert lines[0] == "search space 'trying': 1 problem"
    assert len(lines) == 2
    assert lines[1].startswith(message)


def test_all_problems_of_names_and_conditions_are_in_one_report() -> None:
    names = ["unknown field", "data", "continuous windows", "condition never true"]
    parameters = {key: value for name in names for key, value in BROKEN[name][0].items()}
    lines = report(make_space(parameters))
    assert lines[0] == "search space 'trying': 4 problems"
    assert sorted(lines[1:]) == sorted(BROKEN[name][1] for name in names)


def test_a_value_of_the_wrong_type_is_named() -> None:
    lines = report(make_space({"batch_size": choice(32, "many")}))
    assert len(lines) == 2
    assert lines[1].startswith("batch_size: Input should be a valid integer")
    assert lines[1].endswith("(got 'many') (at batch_size=many)")


def test_several_problems_at_many_points_are_each_told_once() -> None:
    parameters = {
        "epochs": choice(3, 0),
        "batch_size": choice(16, 0, 32, 64),
        "windows.input": choice("raw", "envelop"),
        "optimizer.lr": uniform(0.1, 0.2),
    }
    lines = report(make_space(parameters, fixed={"loss": {"smoth": 0.1}}))
    fields = [line.split(":")[0] for line in lines[1:]]
    assert sorted(fields) == ["batch_size", "epochs", "loss.smoth", "windows.input"]
    (fixed,) = [line for line in lines if line.startswith("loss.smoth")]
    assert fixed == "loss.smoth: 'cross_entropy' has no such setting; did you mean 'smoothing'?"


def test_extremes_of_a_deeply_conditional_parameter_are_checked() -> None:
    """The condition holds for a middle value of its grandparent, not for one of its ends."""
    parameters = {
        "epochs": whole(1, 3),
        "model.name": choice("wdcnn", epochs=2),
        "model.hidden": choice("wide", **{"model.name": "wdcnn"}),
    }
    (_, line) = report(make_space(parameters))
    assert line.startswith("model.hidden: Input should be a valid integer")
    assert line.endswith("(at model=wdcnn, hidden=wide)")


def test_conditions_in_a_circle() -> None:
    parameters = {
        "model.depth": whole(2, 3, when={"model.width": 8}),
        "model.width": whole(8, 9, when={"model.depth": 2}),
        "epochs": whole(1, 2),
    }
    space = make_space(parameters)
    message = r"parameters: the conditions \(when\) of model\.depth, model\.width form a circle"
    with pytest.raises(ConfigError, match=message):
        check_space(space)
    with pytest.raises(ConfigError, match=message):
        ordered(space)


def test_grid_over_a_continuous_parameter() -> None:
    parameters = {"optimizer.lr": uniform(0.1, 0.2), "epochs": whole(1, 2)}
    message = (
        r"search\.algorithm: grid cannot enumerate optimizer\.lr; give them type: grid with values, "
        r"or search with random, tpe or hyperopt"
    )
    with pytest.raises(ConfigError, match=message):
        check_space(make_space(parameters, algorithm="grid"))
    check_space(make_space(parameters))


def test_a_space_that_breaks_no_rule_passes() -> None:
    parameters = {
        "model.depth": whole(2, 3, when={"model.name": "cnn1d"}),
        "model.name": MODEL,
        "windows.length": choice(1024, 2048),
        "early_stopping": choice(None),
    }
    check_space(make_space(parameters, algorithm="grid"))


def test_ordered_puts_parents_first_and_keeps_the_rest() -> None:
    parameters = {
        "model.depth": whole(2, 3, when={"model.name": "cnn1d", "epochs": 1}),
        "epochs": whole(1, 2),
        "model.name": choice("cnn1d", epochs=1),
        "batch_size": whole(8, 9),
    }
    assert ordered(make_space(parameters)) == ["epochs", "batch_size", "model.name", "model.depth"]


def test_is_active_needs_every_condition() -> None:
    parameters = {
        "model.name": MODEL,
        "epochs": whole(1, 3),
        "model.depth": whole(2, 3, when={"model.name": "cnn1d", "epochs": [1, 3]}),
    }
    depth = make_space(parameters).parameters["model.depth"]
    assert is_active(depth, {"model.name": "cnn1d", "epochs": 3})
    assert not is_active(depth, {"model.name": "cnn1d", "epochs": 2})
    assert not is_active(depth, {"model.name": "wdcnn", "epochs": 3})
    assert not is_active(depth, {"epochs": 3})


def test_active_parameters_asks_only_for_what_exists() -> None:
    space = make_space({"model.depth": whole(2, 3, when={"model.name": "cnn1d"}), "model.name": MODEL})
    asked: list[str] = []

    def choose(name: str, _: object) -> object:
        asked.append(name)
        return {"model.name": "wdcnn"}[name]

    assert active_parameters(space, choose) == {"model.name": "wdcnn"}
    assert asked == ["model.name"]


def test_finite_values_and_extremes() -> None:
    space = make_space({"epochs": whole(2, 8, step=3), "seed": choice(5, 3, 4), "optimizer.lr": uniform(0.5, 2)})
    values = {name: finite_values(one) for name, one in space.parameters.items()}
    assert values == {"epochs": [2, 5, 8], "seed": [5, 3, 4], "optimizer.lr": None}
    ends = {name: extremes(one) for name, one in space.parameters.items()}
    assert ends == {"epochs": [2, 8], "seed": [5, 3, 4], "optimizer.lr": [0.5, 2.0]}


def test_train_config_puts_a_point_over_the_fixed_settings() -> None:
    fixed = {"epochs": 7, "model": {"name": "cnn1d", "width": 8}, "optimizer": {"lr": 0.5}}
    space = make_space({"optimizer.lr": uniform(0, 1)}, fixed=fixed)
    config = train_config(space, {"optimizer.lr": 0.25, "model.depth": 2, "windows.length": 512})
    assert config == TrainConfig.model_validate(
        {
            "epochs": 7,
            "model": {"name": "cnn1d", "width": 8, "depth": 2},
            "optimizer": {"name": "adamw", "lr": 0.25},
            "windows": {"length": 512},
        }
    )
    assert space.fixed.optimizer.settings == {"lr": 0.5}


def test_train_config_refuses_a_point_that_breaks_a_rule() -> None:
    space = make_space({"epochs": whole(1, 2)})
    with pytest.raises(ConfigError, match=r"a point of the space: 1 problem\n  epochs: .* \(got -1\)"):
        train_config(space, {"epochs": -1})


def test_describe_point_is_short() -> None:
    point = {"model.name": "wdcnn", "optimizer.lr": 0.000123456, "epochs": 3, "windows.envelope_band_hz": [1, 2]}
    assert describe_point(point) == "model=wdcnn, lr=0.000123, epochs=3, envelope_band_hz=[1, 2]"


def test_grid_of_a_conditional_space() -> None:
    parameters = {
        "model.name": MODEL,
        "model.depth": whole(2, 3, when={"model.name": "cnn1d"}),
        "windows.length": choice(512, 1024),
    }
    points = list(grid_points(make_space(parameters)))
    assert len(points) == (2 + 1) * 2
    assert {"model.name": "wdcnn", "windows.length": 512} in points
    assert all(("model.depth" in point) == (point["model.name"] == "cnn1d") for point in points)


@pytest.mark.parametrize(("at_most", "count"), [(5, None), (6, 6), (100, 6)])
def test_count_points(at_most: int, count: int | None) -> None:
    space = make_space({"epochs": whole(1, 3), "seed": choice(0, 1)})
    assert count_points(space, at_most=at_most) == count
    assert count_points(make_space({"optimizer.lr": uniform(0, 1)}), at_most=at_most) is None


NAMES = ["model.a", "model.b", "model.c", "model.d"]


@st.composite
def small_spaces(draw: st.DrawFn) -> SpaceConfig:
    """Draw a finite space in which a parameter may depend on one or two of those before it, given in any order."""
    parameters: Settings = {}
    for index, name in enumerate(NAMES[: draw(st.integers(1, 4))]):
        parents = draw(st.lists(st.sampled_from(NAMES[:index]), unique=True, max_size=2)) if index else []
        when = {parent: draw(st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)) for parent in parents}
        if draw(st.booleans()):
            values = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True))
            parameters[name] = {"type": "grid", "values": values, "when": when}
        else:
            low = draw(st.integers(0, 2))
            parameters[name] = whole(low, low + draw(st.integers(0, 2)), when=when)
    shuffled = draw(st.permutations(list(parameters)))
    return make_space({name: parameters[name] for name in shuffled})


def by_brute_force(space: SpaceConfig) -> set[str]:
    """Return every point as text: of all combinations of all values, what is left without inactive parameters."""
    names = sorted(space.parameters)  # here parents come first in the alphabet
    values = [finite_values(space.parameters[name]) or [] for name in names]
    found = set()
    for combination in itertools.product(*values):
        point: Point = {}
        for name, value in zip(names, combination, strict=True):
            conditions = space.parameters[name].when.items()
            if all(isinstance(wanted, list) and point.get(parent) in wanted for parent, wanted in conditions):
                point[name] = value
        found.add(json.dumps(point, sort_keys=True))
    return found


@given(space=small_spaces())
def test_grid_holds_every_point_exactly_once(space: SpaceConfig) -> None:
    points = [json.dumps(point, sort_keys=True) for point in grid_points(space)]
    assert len(points) == len(set(points))
    assert set(points) == by_brute_force(space)
    assert count_points(space, at_most=1000) == len(points)


def test_a_teacher_that_is_not_there_is_told_before_anything_is_prepared() -> None:
    space = SpaceConfig.model_validate(
        {
            "name": "taught",
            "parameters": {
                "paradigm.name": {"type": "choice", "values": ["standard", "distillation"]},
                "paradigm.teacher": {
                    "type": "choice",
                    "values": ["nowhere"],
                    "when": {"paradigm.name": "distillation"},
                },
            },
        }
    )
    check_space(space)
    with pytest.raises(ConfigError, match=r"distillation\.teacher: nowhere has no best\.pt"):
        check_teachers(space)


@pytest.mark.parametrize(
    ("algorithm", "parameters", "objectives", "problem"),
    [
        (
            "cmaes",
            {"model.name": choice("cnn1d", "wdcnn"), "epochs": whole(3, 3)},
            [],
            (
                "search.algorithm: cmaes moves in numbers, and no parameter is a range of them (uniform, loguniform, "
                "int); search with tpe, gp, random or grid"
            ),
        ),
        *(
            (
                algorithm,
                {"epochs": whole(1, 3)},
                ["model/parameters"],
                (
                    f"search.algorithm: {algorithm} optimises one number, so it cannot search for val/macro_f1 and "
                    "model/parameters together (search.objectives); search with nsga2, tpe or gp"
                ),
            )
            for algorithm in ("cmaes", "hyperopt")
        ),
    ],
)
def test_an_algorithm_that_cannot_search_the_space_is_refused(
    algorithm: str, parameters: Settings, objectives: list[str], problem: str
) -> None:
    search = {"algorithm": algorithm, "objectives": objectives}
    settings = {"name": "trying", "parameters": parameters, "search": search, "scheduler": {"name": "none"}}
    space = validate(SpaceConfig, settings, where="search space")
    assert report(space)[1:] == [problem]
    check_space(space.model_copy(update={"search": space.search.model_copy(update={"algorithm": "tpe"})}))
