"""What mixing with a partner does to a batch's labels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from raytrain.augment.draws import rows_of_all
from raytrain.errors import ConfigError
from raytrain.types import Batch, Mixture

__all__ = ["mixed_batch"]


def mixed_batch(batch: Batch, inputs: Tensor, *, partners: Tensor, weight: Tensor, generator: torch.Generator) -> Batch:
    """Return `batch` with mixed `inputs`, and its labels mixed alike.

    Conditions stay those of the sample itself: a mixture has no shaft speed of its own.

    Args:
        batch: The batch, not mixed yet.
        inputs: Its inputs after mixing.
        partners: Index of each sample's partner in the global batch, int64 `[B]`.
        weight: Share of the sample itself, in [0, 1], `[B]`.
        generator: What drew the partners.

    Raises:
        ConfigError: The batch is mixed already; its labels would need three classes.
    """
    if batch.mixture is not None:
        raise ConfigError("augmentation: the batch is mixed already; use one of mixup, cutmix and the like, not two")
    targets = rows_of_all(batch.targets, generator=generator).index_select(0, partners)
    return replace(batch, inputs=inputs, mixture=Mixture(targets=targets, weight=weight))
