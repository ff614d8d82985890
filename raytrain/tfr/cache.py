"""Images of windows that do not change, made once and kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from raytrain.errors import ConfigError, DataError
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.tfr.views import Views
from raytrain.types import Batch, Progress

__all__ = ["CachedImages", "Images"]

Images: TypeAlias = TimeFrequencyTransform | Views
"""What makes images of signals: one of each window, or several by name."""

_MEBIBYTE = 2**20
_IMAGE = ""  # the name of a transform's only image


class CachedImages:
    """The images of windows, each made when it is first asked for and then kept on its device.

    A `raytrain.types.BatchTransform` that also runs in evaluation and takes the place of the transform it wraps, where
    the same window always is the same signal: no augmentation of signals and no resizing comes before it. It knows a
    window by its number in `batch.conditions["window"]`, and serves all loaders that number the same windows alike, as
    those of one `raytrain.data.store.SegmentStore` do. Kept images are exactly those the transform makes, in the same
    order in memory, so a run has the same results with and without; only where a device's Fourier transform rounds
    differently in batches of another size, as a GPU's may, do they differ by that much.

    Once a batch the host waits for the device, to learn which windows are new, until `expected` of them are kept;
    after that nothing waits. Each worker keeps what it has seen.

    Measured on one core of a CPU, 2048 samples: a kept image is fetched in 1 to 2 us, and made in 52 us (stft), 110 us
    (wvd), 650 us (smoothed_pseudo_wvd) or 2300 us (cwt); it takes 17 to 33 kB. A small network learns from it in 2300
    us or more, so what is kept saves half of an epoch with cwt, a quarter with three views, a tenth with
    smoothed_pseudo_wvd, nothing with wvd (whose many small steps weigh more on a GPU: not measured), and nothing with
    stft, which is therefore never kept by itself (`worth_keeping`).

    >>> from raytrain.tfr.wigner_ville import Wvd
    >>> images = CachedImages(Wvd(12_000), count=10, limit_mb=64)
    >>> batch = Batch(torch.ones(2, 1, 2048), torch.zeros(2, dtype=torch.int64), {"window": torch.tensor([7, 3])})
    >>> images(batch, Progress(0, 0, 0.0), torch.Generator()).signal.shape, images.caching, images.kept
    (torch.Size([2, 1, 128, 64]), True, 2)

    Args:
        transform: What makes the images.
        count: Windows in all: their numbers are below it.
        limit_mb: Mebibytes that all images together may take; nothing is kept where they would take more.
        expected: How many windows will be asked for; all where that is not known. Images of more than these, which
            nobody looks for any more, are NaN.

    Attributes:
        in_evaluation: True.
        transform: What makes the images.
        caching: Whether images are kept: they are worth it and within the limit; None where that is not known before
            the first batch, which tells how large they are.
        needed_mb: Mebibytes that all images take; 0 before the first batch.
        kept: Windows whose images are kept.

    Raises:
        ConfigError: There is no window, more are expected than there are, or the limit is negative.
    """

    in_evaluation: bool = True

    def __init__(self, transform: Images, *, count: int, limit_mb: float, expected: int | None = None) -> None:
        if count < 1 or limit_mb < 0:
            raise ConfigError(f"images are kept for at least 1 window and 0 MB, got {count} and {limit_mb:g}")
        if expected is not None and not 1 <= expected <= count:
            raise ConfigError(f"images are expected of 1 window to all {count}, got {expected}")
        self.transform = transform
        self.caching: bool | None = None if limit_mb and transform.worth_keeping else False
        self.needed_mb = 0.0
        self.kept = 0
        self._count = count
        self._expected = count if expected is None else expected
        self._limit_mb = limit_mb
        self._kept: dict[str, Tensor] = {}
        self._orders: dict[str, list[int]] = {}
        self._known = torch.empty(0, dtype=torch.bool)

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch with its signal replaced by the images; nothing is drawn.

        Raises:
            DataError: The batch does not say which windows it has.
        """
        if self.caching is None:
            self._reserve(batch.signal[:1])
        if not self.caching:
            return replace(batch, inputs=self.transform.transform(batch.signal))
        if "window" not in batch.conditions:
            raise DataError("images are kept by the condition 'window', the index of each window, which batches lack")
        windows = batch.conditions["window"]
        if self.kept < self._expected:
            self._keep(windows, batch.signal)
        found = {name: kept.index_select(0, windows) for name, kept in self._kept.items()}
        found = {name: images.permute(self._orders[name]) for name, images in found.items()}
        return replace(batch, inputs=found.get(_IMAGE, found))

    @torch.no_grad()
    def _reserve(self, signal: Tensor) -> None:
        """Find out how large the images of all windows are, and make room if they may be kept."""
        one = _by_name(self.transform.transform(signal))
        self.needed_mb = sum(image.nbytes for image in one.values()) * self._count / _MEBIBYTE
        self.caching = self.needed_mb <= self._limit_mb
        if not self.caching:
            return
        with torch.inference_mode(mode=False):  # evaluation may come first, and training must be able to write too
            self._known = torch.zeros(self._count, dtype=torch.bool, device=signal.device)
            for name, image in one.items():
                stored = image.permute(order := _order_in_memory(image))
                self._kept[name] = self._room(stored)
                self._orders[name] = [order.index(dimension) for dimension in range(image.dim())]

    def _room(self, image: Tensor) -> Tensor:
        size = (self._count, *image.shape[1:])
        if self._expected == self._count:  # none is fetched before it is made
            return torch.empty(size, dtype=image.dtype, device=image.device)
        return torch.full(size, torch.nan, dtype=image.dtype, device=image.device)

    @torch.no_grad()
    def _keep(self, windows: Tensor, signal: Tensor) -> None:
        """Make the images of those windows that have none."""
        rows = (~self._known[windows]).nonzero().squeeze(1)
        if not len(rows):
            return
        new = windows[rows]
        for name, images in _by_name(self.transform.transform(signal[rows])).items():
            self._kept[name].index_copy_(0, new, images.permute(_order_in_memory(images)))
        self._known[new] = True
        self.kept = int(self._known.sum())


def _by_name(images: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    return {_IMAGE: images} if isinstance(images, Tensor) else images


def _order_in_memory(images: Tensor) -> list[int]:
    """Return the dimensions from the one of windows to the one whose values are neighbours in memory."""
    return [0, *sorted(range(1, images.dim()), key=images.stride, reverse=True)]
