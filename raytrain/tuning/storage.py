"""Temporary: replaced by the storage branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from raytrain.config.space import OBJECTIVES, SpaceConfig
from raytrain.tuning.optuna_points import distributions_of, encode_point
from raytrain.tuning.space import Point


@dataclass(frozen=True)
class StudyLocation:
    url: str
    study_name: str


def locate(storage: str | None, directory: Path, name: str) -> StudyLocation:
    return StudyLocation(f"journal:{directory / 'study.journal'}", name)


def open_storage(location: StudyLocation) -> BaseStorage:
    return JournalStorage(JournalFileBackend(location.url.removeprefix("journal:")))


def create_study(space: SpaceConfig, location: StudyLocation) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = [space.fixed.direction, *(OBJECTIVES[name] for name in space.search.objectives)]
    return optuna.create_study(
        study_name=location.study_name,
        directions=["maximize" if one == "max" else "minimize" for one in directions],
        storage=open_storage(location),
    )


def load_study(location: StudyLocation) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.load_study(study_name=location.study_name, storage=open_storage(location))


def begin_trial(study: optuna.Study, space: SpaceConfig, point: Point, attributes: Mapping[str, Any]) -> optuna.Trial:
    study.add_trial(
        create_trial(
            state=TrialState.RUNNING,
            params=encode_point(point),
            distributions=distributions_of(space, point),
            user_attrs=dict(attributes),
        )
    )
    return reopen_trial(study, len(study.get_trials(deepcopy=False)) - 1)


def reopen_trial(study: optuna.Study, number: int) -> optuna.Trial:
    return optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)
