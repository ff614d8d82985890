"""A trial over folds: one run per fold, all at the same epoch, worth what they are worth together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from raytrain.callbacks.early_stopping import improves
from raytrain.config.build import build_training, further_callbacks, stopping_callbacks
from raytrain.config.schema import TrainConfig
from raytrain.config.space import FoldsConfig, SpaceConfig
from raytrain.data.store import SegmentStore, store_key
from raytrain.engine.fit import Run
from raytrain.engine.seeding import restore_random_state, save_random_state, seed_everything
from raytrain.errors import RunError
from raytrain.tuning.fold_scores import aggregated, of_folds
from raytrain.tuning.model_facts import model_facts, wanted_facts
from raytrain.tuning.space import Point, train_config
from raytrain.types import Callback

__all__ = ["FoldRuns"]


class FoldRuns:
    """Runs the points of a sweep over folds; to its trial it is what a `Worker` is.

    One `advance` is one epoch of every fold. It reports each validation metric over the folds (their mean or the worst)
    under its usual name, and each fold's own as `val/fold=<name>/...`. So the scheduler compares configurations by what
    they are worth over all folds, and stops all folds of one at once; the best epoch is one epoch, common to all folds,
    and a refit on everything outside the test part trains for that many.

    The alternative is to train one fold to its end, then the next, and to stop a configuration once its first folds are
    significantly worse than those of the best. It saves little with the few folds that bearing data has: the one-sided
    Wilcoxon test that is used for it cannot reach p = 0.1 before the fourth fold, each fold before that costs a whole
    training, and the best epoch would be another one in every fold. On simulated learning curves of 5 folds and 27
    epochs, with the budget of 16 configurations trained in full, lock-step with ASHA (2 grace epochs) tries 70
    configurations and fold by fold 19; what it finds is better by a quarter of the standard deviation between
    configurations (tests/unit/tuning/test_fold_pruning.py).

    Each fold's run is the same, bit for bit, as if it were trained alone: the process's random generators are given
    to one run at a time. Early stopping watches the metric over all folds. A run that another callback stops ends the
    trial, since the folds could not stay together. What callbacks write goes to `fold-1`, `fold-2`, ... below the
    trial's folder. The signals of all folds are the same array.

    Args:
        space: The sweep, with `space.folds`.
        fetch: Returns the prepared signals of a preprocessing variant, with its folds.
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
        self._folds: dict[str, _FoldRun] = {}
        self._stopping: list[Callback] = []
        self._history: list[dict[str, float]] = []
        self._best: float | None = None
        self._stop_reason: str | None = None
        self._point: Point = {}
        self._facts: dict[str, float] = {}

    def begin(
        self,
        point: Point,
        *,
        number: int = 0,  # noqa: ARG002 - a worker takes it; folds are refused where trials copy each other
        directory: Path,
        snapshot: Mapping[str, Any] | None = None,
    ) -> None:
        """Set up the runs of `point`, from their start or from a snapshot; callbacks write into `directory`.

        Raises:
            RunError: The snapshot is of other folds.
        """
        self.end()
        config = train_config(self._space, point)
        store = self._fetch(store_key(config.windows))
        saved = {} if snapshot is None else snapshot["run"]["folds"]
        if snapshot is not None and list(saved) != list(store.folds):
            raise RunError(
                f"the checkpoint is of the folds {', '.join(saved)}, the sweep has {', '.join(store.folds)}; "
                "resume with the recordings and folds it was made with"
            )
        torch.set_num_threads(config.threads)
        # Images that are kept are kept per run, so each fold gets its share of the limit.
        limit = config.image_cache_mb // len(store.folds)
        shared = config.model_copy(update={"image_cache_mb": limit})
        for index, name in enumerate(store.folds, start=1):
            folder = directory / f"fold-{index}"
            self._folds[name] = self._begin_fold(shared, store.fold(name), folder, saved.get(name))
        self._stopping = stopping_callbacks(config)
        wanted = wanted_facts(self._space)
        self._facts = model_facts(next(iter(self._folds.values())).run.training, wanted) if wanted else {}
        self._point = dict(point)
        self._history, self._best, self._stop_reason = [], None, None
        if snapshot is not None:
            self._restore(snapshot)

    @property
    def history(self) -> list[dict[str, float]]:
        """The metrics of every epoch so far, over the folds and of each."""
        return [dict(row) for row in self._history]

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or one was asked to be the last."""
        return self._stop_reason is not None or any(one.run.finished for one in self._running().values())

    def advance(self) -> dict[str, Any]:
        """Train one epoch of every fold and return the metrics over the folds and of each, as `Worker.advance` does.

        A trial that is at its end already, as one that was interrupted right after it, returns its last epoch again.
        """
        again = self.finished
        metrics = self._history[-1] if again else self._epoch()
        value = metrics[self._space.fixed.metric]
        improved = not again and improves(value, self._best, mode=self._space.fixed.direction)
        if improved:
            self._best = value
        return {
            **metrics,
            **self._facts,
            "epoch": len(self._history),
            "improved": improved,
            "finished": self.finished,
            "stop_reason": self._stop_reason or "",
        }

    def snapshot(self) -> dict[str, Any]:
        """Return what `begin` needs to go on from here; its `run` has the `folds`, the `history` and the `epoch`."""
        saved = {}
        for name, fold in self._running().items():
            with fold.its_random_state():
                saved[name] = fold.run.snapshot()
        run = {
            "folds": saved,
            "epoch": len(self._history),
            "history": [dict(row) for row in self._history],
            "stopping": [callback.state_dict() for callback in self._stopping],
            "stop_reason": self._stop_reason,
        }
        return {"run": run, "best": self._best, "point": self._point, "epoch": len(self._history)}

    def end(self) -> None:
        """Release the runs, if there are any."""
        for fold in self._folds.values():
            fold.run.close()
        self._folds = {}

    @property
    def _config(self) -> FoldsConfig:
        if self._space.folds is None:
            raise RunError("the space has no folds; a trial of it is a Worker")
        return self._space.folds

    def _begin_fold(
        self, config: TrainConfig, store: SegmentStore, directory: Path, saved: Mapping[str, Any] | None
    ) -> _FoldRun:
        seed_everything(config.seed)
        training = build_training(
            config,
            store,
            callbacks=further_callbacks(config, directory),
            rank=self._rank,
            world_size=self._world_size,
        )
        return _FoldRun(Run(training, resume=None if saved is None else dict(saved)))

    def _epoch(self) -> dict[str, float]:
        rows: dict[str, dict[str, float]] = {}
        for name, fold in self._running().items():
            with fold.its_random_state():
                rows[name] = fold.run.advance().metrics
        metrics = aggregated(list(rows.values()), self._config.aggregate)
        self._stop_reason = self._reason_to_stop(metrics)
        self._history.append({**metrics, **of_folds(rows)})
        return self._history[-1]

    def _restore(self, snapshot: Mapping[str, Any]) -> None:
        run = snapshot["run"]
        for callback, state in zip(self._stopping, run["stopping"], strict=True):
            callback.load_state_dict(state)
        self._history = [dict(row) for row in run["history"]]
        self._stop_reason = run["stop_reason"]
        self._best = snapshot["best"]

    def _reason_to_stop(self, metrics: dict[str, float]) -> str | None:
        for name, fold in self._folds.items():
            if fold.run.state.stop_reason is not None:
                return f"fold {name}: {fold.run.state.stop_reason}"
        first = next(iter(self._folds.values()))
        together = dataclasses.replace(first.run.state, metrics=metrics)
        for callback in self._stopping:
            callback.on_epoch_end(together)
        return together.stop_reason

    def _running(self) -> dict[str, _FoldRun]:
        if not self._folds:
            raise RunError("there is no run over folds; begin one first")
        return self._folds


class _FoldRun:
    """A run and the state of the process's random generators that belongs to it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._random = save_random_state()

    @contextmanager
    def its_random_state(self) -> Iterator[None]:
        restore_random_state(self._random)
        yield
        self._random = save_random_state()
