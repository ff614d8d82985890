"""The few collective operations training needs; each is the identity when there is one worker."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor, nn

from raytrain.errors import RunError

__all__ = ["global_rows", "rank", "share_buffers", "sum_over_workers", "world_size"]


def world_size() -> int:
    """Return the number of workers of this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return this worker's rank, 0 for a single one."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def sum_over_workers(*tensors: Tensor) -> None:
    """Replace each tensor, in place, by its sum over all workers."""
    if world_size() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)


def global_rows(rows: Tensor, *, first: int, total: int) -> Tensor:
    """Return the rows of the global batch `[total, ...]`, of which this worker has `rows` `[B, ...]`; no gradients.

    Sums of one worker's value and zeros are exact, and sizes that all know need not be asked for.

    Args:
        rows: This worker's, numbers.
        first: Place of the first of them.
        total: Rows of all workers together.

    Raises:
        RunError: There are more rows, and no workers that have them.

    >>> import torch
    >>> global_rows(torch.tensor([3, 4]), first=0, total=2)
    tensor([3, 4])
    """
    if len(rows) == total:
        return rows
    if world_size() == 1:
        raise RunError(f"{len(rows)} of the {total} rows of a batch are here, and no other worker has the rest")
    whole = rows.detach().new_zeros(total, *rows.shape[1:])
    whole[first : first + len(rows)] = rows
    sum_over_workers(whole)
    return whole


def share_buffers(model: nn.Module) -> None:
    """Give every worker rank 0's buffers, such as BatchNorm's running statistics.

    DistributedDataParallel does so before each forward pass in training; after the last one of an epoch the workers'
    statistics differ, and an evaluation or a checkpoint would depend on which worker made it.
    """
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)
