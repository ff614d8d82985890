"""A trial of a sweep: a Ray Tune class trainable whose process, and those of its further ranks, serve many trials.

A trial goes on wherever it was: whether its process, its machine or the sweep's driver died, it begins with the newest
checkpoint in its folder. What its configuration causes, such as a loss that diverges, is a result like any other and is
not tried again; only what happens to its process is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayActorError
from ray.util.placement_group import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from raytrain.config.space import ResourceConfig, SpaceConfig
from raytrain.data.store import SegmentStore
from raytrain.distributed.process_group import free_address, join, leave
from raytrain.distributed.report import CHECKPOINT_FILE
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.tuning.folds import FoldRuns
from raytrain.tuning.space import Point
from raytrain.tuning.trial_files import TrialFiles, trial_directory
from raytrain.tuning.worker import Worker

__all__ = ["Trial", "bundles"]

_DEATH_S = 5.0
"""For so long an error of one rank waits for news of the others; Ray tells of a dead process in less than a second."""


def bundles(resources: ResourceConfig) -> tune.PlacementGroupFactory:
    """Return the resources of one trial: one bundle per worker."""
    bundle = {"CPU": resources.cpus_per_worker, "GPU": resources.gpus_per_worker}
    bundle = {kind: amount for kind, amount in bundle.items() if amount}
    return tune.PlacementGroupFactory([dict(bundle) for _ in range(resources.workers_per_trial)])


@dataclass(frozen=True, slots=True)
class _Start:
    """What a trial begins with: its number from 0, its point, and a snapshot where Tune hands one over."""

    number: int
    point: Point
    snapshot: dict[str, Any] | None = None


class Trial(tune.Trainable):  # type: ignore[misc]  # ray is untyped
    """Rank 0 of a trial; it starts the other ranks as actors in its own placement group.

    One `step` is one epoch on every rank. Between epochs no rank waits in a collective operation, so Tune may stop,
    save or replace the trial there without hanging anyone.
    """

    def setup(
        self, config: dict[str, Any], space: SpaceConfig, stores: Mapping[str, ray.ObjectRef], folder: Path
    ) -> None:
        """Start the ranks once; each trial has a folder of its own below `folder`."""
        self._folder = folder
        self._every_s = space.search.checkpoint_s
        self._population = space.scheduler.name == "pbt"
        self._ahead: _Start | None = None
        self._restarted: list[dict[str, float]] | None = None
        world_size = space.resources.workers_per_trial
        self._worker = _worker(space, stores, rank=0)
        self._peers = [_start_peer(space, stores, rank) for rank in range(1, world_size)]
        if self._peers:
            address = free_address()
            joining = [peer.join.remote(address) for peer in self._peers]
            join(address, rank=0, world_size=world_size)
            ray.get(joining)
        self._set(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Go to another point in the same processes."""
        self._set(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train and evaluate one epoch on every rank; or tell why the point cannot be trained."""
        failed = self._begin()
        if failed is not None:
            return failed
        others = [peer.advance.remote() for peer in self._peers]
        try:
            result = self._worker.advance()
            ray.get(others)
        except OSError:  # of the disk or the network, and none of the configuration's doing
            raise
        except Exception as error:  # noqa: BLE001 - whatever a configuration can bring about
            return self._failed(error, others)
        self._files.keep(self._worker.snapshot(), improved=result["improved"], finished=result["finished"])
        return {**result, **self._history(), **self._settings(), "done": result["finished"]}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write rank 0's snapshot for Tune, which hands it to a trial it paused or copies."""
        self._begin()
        write_checkpoint(Path(checkpoint_dir) / CHECKPOINT_FILE, self._worker.snapshot())

    def load_checkpoint(self, checkpoint: str) -> None:
        """Go on with the current point from a checkpoint, which may be another trial's."""
        self._set(self.config, snapshot=read_checkpoint(Path(checkpoint) / CHECKPOINT_FILE))

    def cleanup(self) -> None:
        """End the run and the ranks."""
        self._worker.end()
        for peer in self._peers:
            ray.kill(peer)
        if self._peers:
            leave()

    def _set(self, config: Mapping[str, Any], snapshot: dict[str, Any] | None = None) -> None:
        # Nothing is begun yet: Tune may give the trial to a process that has just become free while this one is still
        # starting up for it, and two that began it would write to the same files.
        self._worker.end()
        self._ahead = _Start(config["number"], config["point"], snapshot)

    def _begin(self) -> dict[str, Any] | None:
        """Begin the point that is due, if one is; return the result of one that cannot be trained."""
        if self._ahead is None:
            return None
        start, self._ahead = self._ahead, None
        self._begun = start
        self._files = TrialFiles(trial_directory(self._folder, start.number), every_s=self._every_s)
        known = self._files.failure()
        if known is not None:
            return _failure(known)
        snapshot = self._files.newest(start.point) if start.snapshot is None else self._with_own_best(start.snapshot)
        # Wrapping a model in DistributedDataParallel is itself collective, so all ranks begin together.
        directory = self._files.directory  # not logdir, which Ray deletes with the session
        others = [peer.begin.remote(start.point, start.number, directory, snapshot) for peer in self._peers]
        try:
            self._worker.begin(start.point, number=start.number, directory=directory, snapshot=snapshot)
            ray.get(others)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a configuration can bring about
            return self._failed(error, others)
        self._restarted = None if snapshot is None else self._worker.history
        return None

    def _with_own_best(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        """Return a snapshot, which may be another trial's, with the best value that this trial has a checkpoint of."""
        best = read_checkpoint(self._files.best)["best"] if self._files.best.exists() else None
        return {**snapshot, "best": best}

    def _failed(self, error: Exception, others: Sequence[ray.ObjectRef]) -> dict[str, Any]:
        """Return the result of a point that cannot be trained.

        Raises:
            RayActorError: The process of another rank died, which is no fault of the point.
        """
        _raise_if_died(others)
        reason = self._files.fail(error)
        if self._peers:
            # They may wait for this rank for ever, so all are replaced; the new ones find the reason in the folder.
            raise error
        self._worker.end()
        return _failure(reason)

    def _settings(self) -> dict[str, str]:
        """Return the point as text, in a population, whose members change theirs; Tune's own config is ahead of it."""
        return {"point": json.dumps(self._begun.point)} if self._population else {}

    def _history(self) -> dict[str, str]:
        """Return, once after going on from a checkpoint, the epochs before it: the driver may never have heard of some.

        It is text, because Tune would flatten it, and log it.
        """
        rows, self._restarted = self._restarted, None
        return {} if rows is None else {"earlier": json.dumps(rows)}


def _raise_if_died(others: Sequence[ray.ObjectRef]) -> None:
    """Raise the death of a rank's process: what this rank sees of it is a broken connection, like any other error."""
    told, _ = ray.wait(list(others), num_returns=len(others), timeout=_DEATH_S) if others else ([], [])
    for one in told:
        try:
            ray.get(one)
        except RayActorError:
            raise
        except Exception:  # noqa: BLE001, S112 - its own error, as of this rank
            continue


def _failure(reason: str) -> dict[str, Any]:
    return {"failed": reason, "improved": False, "finished": False, "stop_reason": "", "done": True}


class _Peer:
    """A further rank of a trial."""

    def __init__(self, space: SpaceConfig, stores: Mapping[str, ray.ObjectRef], rank: int) -> None:
        self._rank = rank
        self._world_size = space.resources.workers_per_trial
        self._worker = _worker(space, stores, rank=rank)

    def join(self, address: str) -> None:
        join(address, rank=self._rank, world_size=self._world_size)

    def begin(self, point: Point, number: int, directory: Path, snapshot: dict[str, Any] | None) -> None:
        self._worker.begin(point, number=number, directory=directory, snapshot=snapshot)

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
