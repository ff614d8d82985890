"""Everything a sweep needs once its request has been checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from raytrain.config.schema import WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.segments import Split
from raytrain.data.store import SegmentStore
from raytrain.distributed.cluster import Cluster
from raytrain.tuning.space import count_points

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep that is ready to run.

    Attributes:
        space: What to search.
        directory: Where its files go.
        split: Which samples train, validate and test.
        stores: Prepared signals by preprocessing variant.
        windows: Every window setting a trial can have.
        cluster: What runs it.
        concurrency: Trials at once.
        console: Where progress is shown.
    """

    space: SpaceConfig
    directory: Path
    split: Split
    stores: Mapping[str, SegmentStore]
    windows: Sequence[WindowConfig]
    cluster: Cluster
    concurrency: int
    console: Console

    @property
    def trials(self) -> int:
        """Return how many trials are planned: no more than the space has points, since none is run twice."""
        planned = self.space.search.trials
        points = count_points(self.space, at_most=planned)
        return planned if points is None else min(planned, points)
