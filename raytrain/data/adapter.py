"""Loaders of anyone's make: any sized iterable of batches, seen as the loop's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any, Protocol, TypeAlias

from torch import Tensor

from raytrain.errors import DataError
from raytrain.types import Batch

__all__ = ["AnyBatch", "AnyLoader", "BatchAdapter", "as_batch"]

AnyBatch: TypeAlias = Batch | Sequence[Tensor] | Mapping[str, Tensor]
"""A `Batch`, a pair `(inputs, targets)`, or a mapping with these two keys and conditions beside them."""


class AnyLoader(Sized, Protocol):
    """A sized iterable of batches, such as `torch.utils.data.DataLoader` or a list."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the batches of an epoch."""
        ...


class BatchAdapter:
    """Implements `raytrain.types.Loader` over any sized iterable of batches, in one process.

    Epochs are announced to a loader that has `set_epoch`, or whose sampler has.

    Args:
        loader: What to iterate over, once per epoch.
    """

    def __init__(self, loader: AnyLoader) -> None:
        self._loader = loader

    def set_epoch(self, epoch: int) -> None:
        """Tell the loader or its sampler, where one of them wants to know."""
        for one in (self._loader, getattr(self._loader, "sampler", None)):
            announce = getattr(one, "set_epoch", None)
            if announce is not None:
                announce(epoch)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        return (as_batch(batch) for batch in self._loader)


def as_batch(batch: AnyBatch) -> Batch:
    """Return a batch of any of the usual forms as a `Batch`.

    >>> import torch
    >>> len(as_batch((torch.zeros(4, 1, 64), torch.tensor([0, 1, 1, 0]))))
    4

    Raises:
        DataError: It has none of the forms of `AnyBatch`.
    """
    if isinstance(batch, Batch):
        return batch
    if isinstance(batch, Mapping) and {"inputs", "targets"} <= batch.keys():
        conditions = {name: value for name, value in batch.items() if name not in {"inputs", "targets"}}
        return Batch(batch["inputs"], batch["targets"], conditions)
    if isinstance(batch, Sequence) and len(batch) == 2 and all(isinstance(one, Tensor) for one in batch):
        return Batch(batch[0], batch[1])
    keys = f" with the keys {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else ""
    raise DataError(
        f"a batch must be a pair of tensors (inputs, targets), a mapping with the keys 'inputs' and 'targets', or a "
        f"raytrain.types.Batch; got {type(batch).__name__}{keys}"
    )
