"""The trainer for convolutional networks: the defaults that serve them well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.data.adapter import AnyLoader
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.optim.step_schedules import warmup_cosine
from raytrain.trainers.preparation import LearningRates, MixedPrecision
from raytrain.trainers.trainer import Trainer
from raytrain.types import BatchTransform, Callback, Objective

__all__ = ["CNNTrainer"]


class CNNTrainer(Trainer):
    """Train with smoothed labels, decay of weights only, warm-up and cosine decay, and 16 bits on a GPU.

    Label smoothing is that of Szegedy et al. 2016, the schedule that of Goyal et al. 2017 and Loshchilov & Hutter 2017.

    >>> batches = [(torch.eye(4)[:, None], torch.tensor([0, 0, 1, 1]))]
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> history = CNNTrainer(model, batches, device="cpu").fit(4)
    >>> [round(rate, 5) for rate in history["train/lr"]]
    [0.001, 0.00086, 0.00051, 0.00015]

    Args:
        model: Returns class scores `[B, K]`.
        train_loader: Batches to learn from.
        val_loader: Batches to judge each epoch by.
        optimizer: AdamW when absent, which decays neither biases nor norms, with rates that warm up and then decay
            along a cosine to the end of `fit`. The rates of an optimizer that is given are left to `lr_scheduler`.
        criterion: Cross-entropy with 10 % label smoothing when absent.
        mixed_precision: `auto` takes the best 16-bit format of a GPU; a CPU computes in full precision.

    All others are as of `Trainer`.
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
        mixed_precision: MixedPrecision = "auto",
        loss_scaling: Mapping[str, float] | None = None,
        lr_scheduler: LearningRates | None = None,
        checkpoint_dir: Path | str | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(
            model,
            train_loader,
            val_loader,
            optimizer=optimizer,
            criterion=LabelSmoothingCrossEntropy(0.1) if criterion is None and objective is None else criterion,
            objective=objective,
            transforms=transforms,
            device=device,
            callbacks=callbacks,
            gradient_accumulation_steps=gradient_accumulation_steps,
            max_grad_norm=max_grad_norm,
            mixed_precision=mixed_precision,
            loss_scaling=loss_scaling,
            lr_scheduler=warmup_cosine if lr_scheduler is None and optimizer is None else lr_scheduler,
            checkpoint_dir=checkpoint_dir,
            seed=seed,
        )
