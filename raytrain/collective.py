"""The few collective operations training needs; each is the identity when there is one worker."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["rank", "share_buffers", "sum_over_workers", "world_size"]


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


def share_buffers(model: nn.Module) -> None:
    """Give every worker rank 0's buffers, such as BatchNorm's running statistics.

    DistributedDataParallel does so before each forward pass in training; after the last one of an epoch the workers'
    statistics differ, and an evaluation or a checkpoint would depend on which worker made it.
    """
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)
