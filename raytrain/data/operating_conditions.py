"""The operating conditions of a window as numbers that a model can read beside the signal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from raytrain.data.windows import Windows
from raytrain.errors import ConfigError
from raytrain.types import Batch, Progress

__all__ = ["CONDITIONS", "OperatingConditions", "operating_values"]

CONDITIONS = ("shaft_speed_rpm", "load", "viscosity_pa_s", "sommerfeld_number")
"""The conditions of a batch that are looked at, in the order of their columns."""


def operating_values(conditions: Mapping[str, Tensor], *, sample_rate_hz: float, like: Tensor) -> Tensor:
    """Return the operating conditions of windows as numbers, NaN where unknown, `[B, 4]`.

    The columns are: revolutions of the shaft per sample (`rpm / 60 / sample rate`); load in the recording's own unit;
    natural logarithms of the dynamic viscosity in Pa s and of the Sommerfeld number, which span decades (O. Reynolds,
    1886: film thickness follows their ratios). A speed, viscosity or Sommerfeld number that is not positive is unknown.

    >>> turning = {"shaft_speed_rpm": torch.tensor([1800.0, 0.0]), "load": torch.tensor([2.0, 3.0])}
    >>> operating_values(turning, sample_rate_hz=12_000, like=torch.zeros(2))
    tensor([[2.5000e-03, 2.0000e+00,        nan,        nan],
            [       nan, 3.0000e+00,        nan,        nan]])

    Args:
        conditions: Tensors `[B]` by name, of which `CONDITIONS` are looked at; one that is missing is unknown.
        sample_rate_hz: Samples per second of the signals as the model gets them.
        like: A tensor of leading dimension B, whose dtype and device the result has.
    """
    unknown = like.new_full((len(like),), math.nan)
    speed, load, viscosity, sommerfeld = (conditions.get(name, unknown).to(like) for name in CONDITIONS)
    turning = torch.where(speed > 0, speed / (60 * sample_rate_hz), math.nan)
    logarithms = (torch.where(value > 0, value, math.nan).log() for value in (viscosity, sommerfeld))
    values = torch.stack([turning, load, *logarithms], dim=1)
    return torch.where(values.isfinite(), values, math.nan)


class OperatingConditions:
    """Adds the operating conditions to the signal: inputs become `signal` `[B, C, T]` and `conditions` `[B, 8]`.

    The first four columns are those of `operating_values`: the first stays physical, because a model may compute with
    it; the others are standardised, `(value - mean) / scale`. The last four say which of these are known, 1 or 0. What
    is unknown is 0 in both.

    A transform before this one that resamples the signal (resizing by interpolation) changes the revolutions per
    sample; this one does not see it, and goes by `sample_rate_hz`. It is a `raytrain.types.BatchTransform`.

    Source: of standardising by the training set alone, T. Hastie, R. Tibshirani, J. Friedman, "The Elements of
    Statistical Learning", 2009, section 7.10.2.

    >>> transform = OperatingConditions(12_000, mean=(1.0, 0.0, 0.0), scale=(2.0, 1.0, 1.0))
    >>> batch = Batch(torch.zeros(1, 1, 8), torch.tensor([0]), {"load": torch.tensor([3.0])})
    >>> transform(batch, Progress(0, 0, 0.0), torch.Generator()).inputs["conditions"]
    tensor([[0., 1., 0., 0., 0., 1., 0., 0.]])

    Args:
        sample_rate_hz: Samples per second of the signals as the model gets them.
        mean: What is subtracted from load, log viscosity and log Sommerfeld number.
        scale: What they are then divided by, positive.

    Attributes:
        in_evaluation: True.

    Raises:
        ConfigError: The rate or a scale is not positive, or there are not three means and three scales.
    """

    in_evaluation: bool = True

    def __init__(self, sample_rate_hz: float, *, mean: Sequence[float], scale: Sequence[float]) -> None:
        if not (math.isfinite(sample_rate_hz) and sample_rate_hz > 0):
            raise ConfigError(f"sample_rate_hz must be positive, got {sample_rate_hz:g}")
        if len(mean) != 3 or len(scale) != 3 or not all(one > 0 for one in scale):
            raise ConfigError(
                "mean and scale must have a number each for load, log viscosity and log Sommerfeld number, and scales "
                f"must be positive; got {tuple(mean)} and {tuple(scale)}"
            )
        self.sample_rate_hz = sample_rate_hz
        self.mean = tuple(mean)
        self.scale = tuple(scale)

    @classmethod
    def of(cls, windows: Windows) -> OperatingConditions:
        """Return the transform for the model that is trained on `windows`, from whose conditions mean and scale are.

        Scales are standard deviations, 1 for a condition that is always the same; one that is never known has mean 0.
        """
        known = {name: windows.condition(name) for name in CONDITIONS if name in windows.condition_names}
        rows = torch.zeros(len(windows), dtype=torch.float64, device=windows.device)
        values = operating_values(known, sample_rate_hz=windows.store.fs_hz, like=rows)[:, 1:]
        columns = [column[column.isfinite()] for column in values.unbind(dim=1)]
        mean = [float(column.mean()) if len(column) else 0.0 for column in columns]
        deviations = [float(column.std(correction=0)) if len(column) else 0.0 for column in columns]
        # The deviation of equal float64 values is rounding, not exactly zero.
        scale = [one if one > 1e-9 * (1 + abs(middle)) else 1.0 for one, middle in zip(deviations, mean, strict=True)]
        return cls(windows.store.fs_hz, mean=mean, scale=scale)

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch with its conditions among the inputs; progress and generator do not matter."""
        signal = batch.signal
        values = operating_values(batch.conditions, sample_rate_hz=self.sample_rate_hz, like=signal)
        columns = [
            values[:, 0],
            *((values[:, 1 + i] - mean) / self.scale[i] for i, mean in enumerate(self.mean)),
        ]
        standardised = torch.stack(columns, dim=1)
        known = standardised.isfinite()
        conditions = torch.cat([torch.where(known, standardised, 0.0), known.to(signal.dtype)], dim=1)
        return replace(batch, inputs={"signal": signal, "conditions": conditions})
