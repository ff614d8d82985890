"""The operations that a policy is composed of, on one scale of strength."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from raytrain.augment.masking import mask_up_to
from raytrain.augment.noise import add_noise, root_power
from raytrain.augment.scaling import scale_between
from raytrain.augment.shift import shift_up_to

__all__ = ["MAX_MAGNITUDE", "OPERATIONS", "STRENGTH_PER_MAGNITUDE", "Operation"]

MAX_MAGNITUDE = 10.0
STRENGTH_PER_MAGNITUDE = 0.05
"""Magnitudes go from 0 to 10, the scale of AutoAugment; strengths from 0 to 0.5."""


class Operation(Protocol):
    """Augments signals `[B, C, T]` by a strength per sample, in [0, 0.5], `[B, 1, 1]`; 0 leaves a sample as it is."""

    def __call__(self, signal: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
        """Return the augmented signals `[B, C, T]`."""
        ...


def _gaussian_noise(signal: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    std = strength.to(signal.dtype) * root_power(signal)
    return add_noise(signal, std=std, generator=generator)


def _amplitude_scaling(signal: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    return scale_between(signal, low=1 - strength, high=1 + strength, generator=generator)


def _time_shift(signal: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    return shift_up_to(signal, max_share=strength, generator=generator)


def _time_masking(signal: Tensor, strength: Tensor, generator: torch.Generator) -> Tensor:
    return mask_up_to(signal, max_share=strength, generator=generator)


OPERATIONS: dict[str, Operation] = {
    "gaussian_noise": _gaussian_noise,
    "amplitude_scaling": _amplitude_scaling,
    "time_shift": _time_shift,
    "time_masking": _time_masking,
}
"""Name -> operation, in the order in which a policy applies them. Its strength is: the noise's deviation over the
channel's own; the largest change of the factor from 1; the largest shift, and the largest masked stretch, as shares of
the window."""
