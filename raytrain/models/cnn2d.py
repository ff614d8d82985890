"""CNN2D: a plain two-dimensional convolutional network for time-frequency images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from raytrain.models.checks import check_at_least, check_dropout, check_image, check_odd
from raytrain.models.classifier import Classifier, InputDomain

__all__ = ["CNN2D", "block_channels", "image_blocks", "standardised"]


def standardised(images: Tensor) -> Tensor:
    """Return each image with mean zero and variance one over all its channels, `[B, C, F, T']`.

    A constant image becomes zero.

    >>> import torch
    >>> standardised(torch.tensor([[[[1.0, 3.0]]], [[[5.0, 5.0]]]])).tolist()
    [[[[-1.0, 1.0]]], [[[0.0, 0.0]]]]
    """
    centred = images - images.mean(dim=(1, 2, 3), keepdim=True)
    variance = centred.square().mean(dim=(1, 2, 3), keepdim=True)
    return centred * variance.clamp_min(1e-24).rsqrt()


def block_channels(*, depth: int, width: int, growth: float) -> list[int]:
    """Return the channels of `depth` blocks, the first of `width`, each `growth` times as many as the one before.

    >>> block_channels(depth=4, width=8, growth=2.0)
    [8, 16, 32, 64]
    """
    return [round(width * growth**level) for level in range(depth)]


def image_blocks(in_channels: int, channels: Sequence[int], *, kernel_size: int) -> nn.Sequential:
    """Return one block of convolution, batch normalisation, ReLU and max pooling by two for each of `channels`.

    >>> import torch
    >>> image_blocks(1, [8, 16], kernel_size=3)(torch.zeros(4, 1, 65, 33)).shape
    torch.Size([4, 16, 16, 8])

    Args:
        in_channels: Channels of the image.
        channels: Channels of each block's result.
        kernel_size: Rows and columns of every kernel, odd.
    """
    return nn.Sequential(
        *(
            nn.Sequential(
                # Without bias: the batch normalisation that follows has its own.
                nn.Conv2d(before, after, kernel_size, padding=kernel_size // 2, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            )
            for before, after in pairwise([in_channels, *channels])
        )
    )


class CNN2D(Classifier):
    """Blocks of convolution, batch normalisation, ReLU and max pooling by two, then global average pooling.

    Images of any size fit, since pooling is global. Each image is first standardised over all its channels. That is
    done here and not in the transform, because a transform's values have a unit (decibels, power, amplitude) that
    plots and physics need, while a network needs zero mean and unit variance whatever the unit; per image, so that no
    statistic of the training set has to be stored, and the gain of a sensor changes nothing.

    With one channel, ten classes and the defaults there are 25 154 parameters.

    Source: global average pooling: M. Lin, Q. Chen, S. Yan, "Network in network", ICLR 2014; the block: S. Ioffe,
    C. Szegedy, "Batch normalization", ICML 2015.

    >>> import torch
    >>> model = CNN2D(in_channels=1, num_classes=10)
    >>> model(torch.randn(4, 1, 65, 33)).shape, model.minimum_frequencies, model.minimum_times
    (torch.Size([4, 10]), 16, 16)

    Args:
        in_channels: Channels C of the image.
        num_classes: Classes K.
        depth: Number of blocks; each halves rows and columns.
        width: Channels of the first block.
        growth: Factor from one block's channels to the next's.
        kernel_size: Rows and columns of every kernel, odd.
        dropout: Probability with which a pooled feature is dropped in training.

    Attributes:
        minimum_frequencies: The fewest rows F an image may have.
        minimum_times: The fewest columns T' an image may have.

    Raises:
        ConfigError: A value is impossible.
    """

    input_domain: ClassVar[InputDomain] = "image"

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        depth: int = 4,
        width: int = 8,
        growth: float = 2.0,
        kernel_size: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "depth": depth, "width": width, "growth": growth})
        check_at_least(1, {"kernel_size": kernel_size})
        check_odd("kernel_size", kernel_size)
        check_dropout(dropout)
        self.in_channels = in_channels
        self.minimum_frequencies: int = 2**depth
        self.minimum_times: int = 2**depth
        channels = block_channels(depth=depth, width=width, growth=growth)
        self.features = image_blocks(in_channels, channels, kernel_size=kernel_size)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels[-1], num_classes))

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the pooled features `[B, D]` of images `[B, C, F, T']`; ConfigError if they are too small."""
        check_image(
            inputs,
            in_channels=self.in_channels,
            minimum_frequencies=self.minimum_frequencies,
            minimum_times=self.minimum_times,
        )
        features: Tensor = self.features(standardised(inputs))
        return features.mean(dim=(-2, -1))
