"""Batch transforms in the loops: applied on the device, with draws that a resumed run repeats."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from raytrain.augment.draws import SharedGenerator
from raytrain.types import Batch, BatchTransform, Progress

__all__ = ["epoch_generator", "transformed"]


def epoch_generator(seed: int, *, epoch: int, device: torch.device) -> SharedGenerator:
    """Return the generator of one epoch, the same on every worker."""
    generator = SharedGenerator(device)
    generator.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]))
    return generator


@torch.no_grad()
def transformed(
    batch: Batch, transforms: Iterable[BatchTransform], progress: Progress, generator: SharedGenerator
) -> Batch:
    """Return `batch` after all `transforms`, in order; those that draw do so for the global batch."""
    generator.share = batch.share
    for transform in transforms:
        batch = transform(batch, progress, generator)
    return batch
