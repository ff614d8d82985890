"""Rows of all workers together, for losses that compare the samples of a batch with each other."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gather_rows"]


def gather_rows(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return each of `tensors` with the rows of all workers, in the order of their ranks.

    Gradients flow back to the worker that a row is from, added up over the workers that used it. Workers may have
    different numbers of rows. Without a process group the tensors are returned as they are.

    Args:
        tensors: Any dtype and `[B, ...]`, with one B per worker and all but B the same everywhere.

    >>> gather_rows(torch.tensor([1, 2]))
    (tensor([1, 2]),)
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return tensors
    sizes = _sizes(tensors[0])
    return tuple(_Gather.apply(tensor, sizes) for tensor in tensors)  # type: ignore[no-untyped-call]


def _sizes(rows: Tensor) -> list[int]:
    own = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, own)
    return torch.cat(counts).tolist()


class _Gather(torch.autograd.Function):
    """torch's own differentiable gather is deprecated and takes rows of one number only."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: list[int]) -> Tensor:  # noqa: ANN401
        ctx.sizes = sizes
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        received = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(received, padded)
        return torch.cat([part[:size] for part, size in zip(received, sizes, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return torch.split(total, ctx.sizes)[dist.get_rank()], None
