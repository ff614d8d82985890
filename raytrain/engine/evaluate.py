"""The one evaluation loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from raytrain.collective import sum_over_workers
from raytrain.engine.precision import Precision
from raytrain.engine.transforms import epoch_generator, transformed
from raytrain.metrics.tracker import MetricsTracker
from raytrain.types import FINAL, BatchTransform, Loader, Objective

__all__ = ["evaluate", "evaluation_mode"]


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and afterwards each of its modules into the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(
    model: nn.Module,
    loader: Loader,
    *,
    objective: Objective,
    tracker: MetricsTracker,
    precision: Precision,
    device: torch.device,
    transforms: Sequence[BatchTransform] = (),
) -> MetricsTracker:
    """Fill `tracker` with the model's predictions on all of `loader`, over all workers; return it.

    The model is evaluated without gradients and as at the end of training (`FINAL`), each of its modules is left in the
    mode it was in, and no random state is drawn from. Of `transforms` only those take part that say they run in
    evaluation. Where the model has several views, the predictions of each are counted beside the combined one.
    """
    applied = [transform for transform in transforms if transform.in_evaluation]
    generator = epoch_generator(0, epoch=0, device=device)
    with precision.active(), evaluation_mode(model), torch.inference_mode():
        for batch in loader:
            on_device = transformed(batch.to(device), applied, FINAL, generator)
            with precision.autocast():
                loss = objective(model, on_device, FINAL)
            recordings = on_device.conditions["recording"] if tracker.num_recordings else None
            tracker.update(loss.logits, on_device.targets, recordings=recordings, loss=loss.total, views=loss.views)
    sum_over_workers(*tracker.tensors())
    return tracker
