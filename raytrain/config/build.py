"""Turn a configuration into the parts it names. Parts never see configurations; this module does."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict, ValidationError, create_model

from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.config.schema import Part, TrainConfig
from raytrain.data.loaders import WindowLoader
from raytrain.data.segments import PartName
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.engine.precision import Precision, choose_device
from raytrain.engine.training import Training
from raytrain.errors import ConfigError, nearest
from raytrain.losses.build import LOSSES, create_criterion
from raytrain.losses.loss_data import LossData
from raytrain.models.build import MODELS
from raytrain.models.build import create_model as create_network
from raytrain.objectives.supervised import Supervised
from raytrain.optim.build import OPTIMIZERS, SCHEDULES, create_optimizer, create_schedule
from raytrain.optim.schedule import RunLength
from raytrain.types import Callback

__all__ = ["build_training", "check_parts", "evaluation_loader", "loss_data", "stopping_callbacks"]

_TABLES: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "model": MODELS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


def check_parts(config: TrainConfig) -> None:
    """Check the name of each part and its settings against the part's own signature.

    Raises:
        ConfigError: One report of every unknown name, unknown setting and value of the wrong type; or what the model
            itself refuses.
    """
    problems = [
        problem for field, table in _TABLES.items() for problem in _part_problems(field, getattr(config, field), table)
    ]
    if problems:
        raise ConfigError("\n  ".join(problems))
    _check_model(config)


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
        rank=rank,
        world_size=world_size,
    )
    model = create_network(
        config.model.name,
        in_channels=len(store.channels),
        num_classes=len(store.classes),
        settings=config.model.settings,
    ).to(device)
    criterion = create_criterion(
        config.loss.name,
        settings=config.loss.settings,
        targets=torch.from_numpy(windows.targets),
        num_classes=len(store.classes),
    )
    optimizer = create_optimizer(config.optimizer.name, model, settings=config.optimizer.settings)
    length = RunLength(math.ceil(len(loader) / config.accumulation_steps), config.epochs)
    return Training(
        model=model,
        objective=Supervised(criterion).to(device),
        train=loader,
        validation=None
        if validation is None
        else evaluation_loader(config, store, validation, rank=rank, world_size=world_size),
        optimizer=optimizer,
        schedule=create_schedule(config.schedule.name, optimizer, length=length, settings=config.schedule.settings),
        precision=Precision(config.precision, device),
        device=device,
        epochs=config.epochs,
        num_classes=len(store.classes),
        num_recordings=len(store.recording_ids),
        accumulation_steps=config.accumulation_steps,
        max_grad_norm=config.max_grad_norm,
        seed=config.seed,
        callbacks=callbacks,
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


def _check_model(config: TrainConfig) -> None:
    """Let the model itself refuse impossible settings and windows; on the meta device it holds no memory."""
    with torch.device("meta"):
        model = create_network(config.model.name, in_channels=1, num_classes=2, settings=config.model.settings)
    shortest = getattr(model, "minimum_length", 0)
    if config.windows.length < shortest:
        raise ConfigError(
            f"windows.length: {config.windows.length} samples are too few for model '{config.model.name}' with these "
            f"settings, which needs {shortest}"
        )


def _part_problems(field: str, part: Part, table: Mapping[str, Callable[..., Any]]) -> Iterator[str]:
    if part.name not in table:
        yield f"{field}.name: '{part.name}' is unknown; {nearest(part.name, table)}"
        return
    keywords = {
        name: parameter
        for name, parameter in inspect.signature(table[part.name], eval_str=True).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for name in [name for name in part.settings if name not in keywords]:
        yield f"{field}.{name}: '{part.name}' has no such setting; {nearest(name, keywords)}"
    fields: dict[str, Any] = {
        name: (parameter.annotation, ...) for name, parameter in keywords.items() if name in part.settings
    }
    checker = create_model(f"{part.name} settings", __config__=ConfigDict(strict=True), **fields)
    try:
        # As JSON, where strict takes a list for a tuple and 1 for 1.0 but not "1" for 1: the part gets what was given.
        checker.model_validate_json(json.dumps({name: part.settings[name] for name in fields}, default=str))
    except ValidationError as error:
        for problem in error.errors():
            yield f"{field}.{'.'.join(map(str, problem['loc']))}: {problem['msg']} (got {problem['input']!r})"
