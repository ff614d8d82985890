"""The trainer in 16 bits, with the settings of loss scaling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.data.adapter import AnyLoader
from raytrain.trainers.preparation import LearningRates
from raytrain.trainers.trainer import Trainer
from raytrain.types import BatchTransform, Callback, Objective

__all__ = ["MixedPrecisionTrainer"]


class MixedPrecisionTrainer(Trainer):
    """Train with 16-bit forward passes: bfloat16, or float16 with a loss scale that adapts itself.

    float16 loses small gradients, so the loss is multiplied by a scale. A step whose gradients are infinite or NaN is
    skipped, counted in `train/skipped_steps`, and shrinks the scale. bfloat16 has float32's range and needs none.

    Source: Micikevicius et al., "Mixed precision training", ICLR 2018.

    >>> batches = [(torch.eye(4)[:, None], torch.tensor([0, 0, 1, 1]))]
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> trainer = MixedPrecisionTrainer(model, batches, precision="bf16", device="cpu")
    >>> sorted(trainer.fit(1))
    ['train/accuracy', 'train/loss', 'train/lr']

    Args:
        model: Returns class scores `[B, K]`.
        train_loader: Batches to learn from.
        val_loader: Batches to judge each epoch by.
        precision: `bf16` or `fp16`; the best the device has when absent.
        init_scale: The scale of the first step, of `fp16` only as all of these.
        growth_factor: The scale is multiplied by this after `growth_interval` steps in a row that were not skipped.
        backoff_factor: The scale is multiplied by this after a step that was.
        growth_interval: See `growth_factor`.

    All others are as of `Trainer`.

    Raises:
        ConfigError: The device lacks the precision; nothing is replaced by something else.
    """

    def __init__(
        self,
        model: nn.Module,
        train_loader: AnyLoader,
        val_loader: AnyLoader | None = None,
        *,
        precision: Literal["bf16", "fp16"] | None = None,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        optimizer: Optimizer | None = None,
        criterion: nn.Module | None = None,
        objective: Objective | None = None,
        transforms: Sequence[BatchTransform] = (),
        device: str | torch.device | None = None,
        callbacks: Sequence[Callback] | None = None,
        gradient_accumulation_steps: int = 1,
        max_grad_norm: float | None = 1.0,
        lr_scheduler: LearningRates | None = None,
        checkpoint_dir: Path | str | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            model,
            train_loader,
            val_loader,
            optimizer=optimizer,
            criterion=criterion,
            objective=objective,
            transforms=transforms,
            device=device,
            callbacks=callbacks,
            gradient_accumulation_steps=gradient_accumulation_steps,
            max_grad_norm=max_grad_norm,
            mixed_precision=precision or True,
            loss_scaling={
                "init_scale": init_scale,
                "growth_factor": growth_factor,
                "backoff_factor": backoff_factor,
                "growth_interval": growth_interval,
            },
            lr_scheduler=lr_scheduler,
            checkpoint_dir=checkpoint_dir,
            seed=seed,
        )
