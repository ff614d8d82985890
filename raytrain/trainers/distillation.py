"""The trainer of a student that learns from a trained teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.data.adapter import AnyLoader
from raytrain.losses.distillation import DistillationLoss, SoftTargets
from raytrain.objectives.build import create_objective
from raytrain.trainers.preparation import LearningRates, MixedPrecision
from raytrain.trainers.trainer import Trainer
from raytrain.types import BatchTransform, Callback

__all__ = ["DistillationTrainer"]


class DistillationTrainer(Trainer):
    """Train a student on the classes and on the scores of a teacher, which stays as it is.

    The loss is `alpha T^2 KL(teacher_T || student_T) + (1 - alpha) criterion`. The teacher is in evaluation mode,
    without gradient, and no part of a checkpoint. `compare_teacher_student` says what the student is worth.

    Source: Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network" (2015).

    >>> batches = [(torch.eye(4)[:, None], torch.tensor([0, 0, 1, 1]))]
    >>> teacher = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> student = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> history = DistillationTrainer(teacher, student, batches, device="cpu").fit(3)
    >>> history["train/loss"][-1] < history["train/loss"][0]
    True

    Args:
        teacher_model: Trained; its scores `[B, K]` are in the student's order of classes.
        student_model: Returns class scores `[B, K]`.
        train_loader: Batches to learn from.
        val_loader: Batches to judge each epoch by.
        temperature: Divides the scores of both before the softmax, above 0.
        alpha: Share of the teacher's term, in [0, 1]; the criterion has the rest.
        criterion: Of the student's scores and the classes; cross-entropy when absent. A
            `raytrain.losses.DistillationLoss` brings its own temperature and alpha, and those beside it are not used.

    All others are as of `Trainer`.

    Raises:
        ConfigError: A setting is impossible.
    """

    def __init__(
        self,
        teacher_model: nn.Module,
        student_model: nn.Module,
        train_loader: AnyLoader,
        val_loader: AnyLoader | None = None,
        *,
        temperature: float = 4.0,
        alpha: float = 0.7,
        optimizer: Optimizer | None = None,
        criterion: nn.Module | None = None,
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
        soft_targets = None if isinstance(criterion, DistillationLoss) else SoftTargets(temperature, alpha)
        objective = create_objective(
            criterion or nn.CrossEntropyLoss(), teacher=teacher_model, soft_targets=soft_targets
        )
        super().__init__(
            student_model,
            train_loader,
            val_loader,
            optimizer=optimizer,
            objective=objective,
            transforms=transforms,
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
