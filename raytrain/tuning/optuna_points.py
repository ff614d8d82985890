"""Points of a space as Optuna's trials hold them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from raytrain.config.space import Distribution, IntUniform, LogUniform, SpaceConfig, Uniform
from raytrain.tuning.distributions import finite_values
from raytrain.tuning.space import Point, active_parameters, ordered

__all__ = ["begin_trial", "optuna_distribution", "record_point", "recorded_point", "suggest_point"]


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


def begin_trial(
    study: optuna.Study, space: SpaceConfig, point: Point, attributes: Mapping[str, Any]
) -> optuna.trial.Trial:
    """Record a new trial that runs, with all that is known of it, in one operation of the storage, and return it.

    A process killed at any moment leaves no trial or a whole one. To enqueue a trial and then ask for it, which are
    several operations, can leave one WAITING or without its parameters.

    Args:
        study: Where it is recorded.
        space: What `point` is a point of.
        point: Its parameters, those that exist under its conditions.
        attributes: Its user attributes, JSON values.
    """
    template = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params={name: _encode(value) for name, value in point.items()},
        distributions={name: optuna_distribution(space.parameters[name]) for name in point},
        user_attrs=dict(attributes),
    )
    # `Study.add_trial` does the same and does not say which trial it made.
    trial_id = study._storage.create_new_trial(study._study_id, template_trial=template)  # noqa: SLF001
    return optuna.trial.Trial(study, trial_id)


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


def recorded_point(space: SpaceConfig, trial: FrozenTrial) -> Point:
    """Return the point of a recorded trial, its lists and mappings as the space writes them.

    Raises:
        KeyError: The space has no such parameter.
        ValueError: The parameter has no such value.
    """
    return {name: _decode(space.parameters[name], value) for name, value in trial.params.items()}


def _suggest(trial: optuna.Trial, name: str, one: Distribution) -> Any:  # noqa: ANN401 - any value
    if isinstance(one, Uniform | LogUniform):
        return trial.suggest_float(name, one.low, one.high, log=isinstance(one, LogUniform))
    if isinstance(one, IntUniform):
        return trial.suggest_int(name, one.low, one.high, step=one.step, log=one.log)
    return _decode(one, trial.suggest_categorical(name, _categories(one)))


def optuna_distribution(one: Distribution) -> BaseDistribution:
    """Return a parameter's distribution as Optuna has it."""
    if isinstance(one, Uniform | LogUniform):
        return FloatDistribution(one.low, one.high, log=isinstance(one, LogUniform))
    if isinstance(one, IntUniform):
        return IntDistribution(one.low, one.high, step=one.step, log=one.log)
    return CategoricalDistribution(_categories(one))


def _categories(one: Distribution) -> list[str | int | float | bool | None]:
    return [_encode(value) for value in finite_values(one) or ()]


def _decode(one: Distribution, value: Any) -> Any:  # noqa: ANN401 - any value
    """Return what the space calls a value that Optuna stores."""
    if isinstance(one, Uniform | LogUniform | IntUniform):
        return value
    return (finite_values(one) or [])[_categories(one).index(value)]


def _encode(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - any value
    """Return a value Optuna can store as a category: lists and mappings become JSON text."""
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)
