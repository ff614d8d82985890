"""The Optuna study of a sweep: made, found again, and told apart from another's."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import check_distribution_compatibility
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from raytrain.config.space import OBJECTIVES, SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.optuna_points import optuna_distribution
from raytrain.tuning.storage import close_storage, explained, open_storage
from raytrain.tuning.storage_location import StudyLocation

__all__ = ["continue_study", "create_study", "load_study", "space_differences"]

_SPACE = "raytrain_space"
_SHOWN = 3


def create_study(space: SpaceConfig, location: StudyLocation) -> optuna.Study:
    """Return a new study of `space`, which optuna-dashboard opens.

    Its directions and metric names are those of the metric and of `search.objectives`, its user attributes say
    raytrain's version, the space, the metric and the objectives. It is a record: points come from `create_proposer`,
    so its own sampler is never asked.

    Raises:
        ConfigError: There is a study of that name already.
        RunError: The storage cannot be used.
    """
    with _opened(location, writing=True) as storage:
        return _create(space, location, storage)


def load_study(location: StudyLocation, *, writing: bool = False) -> optuna.Study:
    """Return the study at `location`.

    Args:
        location: Where it is.
        writing: Whether trials will be added or changed.

    Raises:
        ConfigError: There is no such study, or raytrain did not make it.
        RunError: The storage cannot be used.
    """
    with _opened(location, writing=writing) as storage:
        study = _found(storage, location)
        if study is None:
            names = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
            raise ConfigError(f"there is no study '{location.study_name}' in {location}; studies there: {names}")
        if _SPACE not in study.user_attrs:
            raise ConfigError(
                f"the study '{location.study_name}' in {location} does not say what space it is of: raytrain did "
                "not make it, or was killed while it did; look at it with optuna-dashboard"
            )
        return study


def continue_study(space: SpaceConfig, location: StudyLocation) -> optuna.Study:
    """Return the study of a run that goes on, ready to be written to; a new one where it had come to none yet.

    A driver killed at its very start leaves no study, or one that does not say yet what it is of. Hold `sole_writer`.

    Raises:
        ConfigError: The study has other objectives, or a parameter of other values to choose from; it cannot change
            these.
        RunError: The storage cannot be used.
    """
    with _opened(location, writing=True) as storage:
        study = _found(storage, location)
        if study is None:
            return _create(space, location, storage)
        unfinished = _SPACE not in study.user_attrs and not study.get_trials(deepcopy=False)
        if study.directions != _directions(space) or study.metric_names not in (_metrics(space), None):
            recorded = ", ".join(study.metric_names or [one.name for one in study.directions])
            raise ConfigError(
                f"fixed.metric and search.objectives: the study '{location.study_name}' is of {recorded}, and goes on "
                "with that alone; start a new run for others"
            )
        _check_choices(study, space)
        if unfinished:
            _describe(study, space)
        return study


def _check_choices(study: optuna.Study, space: SpaceConfig) -> None:
    recorded = {name: one for trial in study.get_trials(deepcopy=False) for name, one in trial.distributions.items()}
    for name in recorded.keys() & space.parameters.keys():
        try:
            check_distribution_compatibility(recorded[name], optuna_distribution(space.parameters[name]))
        except ValueError as error:
            raise ConfigError(
                f"parameters.{name}: the study '{study.study_name}' holds trials with other values to choose from or "
                "another kind of distribution, which Optuna's studies cannot change; start a new sweep with "
                "--warm-start-from"
            ) from error


def space_differences(study: optuna.Study, space: SpaceConfig) -> list[str]:
    """Return each setting in which `space` differs from the one the study was made of, as `field: was -> is`."""
    was = dict(_flat(study.user_attrs.get(_SPACE, {})))
    now = dict(_flat(space.model_dump(mode="json")))
    return [
        f"{name}: {was.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted(was.keys() | now.keys())
        if name not in was or name not in now or was[name] != now[name]
    ]


@contextmanager
def _opened(location: StudyLocation, *, writing: bool) -> Iterator[BaseStorage]:
    """Open a storage, explain what fails within, and close it if anything does; otherwise it stays open."""
    storage = open_storage(location, writing=writing)
    try:
        with explained(location):
            yield storage
    except BaseException:
        close_storage(storage)
        raise


def _create(space: SpaceConfig, location: StudyLocation, storage: BaseStorage) -> optuna.Study:
    name = location.study_name
    try:
        study = optuna.create_study(
            study_name=name, directions=_directions(space), sampler=_never_asked(), storage=storage
        )
    except optuna.exceptions.DuplicatedStudyError as error:
        raise ConfigError(_exists(location, space, optuna.load_study(study_name=name, storage=storage))) from error
    _describe(study, space)
    return study


def _exists(location: StudyLocation, space: SpaceConfig, study: optuna.Study) -> str:
    differences = space_differences(study, space)
    more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    of = f"of another space ({'; '.join(differences[:_SHOWN])}{more})" if differences else "of the same space"
    return (
        f"the study '{location.study_name}' exists in {location} and is {of}; choose another --name, or go on with it: "
        "raytrain tune --resume RUN"
    )


def _describe(study: optuna.Study, space: SpaceConfig) -> None:
    """Say what the study is of; the space comes last, so that a study with it is complete."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(_metrics(space))
    study.set_user_attr("raytrain_version", importlib.metadata.version("raytrain"))
    study.set_user_attr("raytrain_metric", space.fixed.metric)
    study.set_user_attr("raytrain_objectives", list(space.search.objectives))
    study.set_user_attr(_SPACE, space.model_dump(mode="json"))


def _metrics(space: SpaceConfig) -> list[str]:
    return [space.fixed.metric, *space.search.objectives]


def _directions(space: SpaceConfig) -> list[StudyDirection]:
    better = [space.fixed.direction, *(OBJECTIVES[name] for name in space.search.objectives)]
    return [StudyDirection.MAXIMIZE if one == "max" else StudyDirection.MINIMIZE for one in better]


def _found(storage: BaseStorage, location: StudyLocation) -> optuna.Study | None:
    try:
        return optuna.load_study(study_name=location.study_name, sampler=_never_asked(), storage=storage)
    except KeyError:
        return None


def _never_asked() -> RandomSampler:
    return RandomSampler(seed=0)


def _flat(settings: Any, name: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - a JSON value
    """Yield dotted name and value of each setting; lists are values."""
    if isinstance(settings, Mapping) and settings:
        for key, value in settings.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, settings
