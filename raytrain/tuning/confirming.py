"""Train the best configurations of a sweep again, on the cluster, with seeds that the sweep did not use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError

from raytrain.classical.build import CLASSICAL
from raytrain.config.schema import METRICS, WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.segments import PARTS
from raytrain.data.store import SegmentStore, store_key
from raytrain.engine.manifest import write_json
from raytrain.tuning.baselines import BaselineResult
from raytrain.tuning.comparing import confirmation_of
from raytrain.tuning.confirmation import Confirmation, ConfirmingRun, run_from
from raytrain.tuning.confirming_run import repeat_again, train_again
from raytrain.tuning.plan import Plan
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.space import train_config
from raytrain.tuning.variants import RAW

__all__ = ["confirm", "confirming_seeds", "finalists"]

FOLDER = "confirm"


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A run that is to be had.

    Attributes:
        candidate: Its name and its trial's number.
        seed: Of the run.
        file: Where it is kept.
        made_from: What the run follows from; one that is kept and was made from something else is made again.
        start: Starts its task.
    """

    candidate: tuple[str, int]
    seed: int
    file: Path
    made_from: str
    start: Callable[[], ray.ObjectRef]


def confirm(
    plan: Plan,
    references: Mapping[str, ray.ObjectRef],
    records: Sequence[TrialRecord],
    baselines: Sequence[BaselineResult],
) -> Confirmation | None:
    """Train the best configurations again with other seeds and compare them; None where that was not asked for.

    Runs are tasks with the resources of a trial's worker, as many at once as the cluster has room for. Each is kept in
    a file of its own as soon as it is done, and is not run again by a sweep that is resumed, unless its configuration
    or the signals have changed. One that failed is.

    Args:
        plan: The sweep.
        references: Its prepared signals, in Ray's object store.
        records: Its trials.
        baselines: Its classical models, each at its best window length; they are repeated with the same seeds.
    """
    space, metric = plan.space, plan.space.fixed.metric
    chosen = finalists(space, records)
    if not chosen:
        return None
    models = [one for one in baselines if not one.skipped]
    jobs = [*_trial_jobs(plan, references, chosen), *_baseline_jobs(plan, references, models)]
    try:
        runs = _runs(jobs, plan, f"confirming the best {len(chosen)}")
    except KeyboardInterrupt:
        plan.console.print("not confirmed; the runs that are done are kept for a sweep that resumes", style="yellow")
        return None
    seeds = confirming_seeds(space)
    tuned = {_name(one): float(one.best[metric]) for one in chosen if one.best is not None}
    store = next(iter(plan.stores.values()))
    return confirmation_of(
        {candidate: _for_each_seed(some, seeds) for candidate, some in runs.items()},
        tuned=tuned | {one.name: one.validation[metric] for one in models},
        metric=metric,
        tried=sum(record.best is not None for record in records),
        test_recordings=len({*store.recording[store.part == PARTS.index("test")].tolist()}),
        notes=_notes(space, chosen),
    )


def finalists(space: SpaceConfig, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials to confirm, best first: those that keep to every constraint, each configuration once."""
    metric = space.fixed.metric
    sign = -1.0 if METRICS[metric] == "max" else 1.0
    scored = [one for one in records if one.feasible and one.best is not None and one.checkpoint]
    found: dict[str, TrialRecord] = {}
    for record in sorted(scored, key=lambda one: (sign * (one.value(metric) or 0.0), one.number)):
        # Points that differ in their seed only are one configuration.
        content = {name: value for name, value in record.point.items() if name != "seed"}
        found.setdefault(json.dumps(content, sort_keys=True), record)
    return list(found.values())[: 0 if space.confirm is None else space.confirm.top]


def confirming_seeds(space: SpaceConfig) -> list[int]:
    """Return the seeds of the runs: those after the sweep's own, which it chose by, except any that it varied over."""
    count = 0 if space.confirm is None else space.confirm.seeds
    varied = space.parameters.get("seed")
    used = {space.fixed.seed, *getattr(varied, "values", ())}
    fresh = (seed % 2**32 for seed in range(space.fixed.seed + 1, space.fixed.seed + 1 + count + len(used)))
    return [seed for seed in fresh if seed not in used][:count]


def _trial_jobs(plan: Plan, references: Mapping[str, ray.ObjectRef], chosen: Sequence[TrialRecord]) -> list[_Job]:
    space, resources = plan.space, plan.space.resources
    task = ray.remote(train_again).options(
        num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker, max_retries=space.search.retries
    )
    digests = {key: _digest(store) for key, store in plan.stores.items()}
    jobs = []
    for record in chosen:
        for seed in confirming_seeds(space):
            config = train_config(space, {**record.point, "seed": seed})
            key = store_key(config.windows)
            folder = plan.directory / FOLDER / f"{record.number:05d}-{seed}"
            start = partial(task.remote, space, record.point, seed=seed, store=references[key], directory=folder)
            made_from = _described(config.model_dump(mode="json"), space, digests[key])
            jobs.append(_Job((_name(record), record.number), seed, folder.with_suffix(".json"), made_from, start))
    return jobs


def _baseline_jobs(plan: Plan, references: Mapping[str, ray.ObjectRef], models: Sequence[BaselineResult]) -> list[_Job]:
    """Return a job per seed for a model that is random, and a single one for each of the others."""
    task = ray.remote(repeat_again).options(num_cpus=1, max_retries=plan.space.search.retries)
    key, folds = store_key(RAW), plan.space.folds
    aggregate = "mean" if folds is None else folds.aggregate
    digest = _digest(plan.stores[key]) if models else ""
    jobs = []
    for model in models:
        windows = WindowConfig(length=model.window_length, normalize="none")
        for seed in confirming_seeds(plan.space)[: None if CLASSICAL[model.name].random else 1]:
            file = plan.directory / FOLDER / f"{model.name}-{seed}.json"
            made_from = _described({"name": model.name, "length": model.window_length}, plan.space, digest)
            start = partial(task.remote, references[key], windows, name=model.name, seed=seed, aggregate=aggregate)
            jobs.append(_Job((model.name, 0), seed, file, made_from, start))
    return jobs


def _runs(jobs: Sequence[_Job], plan: Plan, what: str) -> dict[tuple[str, int], list[ConfirmingRun]]:
    """Return the runs of each candidate, those that are kept as they are; the others are had from the cluster."""
    done = {job: run for job in jobs if (run := _kept(job)) is not None}
    with plan.console.status(f"{what}: {len(done)} of {len(jobs)} runs") as status:
        for job, run in _completed([job for job in jobs if job not in done]):
            done[job] = run
            status.update(f"{what}: {len(done)} of {len(jobs)} runs")
    runs: dict[tuple[str, int], list[ConfirmingRun]] = {}
    for job in jobs:
        runs.setdefault(job.candidate, []).append(done[job])
    return runs


def _completed(jobs: Sequence[_Job]) -> Iterator[tuple[_Job, ConfirmingRun]]:
    """Start all jobs, and yield each as it is done, once its file is written; on an error the others are ended."""
    pending = {job.start(): job for job in jobs}
    try:
        while pending:
            [reference], _ = ray.wait(list(pending), num_returns=1)
            job = pending[reference]
            try:
                run: ConfirmingRun = ray.get(reference)
            except RayError as error:
                run = ConfirmingRun(job.seed, 0, {}, {}, reason=str(error).strip().splitlines()[-1])
            if not run.reason:
                write_json(job.file, {"made_from": job.made_from, "run": asdict(run)})
            del pending[reference]
            yield job, run
    finally:
        for reference in pending:
            ray.cancel(reference, force=True)


def _kept(job: _Job) -> ConfirmingRun | None:
    """Return the run that an earlier session kept, if it was made from the same."""
    try:
        content = json.loads(job.file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, or not whole: it is made again
        return None
    return run_from(content["run"]) if content["made_from"] == job.made_from else None


def _for_each_seed(runs: Sequence[ConfirmingRun], seeds: Sequence[int]) -> list[ConfirmingRun]:
    """Return the runs in the order of the seeds; that of a model without a random part stands for every seed."""
    if len(runs) == 1:
        return [replace(runs[0], seed=seed) for seed in seeds]
    return list(runs)


def _described(content: Mapping[str, Any], space: SpaceConfig, digest: str) -> str:
    folds = None if space.folds is None else space.folds.model_dump(mode="json")
    text = json.dumps({"content": content, "folds": folds, "signals": digest}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(store: SegmentStore) -> str:
    """Return what changes with the signals and how they are divided."""
    arrays = (store.signal, store.offset, store.samples, store.part, store.target, *store.folds.values())
    digest = hashlib.blake2b("".join((*store.classes, *store.recording_ids, *store.folds)).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _name(record: TrialRecord) -> str:
    return f"trial {record.number}"


def _notes(space: SpaceConfig, chosen: Sequence[TrialRecord]) -> list[str]:
    notes = []
    stopped = [str(record.number) for record in chosen if record.status == "stopped"]
    if stopped:
        notes.append(f"ended early in the sweep, trained to the end here: trial {', '.join(stopped)}")
    if space.scheduler.name == "pbt":
        notes.append(
            "the trials of the population changed their settings while they trained; these runs have the last ones "
            "from the start, so their scores are of those settings, not of the schedule that was found"
        )
    workers = space.resources.workers_per_trial
    if workers > 1:
        notes.append(
            f"these runs have one worker each, the trials had {workers}: BatchNorm sees whole batches here"
            if space.fixed.batch_norm == "per_worker"
            else f"these runs have one worker each, the trials had {workers}"
        )
    return notes
