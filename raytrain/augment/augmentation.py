"""What every augmentation is: a transform of training batches that draws from the generator it is given."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from raytrain.types import Batch, Objective, Progress

__all__ = ["Augmentation"]


class Augmentation:
    """Base of all augmentations, each a `raytrain.types.BatchTransform` that leaves evaluation alone.

    One that changes inputs only overrides `augment`; one that also mixes labels, or needs the rest of the batch,
    overrides `__call__`. Inputs are never written to. Draws are per sample, from the generator, on the inputs' device,
    by the functions of `raytrain.augment.draws`, so that the number of workers changes none of them.

    Attributes:
        in_evaluation: False.
        domain: What it is applied to: the `signal` `[B, C, T]`, or the time-frequency `image` `[B, C, F, T]`.
        mixes_labels: Whether it sets `Batch.mixture`; at most one augmentation of a run may.
    """

    in_evaluation: bool = False
    domain: ClassVar[Literal["signal", "image"]] = "signal"
    mixes_labels: bool = False

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the augmented batch."""
        return replace(batch, inputs=self.augment(batch.signal, generator=generator))

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return augmented inputs of the same shape, dtype and device."""
        raise NotImplementedError(f"{type(self).__name__} augments whole batches: call it")

    def bind(self, model: nn.Module, objective: Objective) -> None:
        """Learn of the run's model and objective before the first batch; only adversarial augmentation needs them."""
