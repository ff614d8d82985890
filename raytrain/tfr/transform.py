"""What every time-frequency transform is: a fixed map of signals to images, applied to every batch."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from raytrain.tfr.checks import check_sample_rate
from raytrain.types import Batch, Progress

__all__ = ["TimeFrequencyTransform"]


class TimeFrequencyTransform:
    """Base of all time-frequency transforms, each a `raytrain.types.BatchTransform` that also runs in evaluation.

    Signals `[B, C, T]` become real images `[B, C, F, T']`, rows in order of rising frequency. A transform is
    deterministic, holds no state, works on the device and in the precision of what it is given, and can be
    differentiated with respect to the signal.

    >>> class Energy(TimeFrequencyTransform):
    ...     def transform(self, signal):
    ...         return signal.square().sum(-1)[..., None, None]
    >>> batch = Batch(torch.ones(2, 1, 5), torch.zeros(2, dtype=torch.int64))
    >>> Energy(100)(batch, Progress(0, 0, 0.0), torch.Generator()).signal.shape
    torch.Size([2, 1, 1, 1])

    Args:
        sample_rate_hz: Samples per second of the signals.

    Attributes:
        in_evaluation: True.
        worth_keeping: Whether making the images anew in every epoch costs a run enough that they are better kept.

    Raises:
        ConfigError: The sample rate is not positive and finite.
    """

    in_evaluation: bool = True
    worth_keeping: ClassVar[bool] = True

    def __init__(self, sample_rate_hz: float) -> None:
        check_sample_rate(sample_rate_hz)
        self.sample_rate_hz = float(sample_rate_hz)

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch with its signal replaced by the image; nothing is drawn."""
        return replace(batch, inputs=self.transform(batch.signal))

    def transform(self, signal: Tensor) -> Tensor:
        """Return the images `[B, C, F, T']` of signals `[B, C, T]`.

        Raises:
            ConfigError: T is too short.
            DataError: It is no such tensor of float32 or float64.
        """
        raise NotImplementedError

    @property
    def frequencies_hz(self) -> Tensor:
        """Frequency of each row, rising, float64 `[F]`."""
        raise NotImplementedError

    def times_s(self, samples: int) -> Tensor:
        """Return the time of each column from the first sample of a window of `samples`, float64 `[T']`.

        Raises:
            ConfigError: The window is too short.
        """
        raise NotImplementedError

    def output_shape(self, samples: int) -> tuple[int, int]:
        """Return the rows F and columns T' of the image of a window of `samples`.

        Raises:
            ConfigError: The window is too short.
        """
        return len(self.frequencies_hz), len(self.times_s(samples))
