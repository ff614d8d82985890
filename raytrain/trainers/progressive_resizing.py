"""The trainer whose windows grow while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.augment.resize import ProgressiveResize
from raytrain.data.adapter import AnyLoader
from raytrain.trainers.preparation import LearningRates, MixedPrecision
from raytrain.trainers.stage_lengths import check_stages
from raytrain.trainers.trainer import Trainer
from raytrain.types import BatchTransform, Callback, Objective

__all__ = ["ProgressiveResizingTrainer"]


class ProgressiveResizingTrainer(Trainer):
    """Train on windows that change their length from stage to stage; the model is judged at the last length.

    Epochs count on across stages, and optimizer and learning rates go on as in any other run.

    Source: Howard & Gugger, "fastai: a layered API for deep learning", Information 11 (2020) 108, of images.

    >>> batches = [(torch.randn(4, 1, 64), torch.tensor([0, 0, 1, 1]))]
    >>> model = nn.Sequential(nn.Conv1d(1, 4, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2))
    >>> trainer = ProgressiveResizingTrainer(model, batches, schedule=[(16, 1), (64, 2)], device="cpu")
    >>> len(trainer.fit(3)["train/loss"])
    3

    Args:
        model: Returns class scores `[B, K]`; pools over all time, so that it takes every length.
        train_loader: Batches to learn from.
        val_loader: Batches to judge each epoch by.
        schedule: Samples and epochs of each stage; the last length stays for further epochs.
        resize_method: `interpolate` resamples whole windows, `truncate` takes their beginning, `pad` adds zeros.
        transforms: Applied after resizing.

    All others are as of `Trainer`.

    Raises:
        ConfigError: The schedule is impossible, or the model does not take every length of it.
    """

    def __init__(
        self,
        model: nn.Module,
        train_loader: AnyLoader,
        val_loader: AnyLoader | None = None,
        *,
        schedule: Sequence[tuple[int, int]] = ((25600, 20), (51200, 15), (76800, 10), (102400, 5)),
        resize_method: Literal["interpolate", "truncate", "pad"] = "interpolate",
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
        resized = [ProgressiveResize(schedule, method=resize_method), *transforms]
        check_stages(model, train_loader, resized, schedule=schedule, device=device)
        super().__init__(
            model,
            train_loader,
            val_loader,
            optimizer=optimizer,
            criterion=criterion,
            objective=objective,
            transforms=resized,
            device=device,
            callbacks=callbacks,
            gradient_accumulation_steps=gradient_accumulation_steps,
            max_grad_norm=max_grad_norm,
            mixed_precision=mixed_precision,
            loss_scaling=loss_scaling,
            lr_scheduler=lr_scheduler,
            checkpoint_dir=checkpoint_dir,
            seed=seed,
        )
