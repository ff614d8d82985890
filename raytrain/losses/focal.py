"""Focal loss: cross-entropy that pays less attention to samples already told apart."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.full_precision import full_precision

__all__ = ["FocalLoss", "Reduction", "focal_loss"]

Reduction = Literal["none", "mean", "sum"]


def focal_loss(logits: Tensor, targets: Tensor, *, alpha: Tensor | None = None, gamma: float = 2.0) -> Tensor:
    """Return each sample's focal loss, `[B]`: `sum_c y_c alpha_c (1 - p_c)^gamma (-log p_c)`.

    `p` is the softmax of the logits, into which `alpha` does not enter, and `y_c` the share of class c in the target:
    one-hot where it is an index, so that the sum has one term. `gamma = 0` is weighted cross-entropy.

    Args:
        logits: Class scores `[B, K]`.
        targets: Class indices, int64 `[B]`, or class shares, floats `[B, K]` whose rows sum to one.
        alpha: Class weights `[K]`; None for 1.
        gamma: How quickly the loss fades as `p` rises, at least 0.

    >>> focal_loss(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0]))
    tensor([0.0018, 1.6501])
    """
    log_p = functional.log_softmax(full_precision(logits), dim=1)
    # Above zero, where a power below one has a finite slope; at p = 1 the slope of the loss is 0 all the same.
    miss = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
    losses = -log_p * miss**gamma
    if alpha is not None:
        losses = losses * alpha.to(losses.dtype)
    if targets.is_floating_point():
        return (targets * losses).sum(dim=1)
    return losses.gather(1, targets[:, None]).squeeze(1)


class FocalLoss(nn.Module):
    """Focal loss of several classes: cross-entropy that fades for samples already classified well.

    `alpha_y (1 - p_y)^gamma (-log p_y)` with p the softmax of the unweighted scores; see `focal_loss`. The mean is over
    samples, whatever their weights, so that means of micro-batches weighted by size are exact.

    Source: T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, "Focal loss for dense object detection", ICCV 2017;
    there for two classes and the sigmoid.

    Args:
        alpha: Class weights `[K]`; None weighs all classes alike.
        gamma: How quickly the loss fades as the probability of the right class rises, at least 0; 0 is cross-entropy.
        reduction: `mean` over samples, their `sum`, or `none` for each sample's own.

    Raises:
        ConfigError: A value is impossible.

    >>> FocalLoss(gamma=2.0)(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0]))
    tensor(0.8259)
    """

    alpha: Tensor | None

    def __init__(self, alpha: Tensor | None = None, gamma: float = 2.0, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        if alpha is not None and getattr(alpha, "ndim", 0) != 1:
            raise ConfigError(f"loss.alpha must be a tensor of one weight per class, got {alpha!r}")
        if not 0 <= gamma < math.inf:
            raise ConfigError(f"loss.gamma must be at least 0 and finite, got {gamma:g}")
        if reduction not in get_args(Reduction):
            raise ConfigError(f"loss.reduction must be none, mean or sum, got {reduction!r}")
        self.gamma, self.reduction = gamma, reduction
        self.register_buffer("alpha", alpha)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of `logits` `[B, K]` for class indices `[B]` or class shares `[B, K]`.

        A scalar, or `[B]` where the reduction is `none`.
        """
        losses = focal_loss(logits, targets, alpha=self.alpha, gamma=self.gamma)
        match self.reduction:
            case "mean":
                return losses.mean()
            case "sum":
                return losses.sum()
            case _:
                return losses
