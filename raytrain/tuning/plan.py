"""Everything a sweep needs once its request has been checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial
from rich.console import Console

from raytrain.config.schema import WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.segments import Split
from raytrain.data.store import SegmentStore
from raytrain.distributed.cluster import Cluster
from raytrain.tuning.experience import point_in
from raytrain.tuning.proposers import Outcome
from raytrain.tuning.space import Point, count_points
from raytrain.tuning.storage_location import StudyLocation

__all__ = ["Plan", "planned_trials"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep that is ready to run.

    Attributes:
        space: What to search.
        directory: Where its files go.
        location: Where the study is.
        study: The record of its trials, of earlier sessions too.
        experience: Points of other sweeps, and what became of them.
        split: Which samples train, validate and test.
        stores: Prepared signals by preprocessing variant.
        windows: Every window setting a trial can have.
        cluster: What runs it.
        concurrency: Trials at once.
        console: Where progress is shown.
    """

    space: SpaceConfig
    directory: Path
    location: StudyLocation
    study: optuna.Study
    experience: Sequence[tuple[Point, Outcome]]
    split: Split
    stores: Mapping[str, SegmentStore]
    windows: Sequence[WindowConfig]
    cluster: Cluster
    concurrency: int
    console: Console

    @property
    def folder(self) -> Path:
        """Where the trials' folders are."""
        return self.directory / "trials"

    @property
    def trials(self) -> int:
        """Return how many trials are planned, those of earlier sessions among them."""
        return planned_trials(self.space, self.study.get_trials(deepcopy=False))


def planned_trials(space: SpaceConfig, known: Iterable[FrozenTrial] = ()) -> int:
    """Return how many trials a sweep has: no more than the space has points, since none is run twice.

    Args:
        space: The sweep.
        known: Its trials of earlier sessions. One whose point is no longer in the space counts beside those of it.
    """
    points = count_points(space, at_most=space.search.trials)
    if points is None:
        return space.search.trials
    outside = sum(point_in(space, trial.user_attrs["point"]) is None for trial in known)
    return min(space.search.trials, points + outside)
