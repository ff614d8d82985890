"""Gradients divided by their running root mean square."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from raytrain.optim.param_groups import optimized_parameters
from raytrain.optim.rules import require

__all__ = ["create_rmsprop_optimizer"]


def create_rmsprop_optimizer(
    params: nn.Module | ParamsT,
    *,
    lr: float = 1e-3,
    weight_decay: float = 1e-5,
    alpha: float = 0.99,
    momentum: float = 0.0,
    eps: float = 1e-8,
) -> Optimizer:
    """RMSprop: each gradient over its running root mean square (Tieleman & Hinton 2012).

    torch has no fused kernel for it; the multi-tensor one takes about 0.6 of the time of a loop over parameters.

    Args:
        params: A model, whose norms and biases are not decayed; or parameters or groups, used as they are.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Factor of each weight added to its gradient.
        alpha: Decay rate of the running mean of the squared gradient.
        momentum: Share of the last update kept.
        eps: Added to the denominator.

    Raises:
        ConfigError: A value is impossible, or there is nothing to optimise.

    >>> weight = nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = create_rmsprop_optimizer([weight], lr=0.01, weight_decay=0.0)
    >>> weight.grad = torch.tensor([5.0])
    >>> optimizer.step()
    >>> round(weight.item(), 6)  # the first step is lr / sqrt(1 - alpha), whatever the gradient
    0.9
    """
    require("optimizer.alpha", alpha, "at least 0 and below 1", holds=0 <= alpha < 1)
    require("optimizer.momentum", momentum, "at least 0 and below 1", holds=0 <= momentum < 1)
    require("optimizer.eps", eps, "above 0", holds=eps > 0)
    groups = optimized_parameters(params, lr=lr, weight_decay=weight_decay)
    return torch.optim.RMSprop(
        groups, lr=lr, weight_decay=weight_decay, alpha=alpha, momentum=momentum, eps=eps, foreach=True
    )
