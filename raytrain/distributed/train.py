"""One training run: in this process, or on N workers of a Ray cluster under TorchTrainer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, get_context
from ray.train.torch import TorchTrainer, get_device
from rich.console import Console

from raytrain.callbacks.epoch_table import EpochTable
from raytrain.callbacks.metric_logger import MetricLogger, read_metrics
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.config.build import build_training, further_callbacks, stopping_callbacks
from raytrain.config.load import dump_yaml
from raytrain.config.parts import check_parts
from raytrain.config.schema import TrainConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.read import data_hash
from raytrain.data.segments import PARTS, Split
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.distributed.cluster import Cluster, connect
from raytrain.distributed.judge import Judgement, judge
from raytrain.distributed.report import CHECKPOINT_FILE, RayReport
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.fit import fit
from raytrain.engine.manifest import write_json, write_manifest
from raytrain.engine.run_directory import create_run_directory
from raytrain.engine.seeding import seed_everything
from raytrain.errors import RunError

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
    """

    directory: Path
    classes: tuple[str, ...]
    leaky: bool
    notes: tuple[str, ...]
    metric: str
    best_epoch: int
    history: list[dict[str, float]]
    judgements: dict[str, Judgement]


def run_training(
    config: TrainConfig,
    *,
    workers: int | None = None,
    runs_dir: Path = Path("runs"),
    name: str | None = None,
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
        address: An existing Ray cluster, with `workers`; a local one when absent.
        command: What the user typed, for the manifest.
        console: Where progress is shown.

    Raises:
        ConfigError: The configuration breaks a rule, or the cluster has too little for `workers`.
        DataError: The recordings or the split are not usable.
        RunError: Training failed.
    """
    console = console or Console()
    check_parts(config)
    recordings, split = read_and_split(config.data)
    store = prepare(recordings, split, config.windows, target=config.data.target)
    for part in PARTS:
        Windows(store, [part], config.windows)
    with ExitStack() as stack:
        # What can be refused is refused before the run has a folder, and so a name.
        cluster = None if workers is None else stack.enter_context(connect(address))
        scaling = None if workers is None or cluster is None else _scaling(config, cluster, workers)
        directory = create_run_directory(runs_dir, name=name, default=config.model.name)
        write_manifest(
            directory / "manifest.json",
            command=shlex.join(command),
            config=config.model_dump(mode="json"),
            data={
                "source": config.data.source,
                "sha256": data_hash(recordings),
                "recordings": len(recordings),
                "leaky": split.leaky,
            },
        )
        (directory / "config.yaml").write_text(dump_yaml(config), encoding="utf-8")
        if scaling is None:
            _train_here(config, store, directory, console)
        else:
            _train_on_ray(config, store, directory, scaling=scaling, console=console)
    return _finished(config, store, split, directory)


def _scaling(config: TrainConfig, cluster: Cluster, workers: int) -> ScalingConfig:
    use_gpu = config.device == "cuda" or (config.device == "auto" and cluster.gpus >= workers)
    bundle = {"CPU": float(config.threads), **({"GPU": 1.0} if use_gpu else {})}
    cluster.concurrent(bundle, workers)
    return ScalingConfig(num_workers=workers, use_gpu=use_gpu, resources_per_worker=bundle)


def _train_here(config: TrainConfig, store: SegmentStore, directory: Path, console: Console) -> None:
    torch.set_num_threads(config.threads)
    seed_everything(config.seed)
    callbacks = [
        *stopping_callbacks(config),
        *further_callbacks(config, directory, console=console),
        ModelCheckpoint(directory, monitor=config.metric, mode=config.direction, save_best_only=False),
        MetricLogger(directory / "metrics.jsonl"),
        EpochTable(console, monitor=config.metric, epochs=config.epochs),
    ]
    fit(build_training(config, store, callbacks=callbacks))


def _train_on_ray(
    config: TrainConfig, store: SegmentStore, directory: Path, *, scaling: ScalingConfig, console: Console
) -> None:
    trainer = TorchTrainer(
        _train_worker,
        train_loop_config={"config": config, "store": ray.put(store), "log": str(directory / "metrics.jsonl")},
        scaling_config=scaling,
        run_config=RunConfig(
            name="ray",
            storage_path=str(directory),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            failure_config=FailureConfig(max_failures=0),
        ),
    )
    with console.status(f"training on {scaling.num_workers} workers"):
        try:
            result = trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise RunError(f"training failed on a worker: {_innermost(error)}") from error
    if result.checkpoint is None:
        raise RunError(f"no epoch had a usable {config.metric}; see {directory / 'metrics.jsonl'}")
    with result.checkpoint.as_directory() as folder:
        write_checkpoint(directory / "best.pt", read_checkpoint(Path(folder) / CHECKPOINT_FILE))


def _train_worker(settings: dict[str, Any]) -> None:
    config: TrainConfig = settings["config"]
    torch.set_num_threads(config.threads)
    device = get_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    seed_everything(config.seed)
    context = get_context()
    log = Path(settings["log"])
    callbacks = [
        *stopping_callbacks(config),
        *further_callbacks(config, log.parent),
        MetricLogger(log),
        RayReport(monitor=config.metric, mode=config.direction),
    ]
    fit(
        build_training(
            config,
            ray.get(settings["store"]),
            callbacks=callbacks,
            rank=context.get_world_rank(),
            world_size=context.get_world_size(),
        )
    )


def _finished(config: TrainConfig, store: SegmentStore, split: Split, directory: Path) -> TrainResult:
    snapshot = read_checkpoint(directory / "best.pt")
    judgements = judge(config, store=store, snapshot=snapshot, parts=("validation", "test"))
    history = read_metrics(directory / "metrics.jsonl")
    write_json(
        directory / "result.json",
        {
            "best_epoch": snapshot["epoch"],
            "classes": split.classes,
            "leaky": split.leaky,
            "notes": split.notes,
        }
        | {part: {"metrics": one.metrics, "confusion": one.confusion} for part, one in judgements.items()},
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
    )


def _innermost(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
