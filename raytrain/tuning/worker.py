"""One rank of a trial: it begins a point, advances it epoch by epoch, and keeps nothing of it for the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from raytrain.callbacks.early_stopping import improves
from raytrain.config.build import build_training, further_callbacks, stopping_callbacks
from raytrain.config.space import SpaceConfig
from raytrain.data.store import SegmentStore, store_key
from raytrain.engine.fit import Run
from raytrain.engine.seeding import seed_everything
from raytrain.errors import RunError
from raytrain.tuning.lineage import Segment, continued, go_on
from raytrain.tuning.model_facts import model_facts, wanted_facts
from raytrain.tuning.space import Point, train_config

__all__ = ["Worker"]


class Worker:
    """Runs the points of a sweep one after another in the same process.

    Everything a run draws on is made anew by `begin`: seeds, model, optimizer, loaders. What stays is the process,
    its imports and the shared signals, which no run can write to.

    Args:
        space: The sweep.
        fetch: Returns the prepared signals of a preprocessing variant.
        rank: This worker among those of the trial.
        world_size: Workers of the trial; with more than one, the process group is initialised by the caller.
    """

    def __init__(
        self, space: SpaceConfig, fetch: Callable[[str], SegmentStore], *, rank: int = 0, world_size: int = 1
    ) -> None:
        self._space = space
        self._fetch = fetch
        self._rank = rank
        self._world_size = world_size
        self._run: Run | None = None
        self._point: Point = {}
        self._best: float | None = None
        self._lineage: list[dict[str, Any]] = []
        self._facts: dict[str, float] = {}

    def begin(
        self, point: Point, *, number: int = 0, directory: Path, snapshot: Mapping[str, Any] | None = None
    ) -> None:
        """Set up the run of `point`, from its start or from a snapshot; its callbacks write into `directory`.

        A snapshot of another point lends its weights and states, and the run goes on with this point's settings.

        Args:
            point: Its parameters.
            number: Of the trial, from 0.
            directory: Its folder.
            snapshot: Of this trial, or of one that it copies.
        """
        self.end()
        config = train_config(self._space, point)
        torch.set_num_threads(config.threads)
        seed_everything(config.seed)
        training = build_training(
            config,
            self._fetch(store_key(config.windows)),
            callbacks=[*stopping_callbacks(config), *further_callbacks(config, directory)],
            rank=self._rank,
            world_size=self._world_size,
        )
        self._point = dict(point)
        self._best = None if snapshot is None else snapshot["best"]
        resume, known, epoch = None, [], 0
        if snapshot is not None:
            known, epoch = snapshot["lineage"], snapshot["epoch"]
            resume = go_on(snapshot["run"], training, before=Segment(**known[-1]).train_config(), after=config)
        self._lineage = continued(known, epoch=epoch, trial=number, config=config)
        self._run = Run(training, resume=resume)
        wanted = wanted_facts(self._space)
        self._facts = model_facts(training, wanted) if wanted else {}

    @property
    def history(self) -> list[dict[str, float]]:
        """The metrics of every epoch so far."""
        return [dict(row) for row in self._running().state.history]

    def advance(self) -> dict[str, Any]:
        """Train one epoch and return its metrics, whether they are the best so far, and whether the run is at its end.

        A run that is at its end already, as one that was interrupted right after it, returns its last epoch again.
        """
        run = self._running()
        again = run.finished
        state = run.state if again else run.advance()
        value = state.metrics[self._space.fixed.metric]
        improved = not again and improves(value, self._best, mode=self._space.fixed.direction)
        if improved:
            self._best = value
        return {
            **state.metrics,
            **self._facts,
            "epoch": state.progress.epoch,
            "improved": improved,
            "finished": run.finished,
            "stop_reason": state.stop_reason or "",
        }

    def snapshot(self) -> dict[str, Any]:
        """Return what `begin` needs to go on from here."""
        run = self._running()
        return {
            "run": run.snapshot(),
            "best": self._best,
            "point": self._point,
            "epoch": run.state.progress.epoch,
            "lineage": self._lineage,
        }

    def end(self) -> None:
        """Release the run, if there is one."""
        if self._run is not None:
            self._run.close()
            self._run = None

    def _running(self) -> Run:
        if self._run is None:
            raise RunError("the worker has no run; begin one first")
        return self._run
