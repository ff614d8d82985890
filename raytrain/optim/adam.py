"""Adam, with weight decay coupled to the gradient."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from raytrain.optim.param_groups import optimized_parameters
from raytrain.optim.rules import require

__all__ = ["check_moments", "create_adam_optimizer"]


def create_adam_optimizer(
    params: nn.Module | ParamsT,
    *,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> Optimizer:
    """Adam (Kingma & Ba 2015); weight decay, if any, is added to the gradient.

    It runs as one fused kernel: on a small model torch's loop over parameters takes several times as long.

    Args:
        params: A model, whose norms and biases are not decayed; or parameters or groups, used as they are.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Factor of each weight added to its gradient (an L2 penalty).
        betas: Decay rates of the running means of the gradient and of its square.
        eps: Added to the denominator.

    Raises:
        ConfigError: A value is impossible, or there is nothing to optimise.

    >>> weight = nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = create_adam_optimizer([weight], lr=0.1)
    >>> weight.grad = torch.tensor([5.0])
    >>> optimizer.step()
    >>> round(weight.item(), 6)  # the first step is the learning rate, whatever the gradient
    0.9
    """
    moments = check_moments(betas, eps)
    groups = optimized_parameters(params, lr=lr, weight_decay=weight_decay)
    return torch.optim.Adam(groups, lr=lr, weight_decay=weight_decay, betas=moments, eps=eps, fused=True)


def check_moments(betas: tuple[float, float], eps: float) -> tuple[float, float]:
    """Return the decay rates of Adam's two moments as floats.

    Raises:
        ConfigError: A value is impossible.

    >>> check_moments((0, 0.99), 1e-8)
    (0.0, 0.99)
    """
    require("optimizer.betas", list(betas), "at least 0 and below 1", holds=all(0 <= beta < 1 for beta in betas))
    require("optimizer.eps", eps, "above 0", holds=eps > 0)
    first, second = betas
    return float(first), float(second)
