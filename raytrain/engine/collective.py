"""The few collective operations training needs; each is the identity when there is one worker."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["broadcast_flag", "rank", "sum_over_workers", "world_size"]


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


def broadcast_flag(flag: bool, device: torch.device) -> bool:  # noqa: FBT001
    """Return rank 0's `flag` on every worker, so that one decision is made once."""
    if world_size() == 1:
        return flag
    value = torch.tensor([int(flag)], device=device)
    dist.broadcast(value, src=0)
    return bool(value.item())
