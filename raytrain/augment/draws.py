"""What augmentations draw for each sample of a batch: on the signal's device, without waiting for it.

Several workers draw alike: each draws for the global batch, from a generator in the same state, and takes the draws of
its own rows. So a sample is augmented in the same way whatever the number of workers, for the price that N workers
together draw N times as much.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from raytrain.collective import global_rows
from raytrain.errors import DataError
from raytrain.types import Share

__all__ = [
    "SharedGenerator",
    "change_share",
    "draw_beta",
    "draw_normal",
    "draw_partners",
    "draw_uniform",
    "own_indices",
    "rows_of_all",
    "whole_number",
]


class SharedGenerator(torch.Generator):
    """A generator that all workers seed alike; it knows which rows of the global batch are this worker's.

    >>> alone, second = SharedGenerator().manual_seed(0), SharedGenerator().manual_seed(0)
    >>> second.share = Share(first=2, total=3)
    >>> draw_normal(torch.zeros(3, 1, 1), generator=alone).flatten()
    tensor([ 1.5410, -0.2934, -2.1788])
    >>> draw_normal(torch.zeros(1, 1, 1), generator=second).flatten()
    tensor([-2.1788])

    Attributes:
        share: Place of the rows that are drawn for in the global batch; None when they are all of it.
    """

    share: Share | None = None


def _share(generator: torch.Generator) -> Share | None:
    return generator.share if isinstance(generator, SharedGenerator) else None


def _rows(count: int, generator: torch.Generator) -> tuple[int, slice]:
    """Return how many samples to draw for, and which of them are the `count` that draws are wanted of."""
    share = _share(generator)
    return (count, slice(None)) if share is None else (share.total, slice(share.first, share.first + count))


def draw_uniform(signal: Tensor, count: int, *, generator: torch.Generator) -> Tensor:
    """Return `count` uniform draws from [0, 1) per sample of `signal` `[B, C, T]`, float64 `[count, B, 1, 1]`.

    Float64, so that `whole_number` never rounds up to its bound.

    Raises:
        DataError: The signal has other dimensions, along which the draws would spread.
    """
    if signal.dim() != 3:
        raise DataError(f"augmentation takes signals [batch, channels, samples], got {list(signal.shape)}")
    total, mine = _rows(len(signal), generator)
    shape = (count, total, 1, 1)
    return torch.rand(shape, generator=generator, device=signal.device, dtype=torch.float64)[:, mine]


def draw_normal(signal: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return a standard normal draw for every value of `signal` `[B, ...]`, of its shape, dtype and device."""
    total, mine = _rows(len(signal), generator)
    shape = (total, *signal.shape[1:])
    return torch.randn(shape, generator=generator, device=signal.device, dtype=signal.dtype)[mine]


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
    """Return the index of each sample's partner in the global batch, int64 `[B]`: a permutation that is one cycle.

    The samples, in random order, stand in a circle, and each is given the next. So nobody is its own partner (except
    in a batch of one), each of the others equally likely, and each sample is partner once.
    """
    total, mine = _rows(len(signal), generator)
    order = torch.randperm(total, generator=generator, device=signal.device)
    return torch.empty_like(order).scatter_(0, order, order.roll(-1))[mine]


def own_indices(signal: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return the index of each sample of `signal` `[B, ...]` in the global batch, int64 `[B]`."""
    share = _share(generator)
    first = 0 if share is None else share.first
    return torch.arange(first, first + len(signal), device=signal.device)


def rows_of_all(rows: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return the rows `[N, ...]` that indices into the global batch point to: `rows` `[B, ...]` of all workers.

    Raises:
        RunError: They are a part of a batch, and the other workers are not there.
    """
    share = _share(generator)
    return rows if share is None else global_rows(rows, first=share.first, total=share.total)
