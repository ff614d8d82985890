"""One optimizer step: accumulate, unscale, clip, step, update, schedule - in this order, once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from raytrain.engine.collective import world_size
from raytrain.engine.training import Training
from raytrain.types import Batch, Progress

__all__ = ["optimizer_step"]


def optimizer_step(
    training: Training,
    forward: nn.Module,
    batches: Sequence[Batch],
    *,
    samples: int,
    progress: Progress,
    sums: Tensor,
    parameters: Sequence[nn.Parameter],
) -> bool:
    """Take one step over `batches`, whose gradient is that of the mean over all their samples on all workers.

    Args:
        training: The run's parts.
        forward: The model, or its DistributedDataParallel wrapper.
        batches: This worker's micro-batches of the step.
        samples: Samples of the step over all batches and workers.
        progress: Where training stands.
        sums: Float64 `[3]`, added to in place: loss times samples, correct predictions, samples.
        parameters: The model's, listed once: walking its modules at every step costs more than clipping does.

    Returns:
        False when the gradient scaler skipped the step for infinite or NaN gradients.
    """
    precision = training.precision
    losses, hits, count = sums.unbind()
    training.optimizer.zero_grad(set_to_none=True)
    for index, batch in enumerate(batches):
        with _gradient_sync(forward, now=index == len(batches) - 1):
            with precision.autocast():
                loss = training.objective(forward, batch, progress)
            # DDP averages over workers, so each worker's mean is weighted by its share of the step's samples.
            weight = len(batch) * world_size() / samples
            total = loss.total if weight == 1.0 else loss.total * weight
            precision.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            losses.add_(loss.total, alpha=len(batch))
            hits.add_((loss.logits.argmax(dim=1) == batch.targets).sum())
            count.add_(len(batch))
    precision.scaler.unscale_(training.optimizer)
    if training.max_grad_norm is not None:
        nn.utils.clip_grad_norm_(parameters, training.max_grad_norm)
    return _apply(training)


def _gradient_sync(forward: nn.Module, *, now: bool) -> AbstractContextManager[None]:
    if isinstance(forward, DistributedDataParallel) and not now:
        return forward.no_sync()
    return nullcontext()


def _apply(training: Training) -> bool:
    scaler = training.precision.scaler
    scale = scaler.get_scale() if scaler.is_enabled() else 1.0
    scaler.step(training.optimizer)
    scaler.update()
    skipped = scaler.is_enabled() and scaler.get_scale() < scale
    if not skipped:
        training.schedule.step()
    return not skipped
