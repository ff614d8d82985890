"""The presets as entries of the table, so that a sweep can choose among them and tune their learning rates."""

from __future__ import annotations

from dataclasses import replace

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from raytrain.optim.optimizer_config import OptimizerConfig

__all__ = ["default", "fast_convergence", "sgd_baseline", "strong_regularization"]

_DEFAULT = OptimizerConfig.default()
_FAST = OptimizerConfig.fast_convergence()
_STRONG = OptimizerConfig.strong_regularization()
_SGD = OptimizerConfig.sgd_baseline()


def default(
    params: nn.Module | ParamsT, *, lr: float = _DEFAULT.lr, weight_decay: float = _DEFAULT.weight_decay
) -> Optimizer:
    """Preset: AdamW for any of the models.

    Args:
        params: A model, whose norms and biases are not decayed; or parameters or groups, used as they are.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Share of each weight removed per step, times `lr`.
    """
    return replace(_DEFAULT, lr=lr, weight_decay=weight_decay).create(params)


def fast_convergence(
    params: nn.Module | ParamsT, *, lr: float = _FAST.lr, weight_decay: float = _FAST.weight_decay
) -> Optimizer:
    """Preset: AdamW with a high rate and beta2 of 0.99, for short runs (Howard & Gugger 2020).

    Args:
        params: A model, whose norms and biases are not decayed; or parameters or groups, used as they are.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Share of each weight removed per step, times `lr`.
    """
    return replace(_FAST, lr=lr, weight_decay=weight_decay).create(params)


def strong_regularization(
    params: nn.Module | ParamsT, *, lr: float = _STRONG.lr, weight_decay: float = _STRONG.weight_decay
) -> Optimizer:
    """Preset: AdamW with strong weight decay, for few recordings (decay as in Touvron et al. 2021).

    Args:
        params: A model, whose norms and biases are not decayed; or parameters or groups, used as they are.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Share of each weight removed per step, times `lr`.
    """
    return replace(_STRONG, lr=lr, weight_decay=weight_decay).create(params)


def sgd_baseline(
    params: nn.Module | ParamsT, *, lr: float = _SGD.lr, weight_decay: float = _SGD.weight_decay
) -> Optimizer:
    """Preset: SGD with Nesterov momentum 0.9, the usual reference (Zagoruyko & Komodakis 2016).

    Args:
        params: A model, whose norms and biases are not decayed; or parameters or groups, used as they are.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Factor of each weight added to its gradient.
    """
    return replace(_SGD, lr=lr, weight_decay=weight_decay).create(params)
