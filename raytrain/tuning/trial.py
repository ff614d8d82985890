"""A trial of a sweep: a Ray Tune class trainable whose process, and those of its further ranks, serve many trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.util.placement_group import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from raytrain.config.space import ResourceConfig, SpaceConfig
from raytrain.data.store import SegmentStore
from raytrain.distributed.process_group import free_address, join, leave
from raytrain.distributed.report import CHECKPOINT_FILE
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.tuning.folds import FoldRuns
from raytrain.tuning.space import Point
from raytrain.tuning.worker import Worker

__all__ = ["Trial", "bundles"]


def bundles(resources: ResourceConfig) -> tune.PlacementGroupFactory:
    """Return the resources of one trial: one bundle per worker."""
    bundle = {"CPU": resources.cpus_per_worker, "GPU": resources.gpus_per_worker}
    bundle = {kind: amount for kind, amount in bundle.items() if amount}
    return tune.PlacementGroupFactory([dict(bundle) for _ in range(resources.workers_per_trial)])


class Trial(tune.Trainable):  # type: ignore[misc]  # ray is untyped
    """Rank 0 of a trial; it starts the other ranks as actors in its own placement group.

    One `step` is one epoch on every rank. Between epochs no rank waits in a collective operation, so Tune may stop,
    save or replace the trial there without hanging anyone.
    """

    def setup(
        self, config: dict[str, Any], space: SpaceConfig, stores: Mapping[str, ray.ObjectRef], folder: Path
    ) -> None:
        """Start the ranks once; each trial's callbacks write below `folder`."""
        self._folder = folder
        self._ahead: tuple[Point, dict[str, Any] | None] | None = None
        world_size = space.resources.workers_per_trial
        self._worker = _worker(space, stores, rank=0)
        self._peers = [_start_peer(space, stores, rank) for rank in range(1, world_size)]
        if self._peers:
            address = free_address()
            joining = [peer.join.remote(address) for peer in self._peers]
            join(address, rank=0, world_size=world_size)
            ray.get(joining)
        self._set(config["point"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Go to another point in the same processes."""
        self._set(new_config["point"])
        return True

    def step(self) -> dict[str, Any]:
        """Train and evaluate one epoch on every rank."""
        self._begin()
        others = [peer.advance.remote() for peer in self._peers]
        result = self._worker.advance()
        ray.get(others)
        return {**result, "done": result["finished"], "should_checkpoint": result["improved"]}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write rank 0's snapshot; the ranks' states are equal but for their random generators."""
        self._begin()
        write_checkpoint(Path(checkpoint_dir) / CHECKPOINT_FILE, self._worker.snapshot())

    def load_checkpoint(self, checkpoint: str) -> None:
        """Go on with the current point from a checkpoint of it."""
        self._set(self.config["point"], snapshot=read_checkpoint(Path(checkpoint) / CHECKPOINT_FILE))

    def cleanup(self) -> None:
        """End the run and the ranks."""
        self._worker.end()
        for peer in self._peers:
            ray.kill(peer)
        if self._peers:
            leave()

    def _set(self, point: Point, snapshot: dict[str, Any] | None = None) -> None:
        # Nothing is begun yet: Tune may give the trial to a process that has just become free while this one is still
        # starting up for it, and two that began it would write to the same files.
        self._worker.end()
        self._ahead = (point, snapshot)

    def _begin(self) -> None:
        if self._ahead is None:
            return
        (point, snapshot), self._ahead = self._ahead, None
        # Wrapping a model in DistributedDataParallel is itself collective, so all ranks begin together.
        directory = self._folder / self.trial_id  # not logdir, which Ray deletes with the session
        others = [peer.begin.remote(point, directory, snapshot) for peer in self._peers]
        self._worker.begin(point, directory=directory, snapshot=snapshot)
        ray.get(others)


class _Peer:
    """A further rank of a trial."""

    def __init__(self, space: SpaceConfig, stores: Mapping[str, ray.ObjectRef], rank: int) -> None:
        self._rank = rank
        self._world_size = space.resources.workers_per_trial
        self._worker = _worker(space, stores, rank=rank)

    def join(self, address: str) -> None:
        join(address, rank=self._rank, world_size=self._world_size)

    def begin(self, point: Point, directory: Path, snapshot: dict[str, Any] | None) -> None:
        self._worker.begin(point, directory=directory, snapshot=snapshot)

    def advance(self) -> None:
        self._worker.advance()


def _worker(space: SpaceConfig, stores: Mapping[str, ray.ObjectRef], *, rank: int) -> Worker | FoldRuns:
    kind = Worker if space.folds is None else FoldRuns
    return kind(space, _fetcher(stores), rank=rank, world_size=space.resources.workers_per_trial)


def _start_peer(space: SpaceConfig, stores: Mapping[str, ray.ObjectRef], rank: int) -> Any:  # noqa: ANN401 - an actor
    placement = PlacementGroupSchedulingStrategy(get_current_placement_group(), placement_group_bundle_index=rank)
    options = {
        "num_cpus": space.resources.cpus_per_worker,
        "num_gpus": space.resources.gpus_per_worker,
        "scheduling_strategy": placement,
    }
    return ray.remote(_Peer).options(**options).remote(space, stores, rank)


def _fetcher(stores: Mapping[str, ray.ObjectRef]) -> Callable[[str], SegmentStore]:
    def fetch(key: str) -> SegmentStore:
        store: SegmentStore = ray.get(stores[key])
        return store

    return fetch
