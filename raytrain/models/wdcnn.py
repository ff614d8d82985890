"""WDCNN: a convolutional network with a wide first kernel for raw vibration signals."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from raytrain.models.checks import check_at_least, check_dropout, check_no_gaps, check_odd, check_signal
from raytrain.models.classifier import Classifier, InputDomain
from raytrain.models.convolution_block import convolution_block

__all__ = ["WDCNN"]


class WDCNN(Classifier):
    """Deep convolutional network with wide first-layer kernels.

    Five blocks of convolution, batch normalisation, ReLU and max pooling by two, then two fully connected
    layers. The wide first kernel acts as a learned band-pass filter bank; the small ones that follow add
    depth. Only the last convolution is unpadded. After the last block the signal is averaged to `positions`
    samples, which changes nothing at the paper's 2048-sample window (3 are left) and lets every other length
    fit the same layers (one too short for that repeats them). Convolutions have no bias, as the normalisation
    that follows has one. With one channel, ten classes and the defaults there are 54 070 parameters.

    Source: W. Zhang, G. Peng, C. Li, Y. Chen, Z. Zhang, "A new deep learning model for fault diagnosis with
    good anti-noise and domain adaptation ability on raw vibration signals", Sensors 17(2):425, 2017.

    >>> import torch
    >>> said = WDCNN(in_channels=1, num_classes=10)(torch.randn(4, 1, 2048), detailed=True)
    >>> said.scores.shape, said.embedding.shape
    (torch.Size([4, 10]), torch.Size([4, 192]))

    Args:
        in_channels: Channels C of the signal.
        num_classes: Classes K.
        width: Channels of the first block; the blocks have 1, 2, 4, 4 and 4 times as many.
        first_kernel: Samples the first convolution sees at once, at least `first_stride`.
        first_stride: Samples from one position of the first convolution to the next.
        kernel_size: Samples of the four other kernels, odd.
        hidden: Units of the fully connected layer.
        dropout: Probability with which a hidden unit is dropped in training.
        positions: Samples left before the fully connected layers.

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
        width: int = 16,
        first_kernel: int = 64,
        first_stride: int = 16,
        kernel_size: int = 3,
        hidden: int = 100,
        dropout: float = 0.0,
        positions: int = 3,
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "width": width, "first_stride": first_stride})
        check_at_least(1, {"kernel_size": kernel_size, "hidden": hidden, "positions": positions})
        check_odd("kernel_size", kernel_size)
        check_no_gaps("first_kernel", first_kernel, stride=first_stride)
        check_dropout(dropout)
        self.in_channels = in_channels
        padding = (first_kernel - first_stride) // 2
        # The last pooling needs two samples, so the unpadded convolution before it kernel_size + 1, which the
        # four poolings before that halve from the length the first convolution puts out.
        first_length = 16 * (kernel_size + 1)
        self.minimum_length = (first_length - 1) * first_stride + first_kernel - 2 * padding
        channels = [width, 2 * width, 4 * width, 4 * width]
        self.features = nn.Sequential(
            convolution_block(in_channels, width, kernel_size=first_kernel, stride=first_stride, padding=padding),
            *(convolution_block(inputs, outputs, kernel_size=kernel_size) for inputs, outputs in pairwise(channels)),
            convolution_block(channels[-1], channels[-1], kernel_size=kernel_size, padding=0),
            nn.AdaptiveAvgPool1d(positions),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(4 * width * positions, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the flattened features `[B, D]` of signals `[B, C, T]`; ConfigError if T is below `minimum_length`."""
        check_signal(inputs, in_channels=self.in_channels, minimum_length=self.minimum_length)
        features: Tensor = self.features(inputs)
        return features
