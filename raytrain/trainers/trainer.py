"""The familiar trainer: a model, loaders, and what to train it with, assembled for the one training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.data.adapter import AnyLoader
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.evaluate import evaluate
from raytrain.engine.fit import Run
from raytrain.engine.inputs import KeepMeasured
from raytrain.engine.precision import Precision
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.errors import ConfigError, RunError
from raytrain.metrics.reported import reported_metrics
from raytrain.objectives.build import create_objective
from raytrain.optim.adamw import create_adamw_optimizer
from raytrain.optim.schedule import RunLength, Schedule
from raytrain.trainers.preparation import (
    LearningRates,
    MixedPrecision,
    bind_augmentations,
    count_classes,
    count_recordings,
    find_device,
    first_window,
    name_precision,
    prepare_loader,
    with_unit,
)
from raytrain.types import BatchTransform, Callback, Objective

__all__ = ["Trainer"]


class Trainer:
    """Train a classifier with gradient accumulation, clipping, mixed precision and callbacks.

    A loader is any sized iterable of batches: pairs `(inputs, targets)`, mappings with these two keys and operating
    conditions beside them, or `raytrain.types.Batch`. Metric keys are `train/loss`, `val/loss`, `val/accuracy`, ...

    An accumulated step is that of one large batch, also a last, shorter one. What is judged is the model as at the end
    of training: ramps and resizing are at their end.

    Source: the loop of torch's own tutorials, completed.

    >>> torch.manual_seed(0)
    <torch._C.Generator object at ...>
    >>> batches = [(torch.eye(4)[:, None], torch.tensor([0, 0, 1, 1]))]
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> history = Trainer(model, batches, batches, device="cpu").fit(3)
    >>> history["val/loss"][-1] < history["val/loss"][0]
    True

    Args:
        model: Returns class scores `[B, K]`; it is moved to the device.
        train_loader: Batches to learn from.
        val_loader: Batches to judge each epoch by; none when absent.
        optimizer: Over the model's parameters; AdamW with its defaults when absent, which decays weights only.
        criterion: Called with scores and targets, returns their mean loss over samples; cross-entropy when absent.
        objective: What a step minimises, such as those of `raytrain.objectives`, instead of a criterion.
        transforms: Applied in order to training batches on the device, and to those that judge where a transform says
            so: augmentation, resizing, a time-frequency transform, augmentation of its images.
        device: `cpu`, `cuda`, `cuda:1`, ...; the GPU where there is one when absent.
        callbacks: Called in order.
        gradient_accumulation_steps: Batches per optimizer step; a last, shorter step counts its own samples.
        max_grad_norm: Norm that gradients are clipped to; None leaves them.
        mixed_precision: `bf16`, `fp16`, True for the best the device has, or `auto` for the same, but on a GPU only.
        loss_scaling: Of `fp16`: `init_scale`, `growth_factor`, `backoff_factor`, `growth_interval`.
        lr_scheduler: A `raytrain.optim.Schedule`, or one of torch's: stepped once per epoch, but `OneCycleLR` once per
            step, and `ReduceLROnPlateau` with the validation loss (the training loss without validation). Or what makes
            a schedule of the optimizer and the length of the run; a further `fit` plans anew, over all epochs.
        checkpoint_dir: Folder for `best.pt` and `last.pt`; none are written when absent.
        seed: Seeds torch, NumPy and `random` for layers and augmentation; they are left alone when absent.

    Raises:
        ConfigError: The device lacks what is asked for, a loader has no batches, or both a criterion and an objective
            are given.
    """

    def __init__(
        self,
        model: nn.Module,
        train_loader: AnyLoader,
        val_loader: AnyLoader | None = None,
        *,
        optimizer: Optimizer | None = None,
        criterion: nn.Module | None = None,
        objective: Objective | None = None,
        transforms: Sequence[BatchTransform] = (),
        device: str | torch.device | None = None,
        callbacks: Sequence[Callback] | None = None,
        gradient_accumulation_steps: int = 1,
        max_grad_norm: float | None = 1.0,
        mixed_precision: MixedPrecision = False,
        loss_scaling: Mapping[str, float] | None = None,
        lr_scheduler: LearningRates | None = None,
        checkpoint_dir: Path | str | None = None,
        seed: int | None = None,
    ) -> None:
        if gradient_accumulation_steps < 1:
            raise ConfigError(f"gradient_accumulation_steps must be at least 1, got {gradient_accumulation_steps}")
        if criterion is not None and objective is not None:
            raise ConfigError("criterion is part of an objective, and one is given; give one of the two")
        if seed is not None:
            seed_everything(seed)
        self.device = find_device(device)
        self.model = model.to(self.device)
        self.optimizer = create_adamw_optimizer(model) if optimizer is None else optimizer
        watched = "train/loss" if val_loader is None else "val/loss"
        self.schedule = with_unit(lr_scheduler, watched=watched)
        self.callbacks = list(callbacks or ())
        if checkpoint_dir is not None:
            self.callbacks.append(ModelCheckpoint(Path(checkpoint_dir), monitor=watched, save_best_only=False))
        self.objective = create_objective(criterion or nn.CrossEntropyLoss()) if objective is None else objective
        if isinstance(self.objective, nn.Module):
            self.objective.to(self.device)
        self.transforms: list[BatchTransform] = [KeepMeasured(), *transforms] if transforms else []
        bind_augmentations(self.transforms, self.model, self.objective)
        self._train = prepare_loader(train_loader)
        self._validation = None if val_loader is None else prepare_loader(val_loader)
        self._precision = Precision(name_precision(mixed_precision, self.device), self.device, scaling=loss_scaling)
        self._accumulation_steps, self._max_grad_norm = gradient_accumulation_steps, max_grad_norm
        self._num_classes = count_classes(self.model, first_window(self._train, self.device), self.transforms)
        self._seed = seed or 0
        self._snapshot: dict[str, Any] | None = None
        self._averaged: nn.Module | None = None

    def fit(self, num_epochs: int) -> dict[str, list[float]]:
        """Train `num_epochs` more epochs, or until a callback asks for a stop; return the history of all.

        Raises:
            ConfigError: A callback monitors what is not reported.
            RunError: A loss became NaN or infinite.
        """
        if num_epochs < 1:
            raise ConfigError(f"num_epochs must be at least 1, got {num_epochs}")
        done = 0 if self._snapshot is None else int(self._snapshot["epoch"])
        resume = None if self._snapshot is None else self._snapshot | {"stop_reason": None}
        run = Run(self._training(done + num_epochs), resume=resume)
        try:
            while not run.finished:
                run.advance()
        finally:
            self._snapshot, self._averaged = run.snapshot(), run.state.averaged_model
            run.close()
        return self.get_history()

    def evaluate(self, loader: AnyLoader) -> dict[str, float]:
        """Return loss, accuracy and more on `loader`, of the model or of its average where a callback keeps one."""
        batches = prepare_loader(loader)
        tracker = evaluate(
            self.model if self._averaged is None else self._averaged,
            batches,
            objective=self.objective,
            tracker=reported_metrics(self._num_classes, count_recordings(batches), device=self.device),
            precision=self._precision,
            device=self.device,
            transforms=self.transforms,
        )
        return {key.removeprefix("test/"): value for key, value in tracker.compute(prefix="test").items()}

    def get_history(self) -> dict[str, list[float]]:
        """Return each metric's value per epoch; NaN in epochs that did not report it."""
        rows = [] if self._snapshot is None else self._snapshot["history"]
        keys = dict.fromkeys(key for row in rows for key in row)
        return {key: [row.get(key, float("nan")) for row in rows] for key in keys}

    def save_checkpoint(self, path: Path | str) -> None:
        """Write all that is needed to go on exactly from the last epoch.

        Raises:
            RunError: Nothing was trained yet.
        """
        if self._snapshot is None:
            raise RunError("there is no epoch to save yet; call fit first")
        write_checkpoint(Path(path), self._snapshot)

    def load_checkpoint(self, path: Path | str) -> None:
        """Take model, history and all other state from a checkpoint; the next `fit` goes on from there.

        Raises:
            RunError: The file is damaged, or is not a checkpoint.
        """
        self._snapshot = read_checkpoint(Path(path))
        self.model.load_state_dict(self._snapshot["model"])
        self._averaged = None
        if self._snapshot["averaged_model"] is not None:
            self._averaged = copy.deepcopy(self.model)
            self._averaged.load_state_dict(self._snapshot["averaged_model"])

    def _training(self, epochs: int) -> Training:
        return Training(
            model=self.model,
            objective=self.objective,
            train=self._train,
            validation=self._validation,
            optimizer=self.optimizer,
            schedule=self._schedule(epochs),
            precision=self._precision,
            device=self.device,
            epochs=epochs,
            num_classes=self._num_classes,
            num_recordings=count_recordings(self._validation),
            accumulation_steps=self._accumulation_steps,
            max_grad_norm=self._max_grad_norm,
            transforms=self.transforms,
            seed=self._seed,
            callbacks=self.callbacks,
        )

    def _schedule(self, epochs: int) -> Schedule | None:
        if self.schedule is None or isinstance(self.schedule, Schedule):
            return self.schedule
        steps = math.ceil(len(self._train) / self._accumulation_steps)
        return self.schedule(self.optimizer, RunLength(steps_per_epoch=steps, epochs=epochs))
