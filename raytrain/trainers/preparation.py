"""What a trainer makes of the usual arguments before it can assemble a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

from raytrain.augment.augmentation import Augmentation
from raytrain.collective import world_size
from raytrain.data.adapter import AnyLoader, BatchAdapter
from raytrain.data.loaders import WindowLoader
from raytrain.engine.evaluate import evaluation_mode
from raytrain.engine.inputs import OnSignals
from raytrain.engine.precision import best_precision, choose_device
from raytrain.engine.transforms import epoch_generator, transformed
from raytrain.errors import ConfigError
from raytrain.optim.schedule import RunLength, Schedule
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.tfr.views import Views
from raytrain.types import FINAL, Batch, BatchTransform, Loader, Objective, Progress

__all__ = [
    "LearningRates",
    "MixedPrecision",
    "PlannedSchedule",
    "bind_augmentations",
    "count_classes",
    "count_recordings",
    "evaluation_scores",
    "find_device",
    "first_window",
    "name_precision",
    "prepare_loader",
    "with_unit",
]

MixedPrecision: TypeAlias = bool | Literal["auto", "bf16", "fp16"]
"""Of the forward pass: True is the best 16-bit format of the device; `auto` the same on a GPU, and none on a CPU."""

PlannedSchedule: TypeAlias = Callable[[Optimizer, RunLength], Schedule]
"""Makes the learning rates of a run whose length is known, such as `raytrain.optim.step_schedules.warmup_cosine`."""

LearningRates: TypeAlias = Schedule | LRScheduler | PlannedSchedule


def bind_augmentations(transforms: Sequence[BatchTransform], model: nn.Module, objective: Objective) -> None:
    """Tell each augmentation the model and objective of the run, the model as one of what the augmentation sees."""
    for index, one in enumerate(transforms):
        if isinstance(one, Augmentation):
            later = transforms[index + 1 :]
            images = next((step for step in later if isinstance(step, TimeFrequencyTransform | Views)), None)
            one.bind(model if images is None else OnSignals(model, images), objective)


def find_device(device: str | torch.device | None) -> torch.device:
    """Return the device asked for, the GPU where there is one when absent.

    Raises:
        ConfigError: A GPU is asked for and absent.
    """
    if device is None:
        return choose_device("auto")
    wanted = torch.device(device)
    return choose_device("cuda") if wanted == torch.device("cuda") else wanted


def name_precision(wanted: MixedPrecision, device: torch.device) -> Literal["fp32", "bf16", "fp16"]:
    """Return the precision that `wanted` means on `device`."""
    if wanted is False or (wanted == "auto" and device.type == "cpu"):
        return "fp32"
    return best_precision(device) if wanted is True or wanted == "auto" else wanted


def with_unit(rates: LearningRates | None, *, watched: str) -> Schedule | PlannedSchedule | None:
    """Return learning rates with the unit they count in, or what makes them once the length of the run is known."""
    match rates:
        case ReduceLROnPlateau():
            return Schedule(rates, "epoch", monitor=watched)
        case OneCycleLR():
            return Schedule(rates, "step")
        case LRScheduler():
            return Schedule(rates, "epoch")
        case _:
            return rates


def prepare_loader(loader: AnyLoader) -> Loader:
    """Return the loop's own view of anyone's loader.

    Raises:
        ConfigError: It has no batches, or its batches cannot be divided between several workers.
    """
    if len(loader) == 0:
        raise ConfigError("the loader has no batches; use a smaller batch size or drop_last=False")
    if isinstance(loader, WindowLoader):
        return loader
    if world_size() > 1:
        raise ConfigError("with several workers train_loader and val_loader must be raytrain.data.loaders.WindowLoader")
    return BatchAdapter(loader)


def count_recordings(loader: Loader | None) -> int:
    """Return the recordings that batches' condition `recording` counts; 0 where it is not known."""
    return len(loader.windows.recording_ids) if isinstance(loader, WindowLoader) else 0


def first_window(loader: Loader, device: torch.device) -> Batch:
    """Return the first window of a loader as a batch of one; no random state of torch is moved."""
    with torch.random.fork_rng():
        batch = next(iter(loader)).to(device)
    inputs = (
        batch.inputs[:1]
        if isinstance(batch.inputs, Tensor)
        else {name: view[:1] for name, view in batch.inputs.items()}
    )
    conditions = {name: values[:1] for name, values in batch.conditions.items()}
    return Batch(inputs, batch.targets[:1], conditions)


def count_classes(model: nn.Module, window: Batch, transforms: Sequence[BatchTransform]) -> int:
    """Return the model's number of classes, from its scores of one window as at the end of training."""
    return int(evaluation_scores(model, window, transforms, progress=FINAL).shape[-1])


def evaluation_scores(
    model: nn.Module, window: Batch, transforms: Sequence[BatchTransform], *, progress: Progress
) -> Tensor:
    """Return the model's scores of a batch as in evaluation, `[B, K]`; no mode and no random state is moved."""
    device = window.targets.device
    applied = [transform for transform in transforms if transform.in_evaluation]
    with torch.random.fork_rng(), torch.inference_mode(), evaluation_mode(model):
        made = transformed(window, applied, progress, epoch_generator(0, epoch=0, device=device))
        scores: Tensor = model(made.inputs)
    return scores
