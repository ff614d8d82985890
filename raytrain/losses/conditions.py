"""The operating conditions of a batch, asked for by the losses that need them."""

from __future__ import annotations

from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.types import Batch

__all__ = ["condition"]


def condition(batch: Batch, name: str) -> Tensor:
    """Return the operating condition `name` of the batch's samples, `[B]`.

    Raises:
        ConfigError: The batch does not carry it.
    """
    if name not in batch.conditions:
        carried = ", ".join(sorted(batch.conditions)) or "nothing"
        raise ConfigError(f"this loss needs the operating condition {name}; batches carry {carried}")
    return batch.conditions[name]
