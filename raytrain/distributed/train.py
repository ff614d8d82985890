"""One training run: in this process, or on N workers of a Ray cluster under TorchTrainer."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchTrainer, get_device
from rich.console import Console

from raytrain.callbacks.epoch_table import EpochTable
from raytrain.callbacks.metric_logger import MetricLogger, read_metrics
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.config.build import build_training, further_callbacks, stopping_callbacks
from raytrain.config.load import dump_yaml
from raytrain.config.parts import check_parts
from raytrain.config.schema import TrainConfig
from raytrain.config.teacher import find_teacher
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.read import data_hash
from raytrain.data.segments import PARTS, Split
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.distributed.cluster import Cluster, connect
from raytrain.distributed.judge import Judgement, compare_with_teacher, judge
from raytrain.distributed.notebook_console import console_here
from raytrain.distributed.resume import check_data, check_unchanged, is_finished, where_it_stands
from raytrain.engine.checkpoint import BEST, Newest, read_checkpoint, write_atomically
from raytrain.engine.comparison import TeacherStudentComparison
from raytrain.engine.fit import fit
from raytrain.engine.manifest import record_resume, write_json, write_manifest
from raytrain.engine.run_directory import claimed, create_run_directory
from raytrain.engine.seeding import seed_everything
from raytrain.errors import ConfigError, RunError
from raytrain.types import Callback

__all__ = ["TrainResult", "run_training"]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished run.

    Attributes:
        directory: Where its files are.
        classes: The classes, in the order of the confusion matrices.
        leaky: True when parts share recordings.
        notes: What a reader must know of the split.
        metric: What the best epoch was chosen by.
        best_epoch: The epoch of the best checkpoint.
        history: The metrics of every epoch.
        judgements: The best checkpoint on `validation` and `test`.
        comparison: The run's teacher and its student on the test part, where it learned from one.
    """

    directory: Path
    classes: tuple[str, ...]
    leaky: bool
    notes: tuple[str, ...]
    metric: str
    best_epoch: int
    history: list[dict[str, float]]
    judgements: dict[str, Judgement]
    comparison: TeacherStudentComparison | None = None

    def __repr__(self) -> str:
        score = self.judgements["test"].metrics["test/macro_f1"]
        epochs = f"best epoch {self.best_epoch} of {len(self.history)}"
        return f"<TrainResult in {self.directory}: {epochs}, test/macro_f1 {score:.4f}>"


def run_training(
    config: TrainConfig,
    *,
    workers: int | None = None,
    runs_dir: Path = Path("runs"),
    name: str | None = None,
    resume: Path | None = None,
    address: str | None = None,
    command: Sequence[str] = (),
    console: Console | None = None,
) -> TrainResult:
    """Train one configuration and judge its best epoch on validation and test parts.

    Args:
        config: The run.
        workers: Ranks of DistributedDataParallel on Ray; None trains in this process, without Ray.
        runs_dir: Where the run's folder is made.
        name: Of the run; the model's name and the time when absent.
        resume: The folder of an interrupted run of the same configuration, which goes on there from its newest whole
            checkpoint, with any number of workers; a finished one is judged again.
        address: An existing Ray cluster, with `workers`; a local one when absent.
        command: What the user typed, for the manifest.
        console: Where progress is shown; the terminal, or the running cell of a notebook, when absent.

    Raises:
        ConfigError: The configuration breaks a rule, or is not that of the run to resume; or the cluster has too
            little for `workers`.
        DataError: The recordings or the split are not usable, or not those of the run to resume.
        RunError: Training failed, all checkpoints are damaged, or another process trains in the folder.
    """
    console = console or console_here()
    check_parts(config)
    find_teacher(config)
    if resume is not None:
        if name is not None:
            raise ConfigError(f"--name {name}: a resumed run keeps its name and folder; leave --name out")
        check_unchanged(config, resume)
    recordings, split = read_and_split(config.data)
    data: dict[str, Any] = {
        "source": config.data.source,
        "sha256": data_hash(recordings),
        "recordings": len(recordings),
        "leaky": split.leaky,
    }
    if resume is not None:
        check_data(resume, data["sha256"])
    store = prepare(recordings, split, config.windows, target=config.data.target)
    for part in PARTS:
        Windows(store, [part], config.windows)
    with ExitStack() as stack:
        # What can be refused is refused before the run has a folder, and so a name.
        cluster = None if workers is None else stack.enter_context(connect(address))
        scaling = None if workers is None or cluster is None else _scaling(config, cluster, workers)
        if resume is None:
            directory = create_run_directory(runs_dir, name=name, default=config.model.name)
            stack.enter_context(claimed(directory))
            newest = _begin(config, directory, data=data, command=shlex.join(command))
        else:
            directory = resume.resolve()
            stack.enter_context(claimed(directory))
            newest = _go_on(config, directory, command=shlex.join(command), workers=workers, console=console)
        if newest.snapshot is None or not is_finished(newest.snapshot, config):
            with _how_to_resume(directory, console):
                if scaling is None:
                    _train_here(config, store, directory, resume=newest.snapshot, console=console)
                else:
                    _train_on_ray(config, store, directory, resume=newest.path, scaling=scaling, console=console)
    return _finished(config, store, split, directory)


def _begin(config: TrainConfig, directory: Path, *, data: dict[str, Any], command: str) -> Newest:
    """Write what the run is made of; the configuration last, so that a run that has one can be resumed."""
    settings = config.model_dump(mode="json")
    write_manifest(directory / "manifest.json", command=command, config=settings, data=data)
    write_atomically(directory / "config.yaml", dump_yaml(config).encode())
    return Newest(path=None, snapshot=None, damaged={})


def _go_on(config: TrainConfig, directory: Path, *, command: str, workers: int | None, console: Console) -> Newest:
    newest = where_it_stands(directory, config, console)
    at = newest.snapshot or {"epoch": 0, "step": 0}
    where = {"workers": workers, "epoch": at["epoch"], "step": at["step"]}
    record_resume(directory / "manifest.json", command=command, where=where)
    return newest


@contextmanager
def _how_to_resume(directory: Path, console: Console) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        told = (
            f"interrupted; `raytrain train --resume {shlex.quote(str(directory))}` goes on from the latest checkpoint"
        )
        console.print(told, highlight=False, markup=False, soft_wrap=True)
        raise


def _scaling(config: TrainConfig, cluster: Cluster, workers: int) -> ScalingConfig:
    use_gpu = config.device == "cuda" or (config.device == "auto" and cluster.gpus >= workers)
    bundle = {"CPU": float(config.threads), **({"GPU": 1.0} if use_gpu else {})}
    cluster.concurrent(bundle, workers)
    return ScalingConfig(num_workers=workers, use_gpu=use_gpu, resources_per_worker=bundle)


def _callbacks(config: TrainConfig, directory: Path, console: Console) -> list[Callback]:
    """Return a run's callbacks, the same with any number of workers, so that it can be resumed with any."""
    steps = config.checkpoint_steps
    return [
        *stopping_callbacks(config),
        *further_callbacks(config, directory, console=console),
        ModelCheckpoint(
            directory, monitor=config.metric, mode=config.direction, save_best_only=False, every_steps=steps
        ),
        MetricLogger(directory / "metrics.jsonl"),
        EpochTable(console, monitor=config.metric, epochs=config.epochs),
    ]


def _train_here(
    config: TrainConfig, store: SegmentStore, directory: Path, *, resume: dict[str, Any] | None, console: Console
) -> None:
    torch.set_num_threads(config.threads)
    seed_everything(config.seed)
    fit(build_training(config, store, callbacks=_callbacks(config, directory, console)), resume=resume)


def _train_on_ray(
    config: TrainConfig,
    store: SegmentStore,
    directory: Path,
    *,
    resume: Path | None,
    scaling: ScalingConfig,
    console: Console,
) -> None:
    # Ray Train takes up what it finds under the name; where the run goes on is ours to say.
    shutil.rmtree(directory / "ray", ignore_errors=True)
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"config": config, "store": ray.put(store), "directory": directory, "resume": resume},
        scaling_config=scaling,
        run_config=RunConfig(name="ray", storage_path=str(directory), failure_config=FailureConfig(max_failures=0)),
    )
    with console.status(f"training on {scaling.num_workers} workers"):
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise RunError(f"training failed on a worker: {_innermost(error)}") from error


def _train_worker(settings: dict[str, Any]) -> None:
    config: TrainConfig = settings["config"]
    torch.set_num_threads(config.threads)
    device = get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    seed_everything(config.seed)
    context = get_context()
    training = build_training(
        config,
        ray.get(settings["store"]),
        callbacks=_callbacks(config, settings["directory"], Console(quiet=True)),
        rank=context.get_world_rank(),
        world_size=context.get_world_size(),
    )
    fit(training, resume=None if settings["resume"] is None else read_checkpoint(settings["resume"]))


def _finished(config: TrainConfig, store: SegmentStore, split: Split, directory: Path) -> TrainResult:
    if not (directory / BEST).is_file():
        raise RunError(f"no epoch had a usable {config.metric}; see {directory / 'metrics.jsonl'}")
    snapshot = read_checkpoint(directory / BEST)
    judgements = judge(config, store=store, snapshot=snapshot, parts=("validation", "test"))
    comparison = compare_with_teacher(config, store=store, snapshot=snapshot)
    history = read_metrics(directory / "metrics.jsonl")
    write_json(
        directory / "result.json",
        {
            "best_epoch": snapshot["epoch"],
            "classes": split.classes,
            "leaky": split.leaky,
            "notes": split.notes,
        }
        | {part: {"metrics": one.metrics, "confusion": one.confusion} for part, one in judgements.items()}
        | ({} if comparison is None else {"teacher_and_student": asdict(comparison)}),
    )
    return TrainResult(
        directory=directory,
        classes=split.classes,
        leaky=split.leaky,
        notes=split.notes,
        metric=config.metric,
        best_epoch=snapshot["epoch"],
        history=history,
        judgements=judgements,
        comparison=comparison,
    )


def _innermost(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
