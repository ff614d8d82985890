"""Progressive resizing: windows that get longer as training goes on."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional

from raytrain.errors import ConfigError, DataError
from raytrain.types import Batch, Progress

__all__ = ["SCHEDULE", "ProgressiveResize", "ResizeMethod", "resize_signal"]

ResizeMethod: TypeAlias = Literal["interpolate", "truncate", "pad"]

SCHEDULE = ((25_600, 20), (51_200, 15), (76_800, 10), (102_400, 5))
"""Lengths in samples, with the epochs each is trained for, where no others are given."""


def resize_signal(signal: Tensor, length: int, *, method: ResizeMethod = "interpolate") -> Tensor:
    """Return a signal with another number of samples, `[B, C, T]` -> `[B, C, length]`.

    `truncate` keeps the first samples and `pad` appends zeros: both keep the sample rate. `interpolate` keeps the
    duration, so **the effective sample rate becomes length / T times what it was**: the spectrum of a shorter result
    ends at its own half sample rate, and what lies above is removed, not folded down.

    `interpolate` resamples the cosine series of the window (as if its mirror image followed): the DCT-II, cut off or
    continued with zeros, read at the middles of the new samples, `t_m = (m + 1/2) T / length - 1/2` in old samples.
    In the middle three quarters of the window a tone stays that tone to 0.5 % of its amplitude. Linear interpolation,
    which has no low-pass, folds a tone above the new half sample rate down at up to half its amplitude; resampling the
    Fourier series (`scipy.signal.resample`) rings at both ends by half the amplitude, as it joins the last sample to
    the first.

    Source: N. Ahmed, T. Natarajan, K. R. Rao, "Discrete cosine transform", IEEE Transactions on Computers C-23, 1974;
    S. A. Martucci, "Image resizing in the discrete cosine transform domain", ICIP 1995.

    >>> signal = torch.tensor([[[0.0, 1.0, 2.0, 3.0]]])
    >>> resize_signal(signal, 2, method="truncate").tolist(), resize_signal(signal, 6, method="pad").tolist()
    ([[[0.0, 1.0]]], [[[0.0, 1.0, 2.0, 3.0, 0.0, 0.0]]])
    >>> [round(value, 2) for value in resize_signal(signal, 2)[0, 0].tolist()]
    [0.38, 2.62]

    Args:
        signal: Float32 or float64 `[B, C, T]`; `truncate` and `pad` take any type.
        length: Samples of the result, at least 1.
        method: How it is made.

    Raises:
        ConfigError: `truncate` to more samples than there are, `pad` to fewer, or no such method.
        DataError: `signal` is not `[B, C, T]`.
    """
    _check(method, length)
    if signal.dim() != 3:
        raise DataError(f"resizing takes signals [batch, channels, samples], got {list(signal.shape)}")
    samples = signal.shape[-1]
    _check_reach(method, length, samples=samples)
    if length == samples:
        return signal
    if method == "truncate":
        return signal[..., :length]
    if method == "pad":
        return functional.pad(signal, (0, length - samples))
    return _resampled(signal, length)


def _resampled(signal: Tensor, length: int) -> Tensor:
    samples = signal.shape[-1]
    kept = min(samples, length)
    spectrum = torch.fft.rfft(torch.cat([signal, signal.flip(-1)], dim=-1))[..., :kept]
    # From the middle between a signal and its mirror image, as seen at the old rate, to the one at the new rate.
    orders = torch.arange(kept, dtype=torch.float64, device=signal.device)
    turn = torch.polar(torch.ones_like(orders), math.pi / 2 * (1 / length - 1 / samples) * orders)
    resampled: Tensor = torch.fft.irfft(spectrum * turn.to(spectrum.dtype), 2 * length)[..., :length]
    return resampled * (length / samples)


class ProgressiveResize:
    """Windows that get longer in stages: short ones first, which are cheaper, the last length at the end.

    A `raytrain.types.BatchTransform` that also runs in evaluation: the length is that of the epoch, and of the last
    stage at the end of training, as which everything is evaluated. It depends on nothing else, so a resumed run goes
    on as it was. `Batch.waveform`, what physics looks at, is left as it was measured.

    Source: progressive resizing of images, J. Howard et al., fast.ai, DAWNBench 2018; M. Tan, Q. Le, "EfficientNetV2",
    ICML 2021, section 4.

    >>> resize = ProgressiveResize([(512, 5), (1024, 5)], method="truncate")
    >>> [resize.length_at(epoch) for epoch in (0, 4, 5, 9, 10)], resize.final_length
    ([512, 512, 1024, 1024, 1024], 1024)
    >>> batch = Batch(torch.ones(2, 1, 2048), torch.zeros(2, dtype=torch.int64))
    >>> resize(batch, Progress(epoch=0, step=0, fraction=0.0), torch.Generator()).signal.shape
    torch.Size([2, 1, 512])

    Args:
        schedule: Stages in order: samples of a window, and epochs with it. After the last the length stays.
        method: How a window is brought to a length; see `resize_signal`.

    Attributes:
        in_evaluation: True.
        lengths: Samples of each stage.
        final_length: Samples of the last stage.

    Raises:
        ConfigError: There is no stage, or one of no samples or epochs, or no such method.
    """

    in_evaluation: bool = True

    def __init__(self, schedule: Sequence[tuple[int, int]], *, method: ResizeMethod = "interpolate") -> None:
        if not schedule:
            raise ConfigError("resize.schedule must have at least one stage [samples, epochs], got none")
        for length, epochs in schedule:
            _check(method, length)
            if epochs < 1:
                raise ConfigError(f"resize.schedule must give each stage at least 1 epoch, got {epochs} for {length}")
        self.method: ResizeMethod = method
        self.lengths = tuple(length for length, _ in schedule)
        self.final_length = self.lengths[-1]
        self._ends = list(accumulate(epochs for _, epochs in schedule))

    def length_at(self, epoch: int) -> int:
        """Return the samples of a window in epoch `epoch`, counted from 0."""
        return self.lengths[min(bisect_right(self._ends, epoch), len(self.lengths) - 1)]

    def check(self, samples: int) -> None:
        """Raise ConfigError if windows of `samples` cannot be brought to the length of every stage."""
        for length in self.lengths:
            _check_reach(self.method, length, samples=samples)

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch with signals of the epoch's length; nothing is drawn."""
        length = self.length_at(progress.epoch)
        return replace(batch, inputs=resize_signal(batch.signal, length, method=self.method))


def _check_reach(method: ResizeMethod, length: int, *, samples: int) -> None:
    """Raise ConfigError if `method` cannot bring windows of `samples` to `length`."""
    if method == "truncate" and length > samples:
        raise ConfigError(
            f"resize.schedule: windows of {samples} samples cannot be truncated to {length}; lower it to at most "
            f"{samples}, raise windows.length, or use interpolate or pad"
        )
    if method == "pad" and length < samples:
        raise ConfigError(
            f"resize.schedule: windows of {samples} samples cannot be padded to {length}; raise it to at least "
            f"{samples}, lower windows.length, or use interpolate or truncate"
        )


def _check(method: str, length: int) -> None:
    if method not in get_args(ResizeMethod):
        raise ConfigError(f"resize.name must be interpolate, truncate or pad, got {method!r}")
    if length < 1:
        raise ConfigError(f"resize.schedule must have lengths of at least 1 sample, got {length}")
