"""Several augmentations, one after another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from raytrain.augment.augmentation import Augmentation
from raytrain.errors import ConfigError
from raytrain.types import Batch, Objective, Progress

__all__ = ["Compose"]


class Compose(Augmentation):
    """Several augmentations, one after another.

    A run applies the steps on signals first, in order, and those on time-frequency images after its transform.

    Args:
        steps: What is applied, in order; a `Compose` among them stands for its own steps.

    Raises:
        ConfigError: Two steps mix labels.

    >>> from raytrain.augment.scaling import AmplitudeScaling
    >>> half = AmplitudeScaling(low=0.5, high=0.5)
    >>> Compose([half, Compose([half])]).augment(torch.ones(1, 1, 2), generator=torch.Generator())
    tensor([[[0.2500, 0.2500]]])
    """

    def __init__(self, steps: Sequence[Augmentation]) -> None:
        self.steps: tuple[Augmentation, ...] = tuple(
            one for step in steps for one in (step.steps if isinstance(step, Compose) else (step,))
        )
        mixing = [type(step).__name__ for step in self.steps if step.mixes_labels]
        if len(mixing) > 1:
            raise ConfigError(f"augmentation.steps: {' and '.join(mixing)} mix labels; keep one of them")
        self.mixes_labels = bool(mixing)

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        """Return the batch after all steps."""
        for step in self.steps:
            batch = step(batch, progress, generator)
        return batch

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return inputs `[B, C, T]` after all steps, which must be such that need no more of the batch."""
        for step in self.steps:
            inputs = step.augment(inputs, generator=generator)
        return inputs

    def bind(self, model: nn.Module, objective: Objective) -> None:
        """Hand the run's model and objective to every step."""
        for step in self.steps:
            step.bind(model, objective)
