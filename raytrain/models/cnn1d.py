"""CNN1D: a plain one-dimensional convolutional network whose depth, width and field of view can be chosen."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.checks import check_at_least, check_dropout, check_odd, check_signal
from raytrain.models.classifier import Classifier, InputDomain

__all__ = ["CNN1D"]


class CNN1D(Classifier):
    """Blocks of convolution, batch normalisation, ReLU and max pooling by two, then global pooling over time.

    Global pooling makes the parameters independent of the window length and the scores nearly independent of
    when in the window an impact falls.

    >>> said = CNN1D(in_channels=1, num_classes=10)(torch.randn(4, 1, 2048), detailed=True)
    >>> said.scores.shape, said.embedding.shape
    (torch.Size([4, 10]), torch.Size([4, 54]))

    Args:
        in_channels: Channels C of the signal.
        num_classes: Classes K.
        depth: Number of blocks; each halves the length.
        width: Channels of the first block.
        growth: Factor from one block's channels to the next's.
        kernel_size: Samples of every kernel, odd.
        stride: Samples from one position of the first convolution to the next.
        dropout: Probability with which a pooled feature is dropped in training.
        pooling: What is kept of each feature over time: its average, its maximum, or both side by side.

    Attributes:
        minimum_length: The fewest samples a window may have.

    Raises:
        ConfigError: A value is impossible.
    """

    input_domain: ClassVar[InputDomain] = "signal"

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        depth: int = 4,
        width: int = 16,
        growth: float = 1.5,
        kernel_size: int = 9,
        stride: int = 8,
        dropout: float = 0.0,
        pooling: Literal["average", "max", "both"] = "average",
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "depth": depth, "width": width, "growth": growth})
        check_at_least(1, {"kernel_size": kernel_size, "stride": stride})
        check_odd("kernel_size", kernel_size)
        check_dropout(dropout)
        if pooling not in ("average", "max", "both"):
            raise ConfigError(f"model.pooling must be average, max or both, got {pooling!r}")
        self.in_channels = in_channels
        self.pooling = pooling
        self.minimum_length: int = (2**depth - 1) * stride + 1
        channels = [in_channels, *(round(width * growth**level) for level in range(depth))]
        self.features = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(
                        channels[level],
                        channels[level + 1],
                        kernel_size,
                        stride=stride if level == 0 else 1,
                        padding=kernel_size // 2,
                        bias=False,  # the batch normalisation that follows has its own
                    ),
                    nn.BatchNorm1d(channels[level + 1]),
                    nn.ReLU(),
                    nn.MaxPool1d(2),
                )
                for level in range(depth)
            )
        )
        pooled = 2 * channels[-1] if pooling == "both" else channels[-1]
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(pooled, num_classes))

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the pooled features `[B, D]` of signals `[B, C, T]`; ConfigError if T is below `minimum_length`."""
        check_signal(inputs, in_channels=self.in_channels, minimum_length=self.minimum_length)
        return self._pool(self.features(inputs))

    def _pool(self, features: Tensor) -> Tensor:
        if self.pooling == "average":
            return features.mean(dim=-1)
        if self.pooling == "max":
            return features.amax(dim=-1)
        return torch.cat([features.mean(dim=-1), features.amax(dim=-1)], dim=-1)
