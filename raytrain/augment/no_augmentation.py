"""The choice not to augment."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation

__all__ = ["NoAugmentation"]


class NoAugmentation(Augmentation):
    """Nothing: batches stay as they are, and nothing is drawn.

    >>> signal = torch.ones(1, 1, 4)
    >>> NoAugmentation().augment(signal, generator=torch.Generator()) is signal
    True
    """

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002 - the interface
        """Return the inputs themselves, `[B, C, T]`."""
        return inputs
