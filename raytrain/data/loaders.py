"""Batches of windows in an order that depends on seed and epoch only, divided exactly between workers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from raytrain.data.windows import Windows
from raytrain.errors import ConfigError, DataError
from raytrain.types import Batch, Share

__all__ = ["WindowLoader"]


class WindowLoader:
    """A sized iterable of the batches of one worker.

    The global batches, over all workers together, are the same for any number of workers; each worker takes
    its contiguous share of each. Nothing is padded, repeated or dropped. A last batch that would leave a
    worker fewer than two windows (too few for batch statistics) is merged into the one before.

    Attributes:
        global_sizes: Windows of each global batch, for exact means over workers.
    """

    def __init__(
        self,
        windows: Windows,
        *,
        batch_size: int,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Plan the batches.

        Args:
            windows: What to iterate over.
            batch_size: Windows per global batch.
            shuffle: A new order each epoch; otherwise the order of `windows`.
            seed: Chooses the orders.
            rank: This worker, from 0.
            world_size: Number of workers.

        Raises:
            ConfigError: The batch is smaller than the number of workers.
            DataError: There are fewer windows than workers.
        """
        if batch_size < world_size:
            raise ConfigError(
                f"batch_size {batch_size} gives some of the {world_size} workers nothing; use at least {world_size}"
            )
        if len(windows) < world_size:
            raise DataError(
                f"{len(windows)} windows cannot be divided between {world_size} workers; "
                f"use at most {len(windows)}, or a smaller windows.hop"
            )
        self.windows = windows
        self.global_sizes = _sizes(len(windows), batch_size, least=min(2 * world_size, batch_size))
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0
        self._rank, self._world_size = rank, world_size

    def __len__(self) -> int:
        return len(self.global_sizes)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration has; the same epoch always has the same order."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[Batch]:
        order = self._order().to(self.windows.device)
        for indices in torch.split(order, self.global_sizes):
            mine = torch.tensor_split(indices, self._world_size)[self._rank]
            yield self.windows.batch(mine, share=self._share(len(indices)))

    def _share(self, total: int) -> Share | None:
        """Return this worker's place in a global batch, as `torch.tensor_split` divides it."""
        if self._world_size == 1:
            return None
        least, more = divmod(total, self._world_size)
        return Share(first=self._rank * least + min(self._rank, more), total=total)

    def _order(self) -> Tensor:
        if not self._shuffle:
            return torch.arange(len(self.windows))
        return torch.from_numpy(np.random.default_rng([self._seed, self._epoch]).permutation(len(self.windows)))


def _sizes(count: int, batch_size: int, *, least: int) -> list[int]:
    """Return the sizes of the batches: full ones, then at least `least` (unless it is the only one).

    >>> _sizes(10, 4, least=2), _sizes(9, 4, least=2)
    ([4, 4, 2], [4, 5])
    """
    full, rest = divmod(count, batch_size)
    sizes = [batch_size] * full
    if rest >= least or (rest and not full):
        return [*sizes, rest]
    if rest:
        sizes[-1] += rest
    return sizes
