"""How large the gradient of a loss is over all parameters of a model and all workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from raytrain.collective import sum_over_workers, world_size

__all__ = ["GradientStatistics", "gradient_statistics"]

_SCALE = 2.0**12
"""Keeps the small gradients of a float16 forward pass from vanishing; a power of two, so it rounds nothing."""


@dataclass(frozen=True, slots=True)
class GradientStatistics:
    """The gradient of one loss, over all elements of all parameters; float64 scalars.

    Attributes:
        norm: Its Euclidean norm.
        largest: The largest of its absolute values.
        mean: Their mean.
    """

    norm: Tensor
    largest: Tensor
    mean: Tensor


def gradient_statistics(loss: Tensor, parameters: Sequence[nn.Parameter], *, weight: float = 1.0) -> GradientStatistics:
    """Measure the gradient of `loss`, of the samples of all workers together; no `.grad` is touched, the graph stays.

    As in a step of DistributedDataParallel, the gradients of the workers' losses, each times its weight, are averaged
    over workers. A parameter that the loss does not depend on has a gradient of 0.

    Args:
        loss: A scalar.
        parameters: Those of the model that require a gradient.
        weight: This worker's samples times the workers over the samples of all workers.

    >>> line = nn.Linear(2, 1, bias=False)
    >>> found = gradient_statistics(line(torch.tensor([3.0, -4.0])).sum(), list(line.parameters()))
    >>> found.norm.item(), found.largest.item(), found.mean.item()
    (5.0, 4.0, 3.5)
    """
    if loss.requires_grad:
        # The backward pass runs in the caller's context: under autocast, it would round more than that of a step does.
        with torch.autocast(loss.device.type, enabled=False):
            found = torch.autograd.grad(loss * (weight * _SCALE), parameters, retain_graph=True, materialize_grads=True)
    else:
        found = tuple(torch.zeros_like(parameter) for parameter in parameters)
    flat = torch.cat([gradient.detach().flatten() for gradient in found])
    sum_over_workers(flat)
    flat = flat.double() / (_SCALE * world_size())
    size = flat.abs()
    return GradientStatistics(norm=flat.norm(), largest=size.max(), mean=size.mean())
