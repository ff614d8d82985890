"""A sweep from its space to its defended winner; an interrupted one from where it stands."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import ray
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
from raytrain.distributed.notebook_console import console_here
from raytrain.engine.manifest import record_resume, write_manifest
from raytrain.engine.run_directory import claimed, create_run_directory
from raytrain.errors import DataError, RaytrainError, RunError
from raytrain.tuning.baselines import BaselineResult, best_baselines, start_baselines
from raytrain.tuning.confirming import confirm
from raytrain.tuning.continuation import Continuation, changed_data, continued, save_space
from raytrain.tuning.experience import experience_of
from raytrain.tuning.exploration import check_population
from raytrain.tuning.plan import Plan, planned_trials
from raytrain.tuning.recorded_study import continue_study, create_study
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult
from raytrain.tuning.search import run_trials
from raytrain.tuning.sole_writer import sole_writer
from raytrain.tuning.space import check_space, check_teachers
from raytrain.tuning.storage import close_study
from raytrain.tuning.storage_location import StudyLocation, locate, masked, read_location, save_location
from raytrain.tuning.trial import bundles
from raytrain.tuning.variants import RAW, baseline_windows, prepare_variants, window_configs
from raytrain.tuning.verdict import judge_best

__all__ = ["load_space", "run_sweep"]

_SCHEDULERS = {
    "none": "",
    "asha": " with ASHA",
    "hyperband": " with HyperBand",
    "median": " with median stopping",
    "pbt": " with population based training",
}


def load_space(source: Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> SpaceConfig:
    """Read a search space from a YAML file or a mapping, override dotted fields, and check all of it.

    Raises:
        ConfigError: One report of everything wrong with it.
    """
    settings = load_yaml(source) if isinstance(source, Path) else source
    where = str(source) if isinstance(source, Path) else "search space"
    space = validate(SpaceConfig, apply_overrides(settings, overrides or {}), where=where)
    check_space(space)
    check_population(space)
    return space


def run_sweep(
    space: SpaceConfig,
    *,
    runs_dir: Path = Path("runs"),
    name: str | None = None,
    resume: Continuation | None = None,
    warm_start: Sequence[Path] = (),
    storage: str | None = None,
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
        resume: An interrupted or finished sweep to go on with, in its folder, instead of a new one.
        warm_start: Folders of earlier sweeps whose trials teach this one where to look.
        storage: Where the study is kept (`raytrain.tuning.storage`); a journal in the run's folder when absent.
        address: An existing Ray cluster; a local one is started, and stopped, when absent.
        command: What the user typed, for the report and the manifest.
        console: Where progress is shown; the terminal, or the running cell of a notebook, when absent.

    Raises:
        ConfigError: The request breaks a rule, or is not that of the sweep to resume.
        DataError: The recordings or the split are not usable, or not those of the sweep to resume.
        RunError: No trial could complete an epoch, the disk is full, or another process runs the sweep.
    """
    console = console or console_here()
    started = time.monotonic()
    space, changes = (space, []) if resume is None else continued(space, resume)
    check_teachers(space)
    experience = experience_of(warm_start, space)
    recordings, split, folds = _divided(space)
    digest = data_hash(recordings)
    changes += [] if resume is None else _changed_data(resume, digest)
    configs = window_configs(space)
    with console.status("preparing the windows once for all trials"):
        wanted = [*configs, *([RAW] if space.baselines.names else [])]
        stores = prepare_variants(recordings, split, wanted, target=space.fixed.data.target, folds=folds)
    with ExitStack() as stack:
        cluster = stack.enter_context(connect(address))
        concurrency = cluster.concurrent(bundles(space.resources).bundles[0], space.resources.workers_per_trial)
        text = masked(shlex.join(command)) or f"raytrain tune {space.name}"
        if resume is None:
            directory = create_run_directory(runs_dir, name=name, default=space.name)
            stack.enter_context(claimed(directory))
            with _gone_if_refused(directory):
                location = locate(storage, directory, directory.name)
                study = _recorded(stack, location, partial(create_study, space))
            save_location(directory, location)
            data = {"source": space.fixed.data.source, "sha256": digest, "recordings": len(recordings)}
            _begin(space, directory, data=data | {"leaky": split.leaky}, command=text)
        else:
            directory = resume.directory.resolve()
            stack.enter_context(claimed(directory))
            location = read_location(directory, storage)
            study = _recorded(stack, location, partial(continue_study, space))
            save_location(directory, location)
            planned = planned_trials(space, study.get_trials(deepcopy=False))
            _go_on(space, directory, planned=planned, forced=changes, command=text)
        plan = Plan(
            space, directory, location, study, experience, split, stores, configs, cluster, concurrency, console
        )
        return _run(plan, command=text, started=started)


def _recorded(stack: ExitStack, location: StudyLocation, find: Callable[[StudyLocation], optuna.Study]) -> optuna.Study:
    """Return the study that records the sweep, held by this process and closed with `stack`."""
    stack.enter_context(sole_writer(location))
    study = find(location)
    stack.callback(close_study, study)
    return study


@contextmanager
def _gone_if_refused(directory: Path) -> Iterator[None]:
    """Take the folder of a new run away again where its storage cannot be used."""
    try:
        yield
    except RaytrainError:
        shutil.rmtree(directory)
        raise


def _changed_data(how: Continuation, digest: str) -> list[str]:
    """Return how the recordings changed, where that is forced.

    Raises:
        DataError: They are others than those the sweep began with, and nobody insists.
    """
    changed = changed_data(how.directory, digest)
    if changed is None:
        return []
    if not how.force:
        raise DataError(
            f"--resume {how.directory}: the sweep began with {changed}; bring those back, start a new sweep with "
            "--warm-start-from, or use --force, which the manifest then tells"
        )
    return [changed]


def _begin(space: SpaceConfig, directory: Path, *, data: dict[str, Any], command: str) -> None:
    """Write what the sweep is made of; the space last, so that a folder that has it can be resumed."""
    config = space.model_dump(mode="json")
    write_manifest(directory / "manifest.json", command=command, config=config, data=data)
    save_space(directory, space)


def _go_on(space: SpaceConfig, directory: Path, *, planned: int, forced: list[str], command: str) -> None:
    """Write down that the sweep goes on, and with what."""
    where = {"planned_trials": planned, "forced": forced}
    record_resume(directory / "manifest.json", command=command, where=where)
    save_space(directory, space)


def _run(plan: Plan, *, command: str, started: float) -> SweepResult:
    space = plan.space
    references = {key: ray.put(store) for key, store in plan.stores.items()}
    # Where trials leave no CPU free, the baselines would take theirs, and make the first trial wait.
    of_a_trial = space.resources.workers_per_trial * space.resources.cpus_per_worker
    beside = plan.cluster.cpus >= plan.concurrency * of_a_trial + 1
    tasks = _baselines(plan, references) if beside else []
    records, interrupted = run_trials(plan, references)
    _check_some_succeeded(plan, records)
    tasks = tasks or ([] if interrupted else _baselines(plan, references))
    baselines = _collected(tasks, metric=space.fixed.metric, wait=not interrupted)
    confirmation = None if interrupted else confirm(plan, references, records, baselines)
    confirmed = None if confirmation is None else confirmation.best
    best = judge_best(plan, references, records, interrupted=interrupted, confirmed=confirmed)
    result = SweepResult(
        name=space.name,
        directory=plan.directory,
        command=command,
        metric=space.fixed.metric,
        algorithm=space.search.algorithm + _SCHEDULERS[space.scheduler.name],
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


def _baselines(plan: Plan, references: Mapping[str, ray.ObjectRef]) -> list[ray.ObjectRef]:
    """Start the classical models; return their tasks."""
    if not plan.space.baselines.names:
        return []
    windows = baseline_windows(plan.windows, plan.stores, limit=plan.space.baselines.max_windows)
    return start_baselines(plan.space, references[store_key(RAW)], windows)


def _check_some_succeeded(plan: Plan, records: Sequence[TrialRecord]) -> None:
    if records and all(record.status == "failed" for record in records):
        first = records[0]
        raise RunError(
            f"all {len(records)} trials failed; trial {first.number} said: {first.reason}\n"
            f"  details are in {first.directory or plan.directory}"
        )


def _divided(space: SpaceConfig) -> tuple[list[Recording], Split, Sequence[Fold]]:
    """Return the recordings, how they are divided, and the folds of what is not tested where there are some."""
    if space.folds is None:
        return *read_and_split(space.fixed.data), ()
    recordings = read_recordings(space.fixed.data)
    folded = fold_split(recordings, space.fixed.data, space.folds)
    return recordings, folded.split, folded.folds


def _collected(tasks: Sequence[ray.ObjectRef], *, metric: str, wait: bool) -> list[BaselineResult]:
    """Return each baseline's best result; after an interruption only of those that are ready."""
    ready, late = ray.wait(list(tasks), num_returns=len(tasks), timeout=None if wait else 0) if tasks else ([], [])
    for task in late:
        ray.cancel(task)
    results = [one for batch in ray.get(ready) for one in batch]
    return best_baselines(results, metric=metric)
