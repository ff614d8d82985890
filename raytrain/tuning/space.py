"""Search spaces: their rules, which parameters exist when, and what a point makes of the fixed settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from raytrain.config.build import check_parts
from raytrain.config.load import apply_overrides, validate
from raytrain.config.schema import Part, TrainConfig
from raytrain.config.space import Choice, Distribution, Grid, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.errors import ConfigError, nearest

__all__ = [
    "Point",
    "active_parameters",
    "check_space",
    "describe_point",
    "extremes",
    "finite_values",
    "grid_points",
    "is_active",
    "ordered",
    "train_config",
]

Point: TypeAlias = dict[str, Any]
"""Dotted parameter -> value, for the parameters that exist in it."""

_SHARED_BY_ALL_TRIALS = ("data", "metric", "mode", "threads", "device")


def train_config(space: SpaceConfig, point: Mapping[str, Any]) -> TrainConfig:
    """Return the run that `point` stands for.

    Raises:
        ConfigError: The settings and the point together break a rule.
    """
    settings = apply_overrides(space.fixed.model_dump(exclude_unset=True), point)
    return validate(TrainConfig, settings, where="a point of the space")


def describe_point(point: Mapping[str, Any]) -> str:
    """Return a point in one short line.

    >>> describe_point({"optimizer.lr": 0.00123456, "windows.length": 2048})
    'lr=0.00123, length=2048'
    """
    return ", ".join(
        f"{name.split('.', 1)[-1]}={f'{value:.3g}' if isinstance(value, float) else value}"
        for name, value in point.items()
    )


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


def finite_values(distribution: Distribution) -> list[Any] | None:
    """Return all values of a distribution, or None when it is continuous."""
    if isinstance(distribution, IntUniform):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if isinstance(distribution, Choice | Grid):
        return list(distribution.values)
    return None


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


def extremes(distribution: Distribution) -> list[Any]:
    """Return the values at which a distribution can first break a rule: its ends, or all of a finite choice."""
    if isinstance(distribution, Choice | Grid):
        return list(distribution.values)
    return [distribution.low, distribution.high]


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
    impossible: dict[str, str] = {}
    for name, distribution in space.parameters.items():
        for value in extremes(distribution):
            for point in _points_with(space, name, value):
                try:
                    check_parts(train_config(space, point))
                except ConfigError as error:
                    impossible.setdefault(str(error), f"{error} (at {describe_point(point)})")
    if impossible:
        raise _report(space, list(impossible.values()))


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


def _points_with(space: SpaceConfig, name: str, value: Any) -> Iterator[Point]:  # noqa: ANN401 - any value
    """Yield points in which `name` has `value`, its ancestors values under which it exists, others their first."""
    ancestors = _ancestors(space, name)
    choices = [_accepted_values(space, ancestor, name) for ancestor in ancestors]
    for combination in itertools.product(*choices):
        fixed = {**dict(zip(ancestors, combination, strict=True)), name: value}
        point = active_parameters(space, lambda key, one, fixed=fixed: fixed.get(key, extremes(one)[0]))  # type: ignore[misc]
        if point.get(name, _ABSENT) == value:
            yield point


_ABSENT = object()


def _ancestors(space: SpaceConfig, name: str) -> list[str]:
    found: list[str] = []
    for parent in space.parameters[name].when:
        found += [*_ancestors(space, parent), parent]
    return list(dict.fromkeys(found))


def _accepted_values(space: SpaceConfig, ancestor: str, name: str) -> list[Any]:
    wanted = space.parameters[name].when.get(ancestor)
    return list(_accepted(wanted)) if ancestor in space.parameters[name].when else extremes(space.parameters[ancestor])


def _accepted(wanted: Any) -> list[Any]:  # noqa: ANN401 - a scalar or a list of them
    return wanted if isinstance(wanted, list) else [wanted]
