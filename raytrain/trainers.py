"""The familiar trainer: a model, loaders, and what to train it with, assembled for the one training loop."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau

from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.collective import world_size
from raytrain.data.adapter import AnyLoader, BatchAdapter
from raytrain.data.loaders import WindowLoader
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.evaluate import evaluate, evaluation_mode
from raytrain.engine.fit import Run
from raytrain.engine.precision import Precision, best_precision, choose_device
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.errors import ConfigError, RunError
from raytrain.metrics.reported import reported_metrics
from raytrain.objectives.build import create_objective
from raytrain.optim.adamw import create_adamw_optimizer
from raytrain.optim.schedule import Schedule
from raytrain.types import Callback, Loader

__all__ = ["Trainer"]


class Trainer:
    """Train a classifier with gradient accumulation, clipping, mixed precision and callbacks.

    A loader is any sized iterable of batches: pairs `(inputs, targets)`, mappings with these two keys, or
    `raytrain.types.Batch`. Metric keys are `train/loss`, `val/loss`, `val/accuracy`, ...

    Args:
        model: Returns class scores `[B, K]`; it is moved to the device.
        train_loader: Batches to learn from.
        val_loader: Batches to judge each epoch by; none when absent.
        optimizer: Over the model's parameters; AdamW with its defaults when absent.
        criterion: Called with scores and targets, returns their mean loss over samples; cross-entropy when absent.
        device: `cpu`, `cuda`, `cuda:1`, ...; the GPU where there is one when absent.
        callbacks: Called in order.
        gradient_accumulation_steps: Batches per optimizer step; a last, shorter step counts its own samples.
        max_grad_norm: Norm that gradients are clipped to; None leaves them.
        mixed_precision: `bf16`, `fp16`, or True for the best the device has.
        lr_scheduler: A `raytrain.optim.Schedule`, or one of torch's: stepped once per epoch, but `OneCycleLR` once per
            step, and `ReduceLROnPlateau` with the validation loss (the training loss without validation).
        checkpoint_dir: Folder for `best.pt` and `last.pt`; none are written when absent.
        seed: Seeds torch, NumPy and `random` for layers and augmentation; they are left alone when absent.

    Raises:
        ConfigError: The device lacks what is asked for, or a loader has no batches.
    """

    def __init__(
        self,
        model: nn.Module,
        train_loader: AnyLoader,
        val_loader: AnyLoader | None = None,
        *,
        optimizer: Optimizer | None = None,
        criterion: nn.Module | None = None,
        device: str | torch.device | None = None,
        callbacks: Sequence[Callback] | None = None,
        gradient_accumulation_steps: int = 1,
        max_grad_norm: float | None = 1.0,
        mixed_precision: bool | Literal["bf16", "fp16"] = False,
        lr_scheduler: Schedule | LRScheduler | None = None,
        checkpoint_dir: Path | str | None = None,
        seed: int | None = None,
    ) -> None:
        if gradient_accumulation_steps < 1:
            raise ConfigError(f"gradient_accumulation_steps must be at least 1, got {gradient_accumulation_steps}")
        if seed is not None:
            seed_everything(seed)
        self.device = _device(device)
        self.model = model.to(self.device)
        self.optimizer = create_adamw_optimizer(model) if optimizer is None else optimizer
        watched = "train/loss" if val_loader is None else "val/loss"
        self.schedule = _schedule(lr_scheduler, watched=watched)
        self.callbacks = list(callbacks or ())
        if checkpoint_dir is not None:
            self.callbacks.append(ModelCheckpoint(Path(checkpoint_dir), monitor=watched, save_best_only=False))
        self._objective = create_objective(criterion or nn.CrossEntropyLoss()).to(self.device)
        self._train, self._validation = _loader(train_loader), None if val_loader is None else _loader(val_loader)
        self._precision = Precision(_precision(mixed_precision, self.device), self.device)
        self._accumulation_steps, self._max_grad_norm = gradient_accumulation_steps, max_grad_norm
        self._num_classes = _count_classes(self.model, self._train, self.device)
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
        batches = _loader(loader)
        tracker = evaluate(
            self.model if self._averaged is None else self._averaged,
            batches,
            objective=self._objective,
            tracker=reported_metrics(self._num_classes, _recordings(batches), device=self.device),
            precision=self._precision,
            device=self.device,
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
            objective=self._objective,
            train=self._train,
            validation=self._validation,
            optimizer=self.optimizer,
            schedule=self.schedule,
            precision=self._precision,
            device=self.device,
            epochs=epochs,
            num_classes=self._num_classes,
            num_recordings=0 if self._validation is None else _recordings(self._validation),
            accumulation_steps=self._accumulation_steps,
            max_grad_norm=self._max_grad_norm,
            seed=self._seed,
            callbacks=self.callbacks,
        )


def _device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return choose_device("auto")
    wanted = torch.device(device)
    return choose_device("cuda") if wanted == torch.device("cuda") else wanted


def _precision(wanted: bool | Literal["bf16", "fp16"], device: torch.device) -> Literal["fp32", "bf16", "fp16"]:  # noqa: FBT001
    if wanted is False:
        return "fp32"
    return best_precision(device) if wanted is True else wanted


def _schedule(scheduler: Schedule | LRScheduler | None, *, watched: str) -> Schedule | None:
    match scheduler:
        case Schedule() | None:
            return scheduler
        case ReduceLROnPlateau():
            return Schedule(scheduler, "epoch", monitor=watched)
        case OneCycleLR():
            return Schedule(scheduler, "step")
        case _:
            return Schedule(scheduler, "epoch")


def _loader(loader: AnyLoader) -> Loader:
    if len(loader) == 0:
        raise ConfigError("the loader has no batches; use a smaller batch size or drop_last=False")
    if isinstance(loader, WindowLoader):
        return loader
    if world_size() > 1:
        raise ConfigError("with several workers train_loader and val_loader must be raytrain.data.loaders.WindowLoader")
    return BatchAdapter(loader)


def _recordings(loader: Loader) -> int:
    return len(loader.windows.recording_ids) if isinstance(loader, WindowLoader) else 0


def _count_classes(model: nn.Module, loader: Loader, device: torch.device) -> int:
    """Return the model's number of classes, from its scores of one batch; no random state is moved."""
    with torch.random.fork_rng(), torch.inference_mode(), evaluation_mode(model):
        return int(model(next(iter(loader)).to(device).inputs).shape[-1])
