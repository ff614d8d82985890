"""One optimizer step: accumulate, unscale, clip, step, update, schedule - in this order, once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raytrain.collective import world_size
from raytrain.engine.sums import EpochSums
from raytrain.engine.training import Training
from raytrain.engine.workers import DataParallel
from raytrain.types import Batch, Progress

__all__ = ["Step", "optimizer_step"]


@dataclass(frozen=True, slots=True)
class Step:
    """What an optimizer step did.

    Attributes:
        taken: False when the gradient scaler skipped it for infinite or NaN gradients.
        loss: Mean loss of the step's samples, a scalar on the device; with several workers, what this one knows of it.
        gradient_norm: Norm of the gradient before clipping, a scalar on the device; None where nothing is clipped.
    """

    taken: bool
    loss: Tensor
    gradient_norm: Tensor | None


def optimizer_step(
    training: Training,
    forward: nn.Module,
    batches: Sequence[Batch],
    *,
    progress: Progress,
    sums: EpochSums,
    parameters: Sequence[nn.Parameter],
) -> Step:
    """Take one step over `batches`, whose gradient is that of the mean over all their samples on all workers.

    Args:
        training: The run's parts.
        forward: The model, or its wrapper for several workers.
        batches: This worker's micro-batches of the step.
        progress: Where training stands.
        sums: What each batch is added to.
        parameters: The model's, listed once: walking its modules at every step costs more than clipping does.
    """
    precision = training.precision
    shares: list[Tensor] = []
    samples = sum(batch.total for batch in batches)
    training.optimizer.zero_grad(set_to_none=True)
    for index, batch in enumerate(batches):
        with _sharing(forward, batch, last=index == len(batches) - 1):
            with precision.autocast():
                loss = training.objective(forward, batch, progress)
            # DDP averages over workers, so each worker's mean is weighted by its share of the step's samples.
            weight = len(batch) * world_size() / samples
            total = loss.total if weight == 1.0 else loss.total * weight
            shares.append(total.detach())
            precision.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        sums.add(loss, batch)
    precision.scaler.unscale_(training.optimizer)
    norm = None
    if training.max_grad_norm is not None:
        norm = nn.utils.clip_grad_norm_(parameters, training.max_grad_norm)
    loss_of_step = shares[0] if len(shares) == 1 else torch.stack(shares).sum()
    return Step(taken=_apply(training), loss=loss_of_step, gradient_norm=norm)


def _sharing(forward: nn.Module, batch: Batch, *, last: bool) -> AbstractContextManager[None]:
    """Say which rows come, and exchange gradients after the step's last micro-batch only."""
    if not isinstance(forward, DataParallel):
        return nullcontext()
    forward.place(batch)
    return nullcontext() if last else forward.no_sync()


def _apply(training: Training) -> bool:
    scaler = training.precision.scaler
    scale = scaler.get_scale() if scaler.is_enabled() else 1.0
    scaler.step(training.optimizer)
    scaler.update()
    skipped = scaler.is_enabled() and scaler.get_scale() < scale
    if not skipped and training.schedule is not None:
        training.schedule.after_step()
    return not skipped
