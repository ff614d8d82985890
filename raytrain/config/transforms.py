"""What batches go through before the model sees them, in order, as a configuration names it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from raytrain.augment.build import create_resize
from raytrain.augment.no_augmentation import NoAugmentation
from raytrain.config.combinations import augmentation_steps
from raytrain.config.schema import TrainConfig
from raytrain.data.operating_conditions import OperatingConditions
from raytrain.data.windows import Windows
from raytrain.engine.inputs import EachView, KeepMeasured, OnSignals
from raytrain.models.build import MODELS
from raytrain.tfr.build import create_transform
from raytrain.tfr.cache import CachedImages, Images
from raytrain.types import FINAL, Batch, BatchTransform, Progress

__all__ = ["build_transforms"]


def build_transforms(
    config: TrainConfig, windows: Windows, *, model: nn.Module, objective: nn.Module
) -> list[BatchTransform]:
    """Return the transforms of a run: of signals, to images, of images.

    Args:
        config: The run.
        windows: What is trained on; statistics of operating conditions are taken of them alone.
        model: For an augmentation that asks it.
        objective: For the same.
    """
    steps = augmentation_steps(config)
    on_signals = [step for step in steps if step.domain == "signal"]
    on_images = [step for step in steps if step.domain == "image"]
    transforms: list[BatchTransform] = []
    resized = config.resize.name != "none"
    if config.physics.name != "none":
        transforms.append(KeepMeasured())
    transforms += on_signals
    if resized:
        transforms.append(create_resize(config.resize.name, settings=config.resize.settings))
    image = _image_transform(config, windows)
    if image is not None:
        kept = CachedImages(image, count=windows.store_windows, limit_mb=config.image_cache_mb)
        changing = resized or any(type(step) is not NoAugmentation for step in on_signals)
        transforms.append(_KeptInEvaluation(kept) if changing else kept)
    several = config.tfr.name == "views"
    transforms += [EachView(step) if several else step for step in on_images]
    if MODELS[config.model.name].input_domain == "signal_and_conditions":
        transforms.append(OperatingConditions.of(windows))
    for step in on_signals:
        step.bind(model if image is None else OnSignals(model, image), objective)
    for step in on_images:
        step.bind(model, objective)
    return transforms


def _image_transform(config: TrainConfig, windows: Windows) -> Images | None:
    if config.tfr.name == "none":
        return None
    return create_transform(config.tfr.name, sample_rate_hz=windows.store.fs_hz, settings=config.tfr.settings)


class _KeptInEvaluation:
    """Images that are kept for windows that are judged, which are always the same, and made anew in training."""

    in_evaluation = True

    def __init__(self, kept: CachedImages) -> None:
        self._kept = kept

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        if progress is FINAL:
            return self._kept(batch, progress, generator)
        return replace(batch, inputs=self._kept.transform.transform(batch.signal))
