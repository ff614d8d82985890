"""A sweep from its space to its defended winner."""

from __future__ import annotations

import os
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray import tune
from ray.tune.logger import TBXLoggerCallback
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from rich.console import Console

from raytrain.config.load import apply_overrides, dump_yaml, load_yaml, validate
from raytrain.config.schema import WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.read import data_hash
from raytrain.data.segments import Split
from raytrain.data.store import SegmentStore, store_key
from raytrain.distributed.cluster import Cluster, connect
from raytrain.distributed.judge import judge, refit
from raytrain.distributed.report import CHECKPOINT_FILE
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.manifest import write_manifest
from raytrain.engine.run_directory import create_run_directory
from raytrain.errors import RunError
from raytrain.tuning.baselines import BaselineResult, best_baselines, start_baselines
from raytrain.tuning.live import LiveTable
from raytrain.tuning.records import Recorder, TrialRecord
from raytrain.tuning.results import Best, SweepResult
from raytrain.tuning.searcher import StudySearcher, create_study
from raytrain.tuning.space import check_space, extremes, grid_points, train_config
from raytrain.tuning.trial import Trial, bundles
from raytrain.tuning.variants import RAW, baseline_windows, prepare_variants, window_configs

__all__ = ["load_space", "run_sweep"]

Result = TypeVar("Result")


def load_space(source: Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> SpaceConfig:
    """Read a search space from a YAML file or a mapping, override dotted fields, and check all of it.

    Raises:
        ConfigError: One report of everything wrong with it.
    """
    settings = load_yaml(source) if isinstance(source, Path) else source
    where = str(source) if isinstance(source, Path) else "search space"
    space = validate(SpaceConfig, apply_overrides(settings, overrides or {}), where=where)
    check_space(space)
    return space


def run_sweep(
    space: SpaceConfig,
    *,
    runs_dir: Path = Path("runs"),
    name: str | None = None,
    address: str | None = None,
    command: Sequence[str] = (),
    console: Console | None = None,
) -> SweepResult:
    """Run a sweep on Ray and judge its winner.

    Everything that can be wrong with the request is found before the first trial starts.

    Args:
        space: What to search.
        runs_dir: Where the run's folder is made.
        name: Of the run; the space's name and the time when absent.
        address: An existing Ray cluster; a local one is started, and stopped, when absent.
        command: What the user typed, for the report and the manifest.
        console: Where progress is shown; the terminal when absent.

    Raises:
        ConfigError: The request breaks a rule.
        DataError: The recordings or the split are not usable.
        RunError: No trial could complete an epoch, or the disk is full.
    """
    console = console or Console()
    started = time.monotonic()
    recordings, split = read_and_split(space.fixed.data)
    configs = window_configs(space)
    with console.status("preparing the windows once for all trials"):
        wanted = [*configs, *([RAW] if space.baselines.names else [])]
        stores = prepare_variants(recordings, split, wanted, target=space.fixed.data.target)
        digest = data_hash(recordings)
    with connect(address) as cluster:
        concurrency = cluster.concurrent(bundles(space.resources).bundles[0], space.resources.workers_per_trial)
        directory = create_run_directory(runs_dir, name=name, default=space.name)
        text = shlex.join(command) or f"raytrain tune {space.name}"
        write_manifest(
            directory / "manifest.json",
            command=text,
            config=space.model_dump(mode="json"),
            data={
                "source": space.fixed.data.source,
                "sha256": digest,
                "recordings": len(recordings),
                "leaky": split.leaky,
            },
        )
        plan = _Plan(space, directory, split, stores, configs, cluster, concurrency, console)
        return _run(plan, command=text, started=started)


@dataclass(frozen=True, slots=True)
class _Plan:
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
        """Return how many trials are planned; a grid has no more than its points."""
        if self.space.search.algorithm != "grid":
            return self.space.search.trials
        return min(self.space.search.trials, sum(1 for _ in grid_points(self.space)))


def _run(plan: _Plan, *, command: str, started: float) -> SweepResult:
    space = plan.space
    references = {key: ray.put(store) for key, store in plan.stores.items()}
    baseline_tasks: list[ray.ObjectRef] = []
    if space.baselines.names:
        windows = baseline_windows(plan.windows, plan.stores, limit=space.baselines.max_windows)
        baseline_tasks = start_baselines(space, references[store_key(RAW)], windows)
    recorder = Recorder(space, plan.directory / "events.jsonl")
    interrupted = _tune(plan, references, recorder)
    records = tuple(recorder.records.values())
    if records and all(record.status == "failed" for record in records):
        first = records[0]
        raise RunError(
            f"all {len(records)} trials failed; trial {first.number} said: {first.reason}\n"
            f"  details are in {first.directory or plan.directory}"
        )
    baselines = _collected(baseline_tasks, metric=space.fixed.metric, wait=not interrupted)
    best = _judged(plan, references, records, interrupted=interrupted)
    result = SweepResult(
        name=space.name,
        directory=plan.directory,
        command=command,
        metric=space.fixed.metric,
        algorithm=space.search.algorithm + (" with ASHA" if space.scheduler.name == "asha" else ""),
        classes=plan.split.classes,
        leaky=plan.split.leaky,
        notes=plan.split.notes,
        seconds=time.monotonic() - started,
        interrupted=interrupted,
        trials=records,
        baselines=tuple(baselines),
        best=best,
    )
    result.save()
    return result


def _tune(plan: _Plan, references: Mapping[str, ray.ObjectRef], recorder: Recorder) -> bool:
    """Run the trials; return whether Ctrl-C ended them early."""
    space = plan.space
    searcher = StudySearcher(space, create_study(space, plan.directory / "study.journal"))
    live = LiveTable(recorder, space, plan.trials, plan.console)
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(Trial, space=space, stores=dict(references)), bundles(space.resources)
        ),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=_scheduler(space),
            num_samples=plan.trials,
            max_concurrent_trials=min(plan.concurrency, plan.trials),
            time_budget_s=space.search.time_budget_s,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(plan.directory),
            callbacks=[recorder, live, TBXLoggerCallback()],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    live.start()
    with _interruptible(plan.console) as interruption:
        try:
            tuner.fit()
        finally:
            live.stop()
            searcher.close()
            recorder.close(reason="by Ctrl-C" if interruption.happened else "by the time budget")
    return interruption.happened


@dataclass(slots=True)
class _Interruption:
    happened: bool = False


@contextmanager
def _interruptible(console: Console) -> Iterator[_Interruption]:
    """Turn the first Ctrl-C into Tune's orderly stop, which it does on SIGUSR1; the second one ends at once."""
    interruption = _Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(_number: int, _frame: object) -> None:
        interruption.happened = True
        signal.signal(signal.SIGINT, before)
        console.print("stopping: what is done is kept (Ctrl-C again to give that up)", style="yellow")
        os.kill(os.getpid(), signal.SIGUSR1)

    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    signal.signal(signal.SIGINT, stop)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)
        del os.environ["TUNE_DISABLE_SIGINT_HANDLER"]


def _scheduler(space: SpaceConfig) -> TrialScheduler:
    if space.scheduler.name == "none":
        return FIFOScheduler()
    varied = space.parameters.get("epochs")
    epochs = max(extremes(varied)) if varied is not None else space.fixed.epochs
    return ASHAScheduler(
        time_attr="epoch",
        metric=space.fixed.metric,
        mode=space.fixed.direction,
        max_t=epochs,
        grace_period=min(space.scheduler.grace_epochs, epochs),
        reduction_factor=space.scheduler.reduction_factor,
    )


def _collected(tasks: Sequence[ray.ObjectRef], *, metric: str, wait: bool) -> list[BaselineResult]:
    """Return each baseline's best result; after an interruption only of those that are ready."""
    ready, late = ray.wait(list(tasks), num_returns=len(tasks), timeout=None if wait else 0) if tasks else ([], [])
    for task in late:
        ray.cancel(task)
    results = [one for batch in ray.get(ready) for one in batch]
    return best_baselines(results, metric=metric)


def _judged(
    plan: _Plan, references: Mapping[str, ray.ObjectRef], records: Sequence[TrialRecord], *, interrupted: bool
) -> Best | None:
    """Evaluate the winner's checkpoint again, test it, and (unless interrupted) refit and test that."""
    space = plan.space
    sign = -1.0 if space.fixed.direction == "max" else 1.0
    candidates = [record for record in records if record.best is not None and record.checkpoint]
    if not candidates:
        return None
    winner = min(candidates, key=lambda record: (sign * (record.value(space.fixed.metric) or 0.0), record.number))
    snapshot = read_checkpoint(Path(winner.checkpoint) / CHECKPOINT_FILE)
    config = train_config(space, winner.point)
    call = partial(_call, plan, references, store_key(config.windows))
    with plan.console.status("judging the best checkpoint"):
        judgements = call(partial(judge, config, snapshot=snapshot["run"], parts=("validation", "test")))
    folder = plan.directory / "best"
    write_checkpoint(folder / CHECKPOINT_FILE, snapshot["run"])
    (folder / "config.yaml").write_text(dump_yaml(config), encoding="utf-8")
    refit_test = None
    if space.refit and not interrupted:
        with plan.console.status("training the best configuration once more, on training and validation parts"):
            refitted, refit_test = call(partial(refit, config, epochs=snapshot["run"]["epoch"]))
        write_checkpoint(folder / "refit.pt", refitted)
    return Best(
        trial=winner.number,
        point=winner.point,
        config=config.model_dump(mode="json"),
        epoch=snapshot["run"]["epoch"],
        reported=snapshot["best"],
        judgements=judgements,
        refit_test=refit_test,
    )


def _call(plan: _Plan, references: Mapping[str, ray.ObjectRef], key: str, function: Callable[..., Result]) -> Result:
    """Call `function(store=...)` on hardware like a trial's.

    On a cluster of this one machine, without GPUs, that is this process: starting another takes seconds.
    """
    resources = plan.space.resources
    if plan.cluster.nodes == 1 and not resources.gpus_per_worker:
        return function(store=plan.stores[key])
    task = ray.remote(function).options(num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker)
    result: Result = ray.get(task.remote(store=references[key]))
    return result
