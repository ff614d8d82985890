"""One run with a seed that the sweep did not use, as a task of the cluster does it."""

from __future__ import annotations

import copy
import shutil
import time
from pathlib import Path
from typing import Any

from raytrain.config.schema import WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.store import SegmentStore
from raytrain.distributed.judge import judge
from raytrain.errors import RaytrainError, RunError
from raytrain.tuning.baselines import repeat_baseline
from raytrain.tuning.confirmation import ConfirmingRun
from raytrain.tuning.fold_scores import Aggregate
from raytrain.tuning.fold_verdict import judge_folds
from raytrain.tuning.folds import FoldRuns
from raytrain.tuning.space import Point, train_config
from raytrain.tuning.worker import Worker

__all__ = ["repeat_again", "train_again"]


def train_again(space: SpaceConfig, point: Point, *, seed: int, store: SegmentStore, directory: Path) -> ConfirmingRun:
    """Train a configuration with another seed to its own end, and judge its best epoch on validation and test.

    The best epoch is chosen as in a trial. No scheduler stops the run.

    Args:
        space: The sweep.
        point: The configuration.
        seed: In place of the configuration's.
        store: Its prepared signals.
        directory: Where the configuration's callbacks write.
    """
    started = time.monotonic()
    shutil.rmtree(directory, ignore_errors=True)  # what a run that was interrupted wrote
    try:
        epoch, validation, test = _trained(space, {**point, "seed": seed}, store, directory)
    except OSError:  # of the disk or the network, and none of the configuration's doing
        raise
    except Exception as error:  # noqa: BLE001 - whatever a configuration can bring about
        reason = str(error) if isinstance(error, RaytrainError) else f"{type(error).__name__}: {error}"
        return ConfirmingRun(seed, 0, {}, {}, time.monotonic() - started, reason)
    return ConfirmingRun(seed, epoch, validation, test, time.monotonic() - started)


def _trained(
    space: SpaceConfig, point: Point, store: SegmentStore, directory: Path
) -> tuple[int, dict[str, float], dict[str, float]]:
    runs = (Worker if space.folds is None else FoldRuns)(space, lambda _key: store)
    runs.begin(point, number=0, directory=directory)
    best: dict[str, Any] | None = None
    try:
        finished = False
        while not finished:
            row = runs.advance()
            finished = row["finished"]
            if row["improved"]:
                best = copy.deepcopy(runs.snapshot()["run"])
    finally:
        runs.end()
    if best is None:
        raise RunError(f"{space.fixed.metric} was never a finite number")
    config = train_config(space, point)
    if space.folds is None:
        judged = judge(config, store=store, snapshot=best, parts=("validation", "test"))
    else:
        judged, _ = judge_folds(config, store=store, snapshot=best, aggregate=space.folds.aggregate)
    return best["epoch"], judged["validation"].metrics, judged["test"].metrics


def repeat_again(
    store: SegmentStore, windows: WindowConfig, name: str, seed: int, aggregate: Aggregate
) -> ConfirmingRun:
    """Train a classical model again with another seed, and judge it on validation and test.

    Args:
        store: Raw signals.
        windows: What its features are computed from.
        name: The model.
        seed: Of its random part.
        aggregate: What it is worth over folds.
    """
    started = time.monotonic()
    [(validation, test)] = repeat_baseline(store, windows, name, seeds=[seed], aggregate=aggregate)
    return ConfirmingRun(seed, 0, validation, test, time.monotonic() - started)
