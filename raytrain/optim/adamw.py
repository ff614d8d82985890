"""Adam with decoupled weight decay."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from raytrain.optim.adam import check_moments
from raytrain.optim.param_groups import optimized_parameters

__all__ = ["create_adamw_optimizer"]


def create_adamw_optimizer(
    params: nn.Module | ParamsT,
    *,
    lr: float = 1e-3,
    weight_decay: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    It runs as one fused kernel: on a small model torch's loop over parameters takes several times as long.

    Args:
        params: A model, whose norms and biases are not decayed; or parameters or groups, used as they are.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Share of each weight removed per step, times `lr`.
        betas: Decay rates of the running means of the gradient and of its square.
        eps: Added to the denominator.

    Raises:
        ConfigError: A value is impossible, or there is nothing to optimise.

    >>> optimizer = create_adamw_optimizer(nn.Linear(4, 3), lr=1e-3, weight_decay=1e-4)
    >>> [group["weight_decay"] for group in optimizer.param_groups]  # weights; bias
    [0.0001, 0.0]
    """
    moments = check_moments(betas, eps)
    groups = optimized_parameters(params, lr=lr, weight_decay=weight_decay)
    return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay, betas=moments, eps=eps, fused=True)
