"""A random circular shift in time."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_share
from raytrain.augment.draws import change_share, draw_uniform, whole_number

__all__ = ["TimeShift", "shift_up_to", "time_shift"]


def time_shift(signal: Tensor, *, max_share: float = 0.5, generator: torch.Generator) -> Tensor:
    """Return each sample shifted circularly by a whole number of samples, all its channels alike.

    Every shift from -m to m, m = `max_share` T, rounded, is equally likely. A shift by k multiplies the spectrum by
    `exp(-2 pi i f k / T)`: magnitudes stay, phases turn. What leaves at one end enters at the other, so there is one
    jump where the window's ends meet. Source: A. Oppenheim, R. Schafer, "Discrete-Time Signal Processing", section
    8.6.2 (circular shift).

    Args:
        signal: `[B, C, T]`.
        max_share: Largest shift as a share of the window, in [0, 1].
        generator: Draws the shifts, on the signal's device.

    Raises:
        ConfigError: The share is impossible.
        DataError: The signal has other dimensions.

    >>> ramp = torch.arange(6.0).expand(2, 1, 6)
    >>> time_shift(ramp, generator=torch.Generator().manual_seed(0))[:, 0]
    tensor([[3., 4., 5., 0., 1., 2.],
            [5., 0., 1., 2., 3., 4.]])
    """
    check_share("max_share", max_share)
    return shift_up_to(signal, max_share=max_share, generator=generator)


def shift_up_to(signal: Tensor, *, max_share: float | Tensor, generator: torch.Generator) -> Tensor:
    """Return signals `[B, C, T]` shifted circularly by at most a share, which may be given per sample `[B, 1, 1]`."""
    (uniform,) = draw_uniform(signal, 1, generator=generator)
    length = signal.shape[-1]
    most = (torch.ones_like(uniform) * max_share * length).round()
    shift = whole_number(uniform, 2 * most + 1) - most.long()
    source = (torch.arange(length, device=signal.device) - shift) % length
    return signal.gather(-1, source.expand_as(signal))


class TimeShift(Augmentation):
    """Each sample shifted circularly in time (`time_shift`).

    Args:
        max_share: Largest shift to either side as a share of the window, in [0, 1]; from 0.5 on every shift can occur.
        probability: Share of samples that are shifted, in [0, 1].

    Raises:
        ConfigError: A value is impossible.

    >>> shifted = TimeShift().augment(torch.arange(4.0).view(1, 1, 4), generator=torch.Generator().manual_seed(0))
    >>> sorted(shifted.flatten().tolist())
    [0.0, 1.0, 2.0, 3.0]
    """

    def __init__(self, *, max_share: float = 0.5, probability: float = 1.0) -> None:
        self.max_share = check_share("max_share", max_share)
        self.probability = check_share("probability", probability)

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return shifted inputs `[B, C, T]`."""
        shifted = time_shift(inputs, max_share=self.max_share, generator=generator)
        return change_share(inputs, shifted, probability=self.probability, generator=generator)
