"""Everything one training run needs, assembled and ready for `fit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from raytrain.engine.precision import Precision
from raytrain.optim.schedule import Schedule
from raytrain.types import BatchTransform, Callback, Loader, Objective

__all__ = ["Training"]


@dataclass(frozen=True, slots=True)
class Training:
    """One run's parts. With an initialised process group, `fit` trains them with DistributedDataParallel.

    Attributes:
        model: The model, on `device`.
        objective: What each step minimises.
        train: Batches to learn from.
        validation: Batches to judge each epoch by; None skips that.
        optimizer: Of the model's parameters.
        schedule: Its learning rates, stepped in its own unit; None leaves them to a callback, or as they are.
        precision: Autocast and loss scaling.
        device: Where batches are moved to.
        epochs: Epochs to train.
        num_classes: Size of the last dimension of the logits.
        num_recordings: Recordings that batches' `recording` condition counts; 0 where batches have none.
        accumulation_steps: Batches per optimizer step.
        max_grad_norm: Norm that gradients are clipped to; None leaves them.
        transforms: Applied in order to every training batch on the device, and those that say so in evaluation too.
        seed: Of what transforms draw; each epoch has draws of its own, whatever the number of workers.
        callbacks: Called in order.
        batch_norm: Whose statistics BatchNorm layers use with several workers: each worker's own, or all workers'.
    """

    model: nn.Module
    objective: Objective
    train: Loader
    validation: Loader | None
    optimizer: torch.optim.Optimizer
    schedule: Schedule | None
    precision: Precision
    device: torch.device
    epochs: int
    num_classes: int
    num_recordings: int
    accumulation_steps: int = 1
    max_grad_norm: float | None = 1.0
    transforms: Sequence[BatchTransform] = ()
    seed: int = 0
    callbacks: Sequence[Callback] = ()
    batch_norm: Literal["per_worker", "synchronized"] = "per_worker"
