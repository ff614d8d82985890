"""Turn a configuration into the parts it names. Parts never see configurations; this module does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from raytrain.callbacks.build import create_callbacks
from raytrain.callbacks.context import CallbackContext
from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.config.combinations import create_network
from raytrain.config.schema import TrainConfig
from raytrain.config.teacher import load_teacher
from raytrain.config.transforms import build_transforms
from raytrain.data.loaders import WindowLoader
from raytrain.data.segments import PartName
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.engine.precision import Precision, best_precision, choose_device
from raytrain.engine.training import Training
from raytrain.errors import ConfigError
from raytrain.losses.build import create_criterion, create_distillation, create_physics
from raytrain.losses.loss_data import LossData
from raytrain.objectives.build import create_objective
from raytrain.optim.build import create_optimizer, create_schedule
from raytrain.optim.schedule import RunLength
from raytrain.types import Callback

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "build_training",
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
        windows,
        batch_size=config.batch_size,
        shuffle=True,
        seed=config.seed,
        neighbours=config.neighbours,
        least_per_worker=2 if config.batch_norm == "per_worker" else 1,
        rank=rank,
        world_size=world_size,
    )
    model = create_network(config, in_channels=len(store.channels), num_classes=len(store.classes)).to(device)
    optimizer = create_optimizer(config.optimizer.name, model, settings=config.optimizer.settings)
    length = RunLength(math.ceil(len(loader) / config.accumulation_steps), config.epochs)
    objective = _objective(config, store, windows, model).to(device)
    return Training(
        model=model,
        objective=objective,
        train=loader,
        validation=None
        if validation is None
        else evaluation_loader(config, store, validation, rank=rank, world_size=world_size),
        optimizer=optimizer,
        schedule=create_schedule(config.schedule.name, optimizer, length=length, settings=config.schedule.settings),
        precision=_precision(config, device),
        device=device,
        epochs=config.epochs,
        num_classes=len(store.classes),
        num_recordings=len(store.recording_ids),
        accumulation_steps=config.accumulation_steps,
        max_grad_norm=config.max_grad_norm,
        transforms=build_transforms(config, windows, model=model, objective=objective),
        seed=config.seed,
        callbacks=callbacks,
        batch_norm=config.batch_norm,
    )


def _objective(config: TrainConfig, store: SegmentStore, windows: Windows, model: nn.Module) -> nn.Module:
    data = loss_data(config, store, windows)
    physics, soft_targets = None, None
    if config.physics.name != "none":
        physics = create_physics(config.physics.name, data=data, settings=config.physics.settings)
    if config.distillation.name != "none":
        soft_targets = create_distillation(config.distillation.name, data=data, settings=config.distillation.settings)
    states_severity = getattr(model, "severity", None) is not None
    if states_severity and (physics is None or "sommerfeld" not in physics.lambdas):
        raise ConfigError("model.severity_head: nothing trains it but physics with lambda_sommerfeld above 0; omit it")
    return create_objective(
        create_criterion(config.loss.name, data=data, settings=config.loss.settings),
        view_weights=getattr(model, "view_weights", None),
        teacher=load_teacher(config, store),
        soft_targets=soft_targets,
        physics=physics,
        detailed=states_severity,
    )


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


def _precision(config: TrainConfig, device: torch.device) -> Precision:
    name = config.precision
    if name == "auto":
        name = "fp32" if device.type == "cpu" else best_precision(device)
    return Precision(name, device, scaling=config.loss_scaling.model_dump(), tf32=config.tf32)
