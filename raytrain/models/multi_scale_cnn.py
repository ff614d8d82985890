"""MultiScaleCNN: the signal at several time scales side by side, each with convolutions of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from raytrain.models.checks import check_at_least, check_dropout, check_no_gaps, check_odd, check_signal
from raytrain.models.classifier import Classifier, InputDomain
from raytrain.models.convolution_block import convolution_block

__all__ = ["MultiScaleCNN", "coarse_grained"]


def coarse_grained(signal: Tensor, scale: int) -> Tensor:
    """Return the means of `scale` samples each, one after the other, `[B, C, floor(T / scale)]` of `[B, C, T]`.

    What is left over at the end is not used. Source: M. Costa, A. L. Goldberger, C.-K. Peng, "Multiscale entropy
    analysis of complex physiologic time series", Physical Review Letters 89, 2002.

    >>> coarse_grained(torch.tensor([[[1.0, 3.0, 5.0, 9.0, 100.0]]]), 2)
    tensor([[[2., 7.]]])
    """
    return signal if scale == 1 else functional.avg_pool1d(signal, scale)


class MultiScaleCNN(Classifier):
    """Parallel branches of convolutions, the s-th of which sees the signal averaged over s samples.

    Averaging makes the same kernel span s times as long a time: the first branch sees impacts and resonances, the
    others what is slower, such as the modulation by the shaft. Each branch is made of blocks of convolution, batch
    normalisation, ReLU and max pooling by two, averaged over time; the classifier sees all branches side by side. With
    one channel, ten classes and the defaults there are 72 154 parameters.

    Source: G. Jiang, H. He, J. Yan, P. Xie, "Multiscale convolutional neural networks for fault diagnosis of wind
    turbine gearbox", IEEE Transactions on Industrial Electronics 66(4), 2019. Kept are its scales and branches; pooling
    over all time instead of fixed fully connected layers lets every length fit.

    >>> said = MultiScaleCNN(in_channels=1, num_classes=10)(torch.randn(4, 1, 2048), detailed=True)
    >>> said.scores.shape, said.embedding.shape
    (torch.Size([4, 10]), torch.Size([4, 192]))

    Args:
        in_channels: Channels C of the signal.
        num_classes: Classes K.
        scales: Number of branches; the s-th averages over s samples.
        depth: Number of blocks of a branch; each halves its length.
        width: Channels of the first block of a branch.
        growth: Factor from one block's channels to the next's.
        kernel_size: Samples of every kernel at the scale of its branch, odd, at least `stride`.
        stride: Samples from one position of a branch's first convolution to the next.
        dropout: Probability with which a pooled feature is dropped in training.

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
        scales: int = 3,
        depth: int = 3,
        width: int = 16,
        growth: float = 2.0,
        kernel_size: int = 9,
        stride: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "scales": scales, "depth": depth, "width": width})
        check_at_least(1, {"growth": growth, "kernel_size": kernel_size, "stride": stride})
        check_odd("kernel_size", kernel_size)
        check_no_gaps("kernel_size", kernel_size, stride=stride)
        check_dropout(dropout)
        self.in_channels = in_channels
        # The coarsest branch has the fewest samples.
        self.minimum_length: int = scales * ((2**depth - 1) * stride + 1)
        channels = [in_channels, *(round(width * growth**level) for level in range(depth))]
        self.branches = nn.ModuleList(
            nn.Sequential(
                *(
                    convolution_block(inputs, outputs, kernel_size=kernel_size, stride=1 if level else stride)
                    for level, (inputs, outputs) in enumerate(pairwise(channels))
                )
            )
            for _ in range(scales)
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(scales * channels[-1], num_classes))

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the pooled features `[B, D]` of all branches; ConfigError if signals `[B, C, T]` are too short."""
        check_signal(inputs, in_channels=self.in_channels, minimum_length=self.minimum_length)
        pooled = [
            branch(coarse_grained(inputs, scale)).mean(dim=-1) for scale, branch in enumerate(self.branches, start=1)
        ]
        return torch.cat(pooled, dim=-1)
