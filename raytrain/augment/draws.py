"""What augmentations draw for each sample of a batch: on the signal's device, without waiting for it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from raytrain.errors import DataError

__all__ = ["change_share", "draw_beta", "draw_partners", "draw_uniform", "whole_number"]


def draw_uniform(signal: Tensor, count: int, *, generator: torch.Generator) -> Tensor:
    """Return `count` uniform draws from [0, 1) per sample of `signal` `[B, C, T]`, float64 `[count, B, 1, 1]`.

    Float64, so that `whole_number` never rounds up to its bound.

    Raises:
        DataError: The signal has other dimensions, along which the draws would spread.
    """
    if signal.dim() != 3:
        raise DataError(f"augmentation takes signals [batch, channels, samples], got {list(signal.shape)}")
    shape = (count, len(signal), 1, 1)
    return torch.rand(shape, generator=generator, device=signal.device, dtype=torch.float64)


def whole_number(uniform: Tensor, below: Tensor | int) -> Tensor:
    """Turn uniform draws from [0, 1) into whole numbers, each of 0 .. `below` - 1 equally likely, int64.

    >>> whole_number(torch.tensor([0.0, 0.34, 0.999], dtype=torch.float64), 3)
    tensor([0, 1, 2])
    """
    return (uniform * below).floor().long()


def change_share(signal: Tensor, changed: Tensor, *, probability: float, generator: torch.Generator) -> Tensor:
    """Return `changed` for the samples chosen with `probability`, `signal` for the others, `[B, C, T]`."""
    if probability == 1:
        return changed
    (uniform,) = draw_uniform(signal, 1, generator=generator)
    return torch.where(uniform < probability, changed, signal)


def draw_beta(signal: Tensor, *, alpha: float, generator: torch.Generator) -> Tensor:
    """Return a draw from Beta(alpha, alpha) per sample of `signal` `[B, C, T]`, float64 `[B, 1, 1]`.

    With U and V uniform, `z = sqrt(U^(-1/alpha) - 1) cos(2 pi V)` is `t / sqrt(2 alpha)` for Student's t of 2 alpha
    degrees of freedom (the polar method of Bailey 1994, Mathematics of Computation 62:779), and
    `(1 + z / sqrt(1 + z^2)) / 2` is Beta(alpha, alpha) (Devroye 1986, Non-Uniform Random Variate Generation, IX.3).
    Nothing is rejected, so it is one pass for any alpha above 0; torch's own gamma and beta draw from the global
    generator.
    """
    u, v = draw_uniform(signal, 2, generator=generator)
    z = torch.expm1(-u.log() / alpha).sqrt() * torch.cos(2 * math.pi * v)
    return (1 + z.atan().sin()) / 2  # z may be infinite, where z / sqrt(1 + z^2) would be NaN


def draw_partners(signal: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return the index of each sample's partner in the batch, int64 `[B]`: a permutation that is one cycle.

    The samples, in random order, stand in a circle, and each is given the next. So nobody is its own partner (except
    in a batch of one), each of the others equally likely, and each sample is partner once.
    """
    order = torch.randperm(len(signal), generator=generator, device=signal.device)
    return torch.empty_like(order).scatter_(0, order, order.roll(-1))
