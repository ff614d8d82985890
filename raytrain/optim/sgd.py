"""Stochastic gradient descent with momentum."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from raytrain.errors import ConfigError
from raytrain.optim.param_groups import optimized_parameters
from raytrain.optim.rules import require

__all__ = ["create_sgd_optimizer"]


def create_sgd_optimizer(
    params: nn.Module | ParamsT,
    *,
    lr: float = 1e-2,
    weight_decay: float = 1e-4,
    momentum: float = 0.9,
    nesterov: bool = True,
) -> Optimizer:
    """Stochastic gradient descent with (Nesterov) momentum (Sutskever et al. 2013).

    It runs as one fused kernel: on a small model torch's loop over parameters takes several times as long.

    Args:
        params: A model, whose norms and biases are not decayed; or parameters or groups, used as they are.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Factor of each weight added to its gradient.
        momentum: Share of the last update kept.
        nesterov: Evaluate the update at the looked-ahead weights; needs momentum.

    Raises:
        ConfigError: A value is impossible, or there is nothing to optimise.

    >>> weight = nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = create_sgd_optimizer([weight], lr=0.1, weight_decay=0.0, momentum=0.9)
    >>> weight.grad = torch.tensor([1.0])
    >>> optimizer.step()
    >>> round(weight.item(), 6)  # 1 - lr (gradient + momentum velocity)
    0.81
    """
    require("optimizer.momentum", momentum, "at least 0 and below 1", holds=0 <= momentum < 1)
    if nesterov and momentum == 0:
        raise ConfigError("optimizer.nesterov needs momentum: raise optimizer.momentum above 0, or nesterov: false")
    groups = optimized_parameters(params, lr=lr, weight_decay=weight_decay)
    return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, fused=True)
