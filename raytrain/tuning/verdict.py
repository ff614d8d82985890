"""The winner of a sweep, judged: its checkpoint evaluated again and tested, its configuration trained once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray

from raytrain.config.load import dump_yaml
from raytrain.config.schema import TrainConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.store import SegmentStore, store_key
from raytrain.distributed.judge import Judgement, judge, refit
from raytrain.distributed.report import CHECKPOINT_FILE
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.tuning.fold_verdict import FoldScore, judge_folds, refit_folds
from raytrain.tuning.lineage import SCHEDULE_FILE, write_schedule
from raytrain.tuning.plan import Plan
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import Best
from raytrain.tuning.space import train_config

__all__ = ["judge_best"]

Result = TypeVar("Result")


def judge_best(
    plan: Plan,
    references: Mapping[str, ray.ObjectRef],
    records: Sequence[TrialRecord],
    *,
    interrupted: bool,
    confirmed: int | None = None,
) -> Best | None:
    """Evaluate the winner's checkpoint again, test it, and (unless interrupted) refit and test that.

    Args:
        plan: The sweep.
        references: Its prepared signals.
        records: Its trials.
        interrupted: Whether it was ended early.
        confirmed: Number of the trial that won over several seeds, where that was asked for; by the sweep's score else.
    """
    space = plan.space
    sign = -1.0 if space.fixed.direction == "max" else 1.0
    candidates = [record for record in records if record.best is not None and record.checkpoint and record.feasible]
    if not candidates:
        return None
    scores = {record.number: sign * (record.value(space.fixed.metric) or 0.0) for record in candidates}
    winner = min(candidates, key=lambda one: (one.number != confirmed, scores[one.number], one.number))
    snapshot = read_checkpoint(Path(winner.checkpoint))
    point = snapshot["point"]  # of the checkpoint: a member of a population may have gone on with another
    config = train_config(space, point)
    call = partial(_call, plan, references, store_key(config.windows))
    with plan.console.status("judging the best checkpoint"):
        judgements, folds = call(partial(_judged, space, config, snapshot["run"]))
    folder = plan.directory / "best"
    write_checkpoint(folder / CHECKPOINT_FILE, snapshot["run"])
    (folder / "config.yaml").write_text(dump_yaml(config), encoding="utf-8")
    if space.scheduler.name == "pbt":
        write_schedule(
            folder / SCHEDULE_FILE,
            snapshot["lineage"],
            epochs=snapshot["epoch"],
            metric=space.fixed.metric,
            value=snapshot["best"],
        )
    refit_test = None
    if space.refit and not interrupted:
        with plan.console.status("training the best configuration once more, on training and validation parts"):
            history = snapshot["run"]["history"]
            again = refit if space.folds is None else refit_folds
            refitted, refit_test = call(partial(again, config, history=history, directory=folder / "refit"))
        write_checkpoint(folder / "refit.pt", refitted)
    return Best(
        trial=winner.number,
        point=point,
        config=config.model_dump(mode="json"),
        epoch=snapshot["run"]["epoch"],
        reported=snapshot["best"],
        judgements=judgements,
        refit_test=refit_test,
        folds=folds,
    )


def _judged(
    space: SpaceConfig, config: TrainConfig, snapshot: dict[str, Any], *, store: SegmentStore
) -> tuple[dict[str, Judgement], tuple[FoldScore, ...]]:
    if space.folds is not None:
        return judge_folds(config, store=store, snapshot=snapshot, aggregate=space.folds.aggregate)
    return judge(config, store=store, snapshot=snapshot, parts=("validation", "test")), ()


def _call(plan: Plan, references: Mapping[str, ray.ObjectRef], key: str, function: Callable[..., Result]) -> Result:
    """Call `function(store=...)` on hardware like a trial's.

    On a cluster of this one machine, without GPUs, that is this process: starting another takes seconds.
    """
    resources = plan.space.resources
    if plan.cluster.nodes == 1 and not resources.gpus_per_worker:
        return function(store=plan.stores[key])
    task = ray.remote(_applied).options(num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker)
    result: Result = ray.get(task.remote(function, references[key]))
    return result


def _applied(function: Callable[..., Result], store: SegmentStore) -> Result:
    """Call what Ray would not take for a task, because it is a partial function."""
    return function(store=store)
