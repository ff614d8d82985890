"""A stretch of time hidden in each signal."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_share
from raytrain.augment.draws import change_share, draw_uniform, whole_number

__all__ = ["TimeMasking", "mask_up_to", "time_masking"]


def time_masking(signal: Tensor, *, max_share: float = 0.2, generator: torch.Generator) -> Tensor:
    """Return each sample with one stretch of time replaced by the mean of each channel.

    Its width is uniform on 0 .. m samples, m = `max_share` T, rounded, then its start uniform on all places where it
    fits; all channels of a sample are masked alike. The mean of a standardised window is 0; masking with the mean
    adds no jump of the level. The spectrum is smeared over about `1 / width` of the sampling rate. Source: the time
    masks of D. Park et al., "SpecAugment", Interspeech 2019, on the signal itself (T. DeVries, G. Taylor, "Improved
    regularization of convolutional neural networks with cutout", 2017, in one dimension).

    Args:
        signal: `[B, C, T]`.
        max_share: Largest masked share of the window, in [0, 1].
        generator: Draws widths and starts, on the signal's device.

    Raises:
        ConfigError: The share is impossible.
        DataError: The signal has other dimensions.

    >>> ramp = torch.arange(1.0, 9.0).view(1, 1, 8)
    >>> time_masking(ramp, max_share=0.5, generator=torch.Generator().manual_seed(0))
    tensor([[[1.0000, 2.0000, 3.0000, 4.5000, 4.5000, 4.5000, 4.5000, 8.0000]]])
    """
    check_share("max_share", max_share)
    return mask_up_to(signal, max_share=max_share, generator=generator)


def mask_up_to(signal: Tensor, *, max_share: float | Tensor, generator: torch.Generator) -> Tensor:
    """Return signals `[B, C, T]`, at most a share of each masked, which may be given per sample `[B, 1, 1]`."""
    for_width, for_start = draw_uniform(signal, 2, generator=generator)
    length = signal.shape[-1]
    most = (torch.ones_like(for_width) * max_share * length).round()
    width = whole_number(for_width, most + 1)
    start = whole_number(for_start, length - width + 1)
    position = torch.arange(length, device=signal.device)
    masked = (position >= start) & (position < start + width)
    return torch.where(masked, signal.mean(dim=-1, keepdim=True), signal)


class TimeMasking(Augmentation):
    """One stretch of each sample replaced by its mean (`time_masking`).

    Args:
        max_share: Largest masked share of the window, in [0, 1]; widths are uniform from 0 to it.
        probability: Share of samples that are masked, in [0, 1].

    Raises:
        ConfigError: A value is impossible.

    >>> wave = torch.sin(torch.arange(1000.0)).view(1, 1, -1)
    >>> masked = TimeMasking(max_share=0.3).augment(wave, generator=torch.Generator().manual_seed(0))
    >>> 0 < int((masked != wave).sum()) <= 300
    True
    """

    def __init__(self, *, max_share: float = 0.2, probability: float = 1.0) -> None:
        self.max_share = check_share("max_share", max_share)
        self.probability = check_share("probability", probability)

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return masked inputs `[B, C, T]`."""
        masked = time_masking(inputs, max_share=self.max_share, generator=generator)
        return change_share(inputs, masked, probability=self.probability, generator=generator)
