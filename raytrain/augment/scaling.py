"""A random factor on each signal, as of another sensor gain."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_above_zero, check_share
from raytrain.augment.draws import change_share, draw_uniform
from raytrain.errors import ConfigError

__all__ = ["AmplitudeScaling", "amplitude_scaling", "scale_between"]


def amplitude_scaling(signal: Tensor, *, low: float = 0.8, high: float = 1.2, generator: torch.Generator) -> Tensor:
    """Return each sample times a factor uniform on [low, high), the same for all its channels.

    Its spectrum is scaled by the same factor: no frequency is moved and no ratio of amplitudes changed. Source:
    T. T. Um et al., "Data augmentation of wearable sensor data for Parkinson's disease monitoring using
    convolutional neural networks", ICMI 2017 ("scaling").

    Args:
        signal: `[B, C, T]`.
        low: Smallest factor, above 0.
        high: Largest factor, at least `low`.
        generator: Draws the factors, on the signal's device.

    Raises:
        ConfigError: A factor is impossible.
        DataError: The signal has other dimensions.

    >>> scaled = amplitude_scaling(torch.ones(3, 1, 2), generator=torch.Generator().manual_seed(0))
    >>> scaled[:, 0]
    tensor([[1.1880, 1.1880],
            [1.0831, 1.0831],
            [0.9838, 0.9838]])
    """
    _check_factors(low, high)
    return scale_between(signal, low=low, high=high, generator=generator)


def scale_between(signal: Tensor, *, low: float | Tensor, high: float | Tensor, generator: torch.Generator) -> Tensor:
    """Return signals `[B, C, T]` times a factor uniform on [low, high), which may be given per sample `[B, 1, 1]`."""
    (uniform,) = draw_uniform(signal, 1, generator=generator)
    factor: Tensor = low + (high - low) * uniform
    return signal * factor.to(signal.dtype)


def _check_factors(low: float, high: float) -> None:
    check_above_zero("low", low)
    check_above_zero("high", high)
    if low > high:
        raise ConfigError(f"augmentation.high must be at least low={low:g}, got {high:g}")


class AmplitudeScaling(Augmentation):
    """Each sample times a random factor (`amplitude_scaling`).

    Args:
        low: Smallest factor, above 0.
        high: Largest factor, at least `low`.
        probability: Share of samples that are scaled, in [0, 1].

    Raises:
        ConfigError: A value is impossible.

    >>> half = AmplitudeScaling(low=0.5, high=0.5)
    >>> half.augment(torch.ones(1, 1, 3), generator=torch.Generator())
    tensor([[[0.5000, 0.5000, 0.5000]]])
    """

    def __init__(self, *, low: float = 0.8, high: float = 1.2, probability: float = 1.0) -> None:
        _check_factors(low, high)
        self.low = low
        self.high = high
        self.probability = check_share("probability", probability)

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return scaled inputs `[B, C, T]`."""
        scaled = amplitude_scaling(inputs, low=self.low, high=self.high, generator=generator)
        return change_share(inputs, scaled, probability=self.probability, generator=generator)
