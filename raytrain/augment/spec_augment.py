"""SpecAugment: stripes of time and of frequency hidden in time-frequency images."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_share
from raytrain.augment.draws import draw_uniform, whole_number
from raytrain.errors import ConfigError, DataError

__all__ = ["SpecAugment", "spec_augment"]


def spec_augment(
    image: Tensor,
    *,
    time_mask_param: int = 40,
    freq_mask_param: int = 20,
    num_time_masks: int = 2,
    num_freq_masks: int = 2,
    max_time_share: float = 1.0,
    generator: torch.Generator,
) -> Tensor:
    """Return each image with stripes of time and of frequency replaced by its mean.

    A stripe's width is uniform on 0 .. m, `m = min(freq_mask_param, F)` bins for one of frequency and
    `m = min(time_mask_param, floor(max_time_share T'))` frames for one of time; then its start is uniform on all
    places where it fits. Stripes may overlap. They are drawn per sample and hide the same part of all its channels;
    the value is the mean of each channel's own image before masking, 0 where images are normalised to mean zero as in
    the source. Its time warping is left out: the source finds it of little effect and the first to drop, and it would
    move fault frequencies, which diagnosis reads.

    Source: D. Park, W. Chan, Y. Zhang, C.-C. Chiu, B. Zoph, E. Cubuk, Q. Le, "SpecAugment: a simple data
    augmentation method for automatic speech recognition", Interspeech 2019, section 2.

    Args:
        image: `[B, C, F, T']`, of any unit.
        time_mask_param: Widest stripe of time in frames, at least 0 (T of the source).
        freq_mask_param: Widest stripe of frequency in bins, at least 0 (F of the source).
        num_time_masks: Stripes of time per image, at least 0.
        num_freq_masks: Stripes of frequency per image, at least 0.
        max_time_share: Widest stripe of time as a share of the frames, in [0, 1] (p of the source).
        generator: Draws widths and starts, on the image's device.

    Raises:
        DataError: The image has other dimensions.

    >>> image = torch.arange(12.0).view(1, 1, 3, 4)
    >>> settings = {"time_mask_param": 2, "freq_mask_param": 1, "num_time_masks": 1, "num_freq_masks": 1}
    >>> spec_augment(image, **settings, generator=torch.Generator().manual_seed(2))[0, 0]
    tensor([[ 5.5000,  5.5000,  5.5000,  5.5000],
            [ 4.0000,  5.5000,  5.5000,  7.0000],
            [ 8.0000,  5.5000,  5.5000, 11.0000]])
    """
    if image.dim() != 4:
        raise DataError(f"SpecAugment takes images [batch, channels, frequencies, times], got {list(image.shape)}")
    frequencies, times = image.shape[-2:]
    widest = min(time_mask_param, math.floor(max_time_share * times))
    rows = _stripes(
        image, size=frequencies, widest=min(freq_mask_param, frequencies), count=num_freq_masks, generator=generator
    )
    columns = _stripes(image, size=times, widest=widest, count=num_time_masks, generator=generator)
    hidden = rows[:, None, :, None] | columns[:, None, None, :]
    return torch.where(hidden, image.mean(dim=(-2, -1), keepdim=True), image)


def _stripes(image: Tensor, *, size: int, widest: int, count: int, generator: torch.Generator) -> Tensor:
    """Return where along an axis of `size` the stripes of each image lie, bool `[B, size]`."""
    draws = draw_uniform(image[:, 0], 2 * count, generator=generator).view(2, count, len(image), 1)
    width = whole_number(draws[0], widest + 1)
    start = whole_number(draws[1], size - width + 1)
    position = torch.arange(size, device=image.device)
    return ((position >= start) & (position < start + width)).any(dim=0)


class SpecAugment(Augmentation):
    """Stripes of time and of frequency of a time-frequency image replaced by its mean (`spec_augment`).

    Widths count frames and bins, so they mean more in a smaller image: one with 40 frames may be hidden whole by the
    defaults, which `max_time_share` prevents.

    Source: D. Park et al., "SpecAugment", Interspeech 2019; without its time warping.

    Args:
        time_mask_param: Widest stripe of time in frames; widths are uniform from 0 to it.
        freq_mask_param: Widest stripe of frequency in bins; widths are uniform from 0 to it.
        num_time_masks: Stripes of time per image.
        num_freq_masks: Stripes of frequency per image.
        max_time_share: Widest stripe of time as a share of the image, in [0, 1].

    Raises:
        ConfigError: A value is impossible.

    >>> hide = SpecAugment(freq_mask_param=0, max_time_share=0.25)
    >>> image = torch.randn(1, 1, 64, 80, generator=torch.Generator().manual_seed(0))
    >>> changed = hide.augment(image, generator=torch.Generator().manual_seed(0)) != image
    >>> int(changed.any(dim=-2).sum()) <= 2 * 20
    True
    """

    domain: ClassVar[Literal["signal", "image"]] = "image"

    def __init__(
        self,
        *,
        time_mask_param: int = 40,
        freq_mask_param: int = 20,
        num_time_masks: int = 2,
        num_freq_masks: int = 2,
        max_time_share: float = 1.0,
    ) -> None:
        self.time_mask_param = _check_count("time_mask_param", time_mask_param)
        self.freq_mask_param = _check_count("freq_mask_param", freq_mask_param)
        self.num_time_masks = _check_count("num_time_masks", num_time_masks)
        self.num_freq_masks = _check_count("num_freq_masks", num_freq_masks)
        self.max_time_share = check_share("max_time_share", max_time_share)

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return masked images `[B, C, F, T']`."""
        return spec_augment(
            inputs,
            time_mask_param=self.time_mask_param,
            freq_mask_param=self.freq_mask_param,
            num_time_masks=self.num_time_masks,
            num_freq_masks=self.num_freq_masks,
            max_time_share=self.max_time_share,
            generator=generator,
        )


def _check_count(name: str, value: int) -> int:
    if value < 0:
        raise ConfigError(f"augmentation.{name} must be at least 0, got {value}")
    return value
