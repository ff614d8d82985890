"""Points of a space as Optuna's trials hold them."""

from __future__ import annotations

import json
from typing import Any

import optuna

from raytrain.config.space import Distribution, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.tuning.distributions import finite_values
from raytrain.tuning.space import Point, active_parameters, ordered

__all__ = ["distributions_of", "encode_point", "record_point", "suggest_point"]


def suggest_point(trial: optuna.Trial, space: SpaceConfig, *, with_inactive: bool = False) -> Point:
    """Return the point that the trial's sampler chooses, parents before what is conditional on them.

    Args:
        trial: A running trial.
        space: The sweep.
        with_inactive: Also have the trial hold a value of each parameter that does not exist in the point.
    """
    if not with_inactive:
        return active_parameters(space, lambda name, one: _suggest(trial, name, one))
    values = {name: _suggest(trial, name, space.parameters[name]) for name in ordered(space)}
    return active_parameters(space, lambda name, _: values[name])


def record_point(study: optuna.Study, space: SpaceConfig, point: Point, *, with_inactive: bool = False) -> optuna.Trial:
    """Return a new, running trial of the study at `point`.

    Args:
        study: Where it is recorded; its sampler chooses what the point leaves out.
        space: The sweep.
        point: The parameters that exist, and perhaps values of those that do not.
        with_inactive: Also have the trial hold a value of each parameter that does not exist in the point.
    """
    study.enqueue_trial({name: _encode(value) for name, value in point.items()})
    trial = study.ask()
    suggest_point(trial, space, with_inactive=with_inactive)
    return trial


def _suggest(trial: optuna.Trial, name: str, one: Distribution) -> Any:  # noqa: ANN401 - any value
    if isinstance(one, Uniform | LogUniform):
        return trial.suggest_float(name, one.low, one.high, log=isinstance(one, LogUniform))
    if isinstance(one, IntUniform):
        return trial.suggest_int(name, one.low, one.high, step=one.step, log=one.log)
    values = finite_values(one) or []
    encoded = [_encode(value) for value in values]
    return values[encoded.index(trial.suggest_categorical(name, encoded))]


def _encode(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - any value
    """Return a value Optuna can store as a category: lists and mappings become JSON text."""
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


def encode_point(point):
    return {name: _encode(value) for name, value in point.items()}


def distributions_of(space, point):
    found = {}
    for name in point:
        one = space.parameters[name]
        if isinstance(one, Uniform | LogUniform):
            found[name] = optuna.distributions.FloatDistribution(one.low, one.high, log=isinstance(one, LogUniform))
        elif isinstance(one, IntUniform):
            found[name] = optuna.distributions.IntDistribution(one.low, one.high, step=one.step, log=one.log)
        else:
            found[name] = optuna.distributions.CategoricalDistribution([_encode(v) for v in finite_values(one) or []])
    return found
