"""A sweep from its space to its defended winner."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.error import TuneError
from ray.tune.logger import TBXLoggerCallback
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from rich.console import Console

from raytrain.config.load import apply_overrides, load_yaml, validate
from raytrain.config.space import SpaceConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.folds import Fold, fold_split
from raytrain.data.read import data_hash, read_recordings
from raytrain.data.recording import Recording
from raytrain.data.segments import Split
from raytrain.data.store import store_key
from raytrain.distributed.cluster import connect
from raytrain.engine.manifest import write_manifest
from raytrain.engine.run_directory import create_run_directory
from raytrain.errors import RunError
from raytrain.tuning.baselines import BaselineResult, best_baselines, start_baselines
from raytrain.tuning.confirming import confirm
from raytrain.tuning.interruption import interruptible, run_error
from raytrain.tuning.live import LiveTable
from raytrain.tuning.plan import Plan
from raytrain.tuning.records import Recorder
from raytrain.tuning.results import SweepResult
from raytrain.tuning.searcher import StudySearcher, create_study
from raytrain.tuning.space import check_space, check_teachers, extremes
from raytrain.tuning.trial import Trial, bundles
from raytrain.tuning.variants import RAW, baseline_windows, prepare_variants, window_configs
from raytrain.tuning.verdict import judge_best

__all__ = ["load_space", "run_sweep"]


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
    check_teachers(space)
    recordings, split, folds = _divided(space)
    configs = window_configs(space)
    with console.status("preparing the windows once for all trials"):
        wanted = [*configs, *([RAW] if space.baselines.names else [])]
        stores = prepare_variants(recordings, split, wanted, target=space.fixed.data.target, folds=folds)
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
        plan = Plan(space, directory, split, stores, configs, cluster, concurrency, console)
        return _run(plan, command=text, started=started)


def _run(plan: Plan, *, command: str, started: float) -> SweepResult:
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
    confirmation = None if interrupted else confirm(plan, references, records, baselines)
    confirmed = None if confirmation is None else confirmation.best
    best = judge_best(plan, references, records, interrupted=interrupted, confirmed=confirmed)
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
        confirmation=confirmation,
    )
    result.save()
    return result


def _divided(space: SpaceConfig) -> tuple[list[Recording], Split, Sequence[Fold]]:
    """Return the recordings, how they are divided, and the folds of what is not tested where there are some."""
    if space.folds is None:
        return *read_and_split(space.fixed.data), ()
    recordings = read_recordings(space.fixed.data)
    folded = fold_split(recordings, space.fixed.data, space.folds)
    return recordings, folded.split, folded.folds


def _tune(plan: Plan, references: Mapping[str, ray.ObjectRef], recorder: Recorder) -> bool:
    """Run the trials; return whether Ctrl-C ended them early."""
    space = plan.space
    searcher = StudySearcher(space, create_study(space, plan.directory / "study.journal"))
    live = LiveTable(recorder, space, plan.trials, plan.console)
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(Trial, space=space, stores=dict(references), folder=plan.directory / "trials"),
            bundles(space.resources),
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
    with interruptible(plan.console) as interruption:
        try:
            tuner.fit()
        except (OSError, TuneError) as error:
            raise run_error(error, plan.directory) from error
        finally:
            live.stop()
            searcher.close()
            recorder.close(reason="by Ctrl-C" if interruption.happened else "by the time budget")
    return interruption.happened


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
