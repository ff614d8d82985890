"""Batches of windows in an order that depends on seed and epoch only, divided exactly between workers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from raytrain.data.neighbours import grouped_order, run_starts
from raytrain.data.windows import Windows
from raytrain.errors import ConfigError, DataError
from raytrain.types import Batch, Share

__all__ = ["WindowLoader"]


class WindowLoader:
    """A sized iterable of the batches of one worker.

    The global batches, over all workers together, are the same for any number of workers; each worker takes
    its contiguous share of each. Nothing is padded, repeated or dropped: an epoch is cut into as few batches as
    `batch_size` allows, whose sizes differ by one at most, so that no last one is too small for batch statistics.

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
        neighbours: int = 1,
        least_per_worker: int = 1,
    ) -> None:
        """Plan the batches.

        Args:
            windows: What to iterate over.
            batch_size: Most windows of a global batch.
            shuffle: A new order each epoch; otherwise the order of `windows`.
            seed: Chooses the orders.
            rank: This worker, from 0.
            world_size: Number of workers.
            neighbours: Consecutive windows of a recording that are shuffled as one, and stay in one batch where they
                fit; 1 shuffles every window by itself.
            least_per_worker: Fewest windows of a batch that each of several workers may have; 2 where it normalises
                by them.

        Raises:
            ConfigError: The batch is too small for the workers or the neighbours.
            DataError: There are too few windows for the workers.
        """
        if neighbours > batch_size:
            raise ConfigError(f"neighbours must be at most batch_size={batch_size}, got {neighbours}")
        self.windows = windows
        self.global_sizes = _sizes(len(windows), batch_size)
        if world_size > 1:
            _check_shares(self.global_sizes, batch_size, world_size=world_size, least=least_per_worker)
        self._runs = None
        if neighbours > 1:
            self._runs = run_starts(windows.recordings, windows.window_start, hop=windows.hop, longest=neighbours)
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
        rng = np.random.default_rng([self._seed, self._epoch])
        if self._runs is None:
            return torch.from_numpy(rng.permutation(len(self.windows)))
        return torch.from_numpy(grouped_order(self._runs, self.global_sizes, rng))


def _sizes(count: int, batch_size: int) -> list[int]:
    """Return the sizes of the batches: as few and as equal as can be, the larger ones first.

    >>> _sizes(10, 4), _sizes(9, 4), _sizes(8, 4)
    ([4, 3, 3], [3, 3, 3], [4, 4])
    """
    batches = -(-count // batch_size)
    least, more = divmod(count, batches)
    return [least + 1] * more + [least] * (batches - more)


def _check_shares(sizes: list[int], batch_size: int, *, world_size: int, least: int) -> None:
    """Refuse batches of which some worker would have fewer than `least` windows."""
    needed = least * world_size
    if sizes[-1] >= needed:
        return
    wanted = f"each of the {world_size} workers {least} or more"
    remedy = ", or batch_norm: synchronized" if least > 1 else ""
    if batch_size < needed:
        raise ConfigError(f"batch_size {batch_size} cannot give {wanted}; use at least {needed}{remedy}")
    raise DataError(
        f"{sum(sizes)} windows in batches of {sizes[-1]} cannot give {wanted}; use fewer workers, a smaller "
        f"windows.hop, another batch_size{remedy}"
    )
