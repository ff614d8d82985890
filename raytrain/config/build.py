"""Turn a configuration into the parts it names. Parts never see configurations; this module does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from raytrain.callbacks.build import create_callbacks
from raytrain.callbacks.context import CallbackContext
from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.config.load import load_yaml, validate
from raytrain.config.parts import augmentation_steps
from raytrain.config.schema import TrainConfig
from raytrain.data.loaders import WindowLoader
from raytrain.data.segments import PartName
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.engine.checkpoint import evaluated_weights, read_checkpoint
from raytrain.engine.precision import Precision, best_precision, choose_device
from raytrain.engine.training import Training
from raytrain.errors import ConfigError
from raytrain.losses.build import create_criterion
from raytrain.losses.loss_data import LossData
from raytrain.models.build import create_model as create_network
from raytrain.objectives.build import create_objective
from raytrain.optim.build import create_optimizer, create_schedule
from raytrain.optim.schedule import RunLength
from raytrain.tfr.build import create_transform
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.types import BatchTransform, Callback

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "build_training",
    "build_transforms",
    "evaluation_loader",
    "further_callbacks",
    "loss_data",
    "stopping_callbacks",
]


def build_training(
    config: TrainConfig,
    store: SegmentStore,
    *,
    train: Sequence[PartName] = ("train",),
    validation: Sequence[PartName] | None = ("validation",),
    callbacks: Sequence[Callback] = (),
    rank: int = 0,
    world_size: int = 1,
) -> Training:
    """Assemble a run on the windows of `store`. The caller seeds the global generators first.

    Args:
        config: The run.
        store: Prepared signals, made for `config.windows`.
        train: Parts of the split to learn from.
        validation: Parts to judge each epoch by; None for none.
        callbacks: Called in order.
        rank: This worker.
        world_size: All workers.
    """
    device = choose_device(config.device)
    windows = Windows(store, train, config.windows, device=device)
    loader = WindowLoader(
        windows, batch_size=config.batch_size, shuffle=True, seed=config.seed, rank=rank, world_size=world_size
    )
    model = _network(config, store).to(device)
    optimizer = create_optimizer(config.optimizer.name, model, settings=config.optimizer.settings)
    length = RunLength(math.ceil(len(loader) / config.accumulation_steps), config.epochs)
    criterion = create_criterion(
        config.loss.name, data=loss_data(config, store, windows), settings=config.loss.settings
    )
    objective = create_objective(criterion, teacher=_teacher(config, store)).to(device)
    return Training(
        model=model,
        objective=objective,
        train=loader,
        validation=None
        if validation is None
        else evaluation_loader(config, store, validation, rank=rank, world_size=world_size),
        optimizer=optimizer,
        schedule=create_schedule(config.schedule.name, optimizer, length=length, settings=config.schedule.settings),
        precision=Precision(_precision(config, device), device),
        device=device,
        epochs=config.epochs,
        num_classes=len(store.classes),
        num_recordings=len(store.recording_ids),
        accumulation_steps=config.accumulation_steps,
        max_grad_norm=config.max_grad_norm,
        transforms=build_transforms(config, sample_rate_hz=store.fs_hz, model=model, objective=objective),
        seed=config.seed,
        callbacks=callbacks,
    )


def build_transforms(
    config: TrainConfig, *, sample_rate_hz: float, model: nn.Module, objective: nn.Module
) -> list[BatchTransform]:
    """Return what batches go through: augmentation of signals, the time-frequency transform, augmentation of images."""
    steps = augmentation_steps(config)
    on_signals = [step for step in steps if step.domain == "signal"]
    on_images = [step for step in steps if step.domain == "image"]
    images: list[TimeFrequencyTransform] = []
    if config.tfr.name != "none":
        images = [create_transform(config.tfr.name, sample_rate_hz=sample_rate_hz, settings=config.tfr.settings)]
    for step in on_signals:
        step.bind(_OnSignals(model, images[0]) if images else model, objective)
    for step in on_images:
        step.bind(model, objective)
    return [*on_signals, *images, *on_images]


class _OnSignals(nn.Module):
    """A model of images as one of signals, for an augmentation that asks it before the transform."""

    def __init__(self, model: nn.Module, transform: TimeFrequencyTransform) -> None:
        super().__init__()
        self.model = model
        self._transform = transform

    def forward(self, signal: Tensor, *, detailed: bool = False) -> Any:  # noqa: ANN401 - what the model returns
        return self.model(self._transform.transform(signal), detailed=detailed)


def loss_data(config: TrainConfig, store: SegmentStore, windows: Windows) -> LossData:
    """Return what a loss may learn of the windows that are trained on."""
    orders = np.unique(store.fault_orders[np.isin(store.recording, windows.recordings)], axis=0)
    known = len(orders) == 1 and not np.isnan(orders).any()
    bpfo, bpfi, ball, cage = orders[0].tolist()
    return LossData(
        targets=torch.from_numpy(windows.targets),
        classes=store.classes,
        sample_rate_hz=store.fs_hz,
        window_samples=config.windows.length,
        hop_samples=config.windows.hop_samples,
        input=config.windows.input,
        fault_orders=(bpfo, bpfi, ball, cage) if known else None,
        conditions=windows.condition_names,
        shaft_speed_rpm=windows.condition("shaft_speed_rpm"),
    )


def evaluation_loader(
    config: TrainConfig, store: SegmentStore, parts: Sequence[PartName], *, rank: int = 0, world_size: int = 1
) -> WindowLoader:
    """Return the windows of `parts` in order, each worker its share, none twice."""
    windows = Windows(store, parts, config.windows, device=choose_device(config.device))
    return WindowLoader(
        windows, batch_size=max(256, config.batch_size), shuffle=False, rank=rank, world_size=world_size
    )


def stopping_callbacks(config: TrainConfig) -> list[Callback]:
    """Return the callback that ends the run early, if the configuration asks for one."""
    if config.early_stopping is None:
        return []
    return [
        EarlyStopping(
            config.metric,
            patience=config.early_stopping.patience,
            mode=config.direction,
            min_delta=config.early_stopping.min_delta,
        )
    ]


def further_callbacks(config: TrainConfig, directory: Path, *, console: Console | None = None) -> list[Callback]:
    """Return the callbacks that the configuration names, in its order; what they write goes into `directory`.

    Raises:
        ConfigError: One of them cannot be had as asked.
    """
    context = CallbackContext(
        directory=directory, monitor=config.metric, mode=config.direction, epochs=config.epochs, console=console
    )
    return list(create_callbacks(config.callbacks, context=context))


def _precision(config: TrainConfig, device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    if config.precision != "auto":
        return config.precision
    return "fp32" if device.type == "cpu" else best_precision(device)


def _network(config: TrainConfig, store: SegmentStore) -> nn.Module:
    return create_network(
        config.model.name,
        in_channels=len(store.channels),
        num_classes=len(store.classes),
        settings=config.model.settings,
    )


def _teacher(config: TrainConfig, store: SegmentStore) -> nn.Module | None:
    """Return the trained model that the loss names, from its run's directory; None where it names none."""
    named = config.loss.settings.get("teacher")
    if not named:
        return None
    directory = Path(named)
    checkpoint = next((path for name in ("best.pt", "checkpoint.pt") if (path := directory / name).is_file()), None)
    if checkpoint is None:
        raise ConfigError(
            f"loss.teacher: {directory} has no best.pt or checkpoint.pt; name the folder of a training run, or the "
            "'best' folder of a sweep"
        )
    taught = validate(TrainConfig, load_yaml(directory / "config.yaml"), where=str(directory / "config.yaml"))
    for field in ("input", "envelope_band_hz", "sample_rate_hz", "normalize"):
        theirs, ours = getattr(taught.windows, field), getattr(config.windows, field)
        if theirs != ours:
            raise ConfigError(f"loss.teacher: the teacher saw windows.{field} {theirs}, and this run has {ours}")
    if taught.tfr != config.tfr:
        raise ConfigError(
            f"loss.teacher: the teacher saw tfr '{taught.tfr.name}', and this run has '{config.tfr.name}'"
        )
    teacher = _network(taught, store)
    try:
        teacher.load_state_dict(evaluated_weights(read_checkpoint(checkpoint)))
    except RuntimeError as error:
        raise ConfigError(
            f"loss.teacher: the model of {directory} does not fit {len(store.channels)} channels and "
            f"{len(store.classes)} classes; use a teacher of the same channels and classes"
        ) from error
    return teacher
