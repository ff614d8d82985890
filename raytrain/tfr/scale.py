"""How strongly a time-frequency image shows weak parts beside strong ones."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from raytrain.errors import ConfigError

__all__ = ["FLOOR", "Scale", "check_scale", "scaled"]

Scale: TypeAlias = Literal["magnitude", "power", "log"]

FLOOR = 1e-10
"""Added to the power before its logarithm: silence is shown at -100 dB."""


def check_scale(scale: str) -> None:
    """Raise ConfigError if there is no such scale."""
    if scale not in get_args(Scale):
        raise ConfigError(f"tfr.scale must be magnitude, power or log, got {scale!r}")


def scaled(power: Tensor, scale: Scale) -> Tensor:
    """Return `power` as it is, its square root, or `10 log10(power + FLOOR)` in dB.

    >>> scaled(torch.tensor([0.0, 1.0, 100.0]), "log").tolist()
    [-100.0, 0.0, 20.0]
    """
    if scale == "power":
        return power
    if scale == "magnitude":
        # The clamp gives silence a gradient of zero, where that of the square root is infinite.
        return power.clamp_min(torch.finfo(power.dtype).tiny).sqrt()
    return 10 * torch.log10(power + FLOOR)
