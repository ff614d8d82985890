"""Search spaces: their rules, which parameters exist when, and what a point makes of the fixed settings."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from raytrain.config.load import apply_overrides, validate
from raytrain.config.parts import check_parts
from raytrain.config.schema import Part, TrainConfig
from raytrain.config.space import Distribution, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.config.teacher import find_teacher
from raytrain.errors import ConfigError, nearest
from raytrain.tuning.distributions import extremes, finite_values

__all__ = [
    "Point",
    "active_parameters",
    "check_space",
    "check_teachers",
    "count_points",
    "describe_point",
    "extremes",
    "finite_values",
    "grid_points",
    "is_active",
    "ordered",
    "parent_values",
    "point_key",
    "train_config",
]

Point: TypeAlias = dict[str, Any]
"""Dotted parameter -> value, for the parameters that exist in it."""

_SHARED_BY_ALL_TRIALS = ("data", "metric", "mode", "threads", "device")
_OF_ONE_OBJECTIVE = ("cmaes", "hyperopt")
_A_POINT = "a point of the space"


def train_config(space: SpaceConfig, point: Mapping[str, Any]) -> TrainConfig:
    """Return the run that `point` stands for.

    Raises:
        ConfigError: The settings and the point together break a rule.
    """
    settings = apply_overrides(space.fixed.given, point)
    return validate(TrainConfig, settings, where=_A_POINT)


def describe_point(point: Mapping[str, Any]) -> str:
    """Return a point in one short line.

    >>> describe_point({"optimizer.lr": 0.00123456, "windows.length": 2048, "model.name": "wdcnn"})
    'lr=0.00123, length=2048, model=wdcnn'
    """
    return ", ".join(
        f"{name.removesuffix('.name').split('.', 1)[-1]}={f'{value:.3g}' if isinstance(value, float) else value}"
        for name, value in point.items()
    )


def point_key(point: Mapping[str, Any]) -> str:
    """Return text that is the same for the same point, whatever the order of its parameters.

    >>> point_key({"b": [1, None], "a": True})
    '{"a": true, "b": [1, null]}'
    """
    return json.dumps(point, sort_keys=True)


def is_active(distribution: Distribution, point: Mapping[str, Any]) -> bool:
    """Return whether the parameter exists, given the values of the parameters before it."""
    return all(name in point and point[name] in _accepted(wanted) for name, wanted in distribution.when.items())


def ordered(space: SpaceConfig) -> list[str]:
    """Return the parameters so that each comes after those its condition names.

    Raises:
        ConfigError: Conditions go round in a circle.
    """
    remaining = dict(space.parameters)
    order: list[str] = []
    while remaining:
        ready = [name for name, distribution in remaining.items() if not set(distribution.when) & set(remaining)]
        if not ready:
            raise ConfigError(f"parameters: the conditions (when) of {', '.join(sorted(remaining))} form a circle")
        order += ready
        for name in ready:
            del remaining[name]
    return order


def active_parameters(space: SpaceConfig, choose: Callable[[str, Distribution], Any]) -> Point:
    """Build a point by choosing a value for each parameter that exists, parents first."""
    point: Point = {}
    for name in ordered(space):
        if is_active(space.parameters[name], point):
            point[name] = choose(name, space.parameters[name])
    return point


def grid_points(space: SpaceConfig) -> Iterator[Point]:
    """Enumerate every point of a finite space exactly once; inactive parameters do not multiply it.

    Raises:
        ConfigError: A parameter is continuous.
    """
    continuous = [name for name, one in space.parameters.items() if isinstance(one, Uniform | LogUniform)]
    if continuous:
        raise ConfigError(
            f"search.algorithm: grid cannot enumerate {', '.join(continuous)}; give them type: grid with values, "
            "or search with random, tpe or hyperopt"
        )
    yield from _expand(space, ordered(space), {})


def count_points(space: SpaceConfig, *, at_most: int) -> int | None:
    """Return how many points a space has; None when they are more than `at_most` or it is continuous."""
    if any(finite_values(distribution) is None for distribution in space.parameters.values()):
        return None
    count = sum(1 for _ in itertools.islice(grid_points(space), at_most + 1))
    return count if count <= at_most else None


def _expand(space: SpaceConfig, names: list[str], point: Point) -> Iterator[Point]:
    if not names:
        yield dict(point)
        return
    name, *rest = names
    distribution = space.parameters[name]
    if not is_active(distribution, point):
        yield from _expand(space, rest, point)
        return
    for value in finite_values(distribution) or ():
        yield from _expand(space, rest, {**point, name: value})


def check_space(space: SpaceConfig) -> None:
    """Check every rule that needs no data: names, conditions, and each parameter at its extremes.

    Raises:
        ConfigError: One report of all that is wrong.
    """
    problems = [*_name_problems(space), *_condition_problems(space)]
    if problems:
        raise _report(space, problems)
    ordered(space)
    if space.search.algorithm == "grid":
        next(grid_points(space))
    if problems := [*_impossible_conditions(space), *_algorithm_problems(space), *_setting_problems(space)]:
        raise _report(space, problems)
    from raytrain.tuning.first_points import check_first_points  # it builds on this module

    check_first_points(space)


def check_teachers(space: SpaceConfig) -> None:
    """Check that each teacher a trial could learn from is there and fits, before anything is prepared.

    Raises:
        ConfigError: One is missing, or sees other inputs than its student.
    """
    for point in _probing_points(space):
        find_teacher(train_config(space, point))


def _report(space: SpaceConfig, problems: list[str]) -> ConfigError:
    count = f"{len(problems)} problems" if len(problems) > 1 else "1 problem"
    return ConfigError("\n  ".join([f"search space '{space.name}': {count}", *problems]))


def _name_problems(space: SpaceConfig) -> Iterator[str]:
    for name, distribution in space.parameters.items():
        field, _, rest = name.partition(".")
        if field not in TrainConfig.model_fields:
            yield f"parameters.{name}: '{field}' is no setting of a run; {nearest(field, TrainConfig.model_fields)}"
            continue
        if field in _SHARED_BY_ALL_TRIALS:
            yield f"parameters.{name}: '{field}' must be the same for all trials; set it under fixed"
        annotation = TrainConfig.model_fields[field].annotation
        if annotation is Part and not rest:
            yield f"parameters.{name}: vary {field}.name or one of its settings, e.g. {field}.name"
        if field == "windows" and finite_values(distribution) is None:
            yield f"parameters.{name}: windows are made once and shared, so give a choice, grid or int"


def _condition_problems(space: SpaceConfig) -> Iterator[str]:
    for name, distribution in space.parameters.items():
        for parent, wanted in distribution.when.items():
            if parent not in space.parameters:
                yield f"parameters.{name}.when: '{parent}' names no parameter; {nearest(parent, space.parameters)}"
                continue
            values = finite_values(space.parameters[parent])
            if values is None:
                yield f"parameters.{name}.when: '{parent}' is continuous; a condition needs a choice, grid or int"
                continue
            for value in _accepted(wanted):
                if value not in values:
                    yield f"parameters.{name}.when: '{parent}' is never {value!r}; it is one of {values}"


def _impossible_conditions(space: SpaceConfig) -> Iterator[str]:
    for name in space.parameters:
        contradicted = [parent for parent, values in parent_values(space, name).items() if not values]
        for parent in contradicted:
            yield f"parameters.{name}: never exists, as the conditions on '{parent}' it depends on exclude each other"


def _algorithm_problems(space: SpaceConfig) -> Iterator[str]:
    """Yield what the algorithm cannot search; a grid's own rule is checked by enumerating it."""
    algorithm = space.search.algorithm
    if algorithm in _OF_ONE_OBJECTIVE and space.search.objectives:
        yield (
            f"search.algorithm: {algorithm} optimises one number, so it cannot search for {space.fixed.metric} and "
            f"{', '.join(space.search.objectives)} together (search.objectives); search with nsga2, tpe or gp"
        )
    numbers = [one for one in space.parameters.values() if isinstance(one, Uniform | LogUniform | IntUniform)]
    if algorithm == "cmaes" and not any(one.low < one.high for one in numbers):
        yield (
            "search.algorithm: cmaes moves in numbers, and no parameter is a range of them (uniform, loguniform, int); "
            "search with tpe, gp, random or grid"
        )


def _setting_problems(space: SpaceConfig) -> list[str]:
    """Return each rule of a run that a point breaks, once, with the point's values of the field it is about."""
    found: dict[str, str] = {}
    for point in _probing_points(space):
        for problem in _problems_at(space, point):
            found.setdefault(problem, problem + _where(problem, point))
    return list(found.values())


def _probing_points(space: SpaceConfig) -> Iterator[Point]:
    """Yield points that have each parameter at each of its extremes."""
    for name, distribution in space.parameters.items():
        for value in _probes(distribution):
            yield from _points_with(space, name, value)


def _where(problem: str, point: Point) -> str:
    field = re.split(r"[.:]", problem, maxsplit=1)[0]
    related = {name: value for name, value in point.items() if name.split(".")[0] == field}
    return f" (at {describe_point(related)})" if related else ""


def _problems_at(space: SpaceConfig, point: Point) -> list[str]:
    try:
        check_parts(train_config(space, point))
    except ConfigError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        return [line for line in lines if not line.startswith(_A_POINT)]
    return []


def _probes(distribution: Distribution) -> list[Any]:
    """Return the extremes and, of a continuous range, a value inside: its ends may be whole where it is not."""
    if isinstance(distribution, Uniform | LogUniform):
        inside = distribution.low + (distribution.high - distribution.low) / math.e
        return [*extremes(distribution), inside]
    return extremes(distribution)


def _points_with(space: SpaceConfig, name: str, value: Any) -> Iterator[Point]:  # noqa: ANN401 - any value
    """Yield points in which `name` has `value`, its ancestors values under which it exists, others their first."""
    parents = parent_values(space, name)
    for combination in itertools.product(*parents.values()):
        fixed = {**dict(zip(parents, combination, strict=True)), name: value}
        yield active_parameters(space, lambda key, one, fixed=fixed: fixed.get(key, extremes(one)[0]))  # type: ignore[misc]


def parent_values(space: SpaceConfig, name: str) -> dict[str, list[Any]]:
    """Return for each ancestor of a parameter the values under which the parameter exists."""
    conditions = dict(space.parameters[name].when)
    accepted = {parent: list(_accepted(wanted)) for parent, wanted in conditions.items()}
    for parent in conditions:
        for ancestor, values in parent_values(space, parent).items():
            known = accepted.get(ancestor, values)
            accepted[ancestor] = [value for value in known if value in values]
    return accepted


def _accepted(wanted: Any) -> list[Any]:  # noqa: ANN401 - a scalar or a list of them
    return wanted if isinstance(wanted, list) else [wanted]
