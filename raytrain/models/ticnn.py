"""TICNN: a convolutional network with a wide first kernel, parts of which are missing in every training step."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.models.checks import check_at_least, check_dropout, check_no_gaps, check_odd, check_signal
from raytrain.models.classifier import Classifier, InputDomain
from raytrain.models.convolution_block import convolution_block

__all__ = ["TICNN", "DisturbedConv1d", "drop_weights"]


class TICNN(Classifier):
    """Convolutional network with training interference: random parts of its wide first kernel are dropped.

    Six blocks of convolution, batch normalisation, ReLU and max pooling by two, then two fully connected layers. In
    every training step a rate is drawn, and with it weights of the first kernel are set to zero (`DisturbedConv1d`): a
    disturbance of the learned filters that stands for the noise and the loads that the training data lack.

    Kept of the paper: the layers, and the interference with its rates from 0.1 to 0.9. Not part of a model: its small
    batches, whose noisy statistics disturb batch normalisation (set `batch_size: 10`), and its vote of several trained
    networks. As in `wdcnn`, the signal is averaged to `positions` samples after the last block, which changes nothing
    at the paper's 2048 samples and lets every other length fit. With one channel, ten classes and the defaults there
    are 66 486 parameters.

    Source: W. Zhang, C. Li, G. Peng, Y. Chen, Z. Zhang, "A deep convolutional neural network with new training methods
    for bearing fault diagnosis under noisy environment and different working load", Mechanical Systems and Signal
    Processing 100:439-453, 2018.

    >>> import torch
    >>> said = TICNN(in_channels=1, num_classes=10)(torch.randn(4, 1, 2048), detailed=True)
    >>> said.scores.shape, said.embedding.shape
    (torch.Size([4, 10]), torch.Size([4, 192]))

    Args:
        in_channels: Channels C of the signal.
        num_classes: Classes K.
        width: Channels of the first block; the blocks have 1, 2, 4, 4, 4 and 4 times as many.
        first_kernel: Samples the first convolution sees at once, at least `first_stride`.
        first_stride: Samples from one position of the first convolution to the next.
        kernel_size: Samples of the five other kernels, odd.
        least_interference: The lowest share of the first kernel's weights that a training step drops.
        most_interference: The highest such share, below 1.
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
        first_stride: int = 8,
        kernel_size: int = 3,
        least_interference: float = 0.1,
        most_interference: float = 0.9,
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
        if not 0 <= least_interference <= most_interference < 1:
            raise ConfigError(
                "model.least_interference and model.most_interference must satisfy 0 <= least <= most < 1, got "
                f"{least_interference:g} and {most_interference:g}"
            )
        self.in_channels = in_channels
        padding = (first_kernel - first_stride) // 2
        # The last pooling needs two samples, so the unpadded convolution before it kernel_size + 1, which the
        # five poolings before that halve from the length the first convolution puts out.
        first_length = 32 * (kernel_size + 1)
        self.minimum_length: int = (first_length - 1) * first_stride + first_kernel - 2 * padding
        channels = [width, 2 * width, 4 * width, 4 * width, 4 * width]
        self.features = nn.Sequential(
            nn.Sequential(
                DisturbedConv1d(
                    in_channels,
                    width,
                    first_kernel,
                    stride=first_stride,
                    padding=padding,
                    least=least_interference,
                    most=most_interference,
                ),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.MaxPool1d(2),
            ),
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


def drop_weights(weight: Tensor, rate: Tensor) -> Tensor:
    """Return `weight` with each of its values zero with probability `rate`, the others divided by `sqrt(1 - rate)`.

    So the expectation of its squares, and with it the variance of what it makes of noise, is that of `weight`. Dropout
    usually keeps the expectation itself; the variance would then grow with the rate, and the running statistics of the
    batch normalisation that follows would be wrong for evaluation, where nothing is dropped (X. Li, S. Chen, X. Hu,
    J. Yang, "Understanding the disharmony between dropout and batch normalization by variance shift", CVPR 2019).
    Draws from torch's global generator of the weight's device, as torch's own dropout does.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> drop_weights(torch.ones(6), torch.tensor(0.5))
    tensor([0.0000, 1.4142, 0.0000, 0.0000, 0.0000, 1.4142])
    """
    return torch.where(torch.rand_like(weight) < rate, 0, weight) / (1 - rate).sqrt()


class DisturbedConv1d(nn.Conv1d):
    """A convolution without bias that drops random weights of its kernels in training, at a rate drawn in each step.

    The rate is uniform in `[least, most]` and the same for all kernels and samples of a batch.

    Source: W. Zhang et al. 2018, see `TICNN`.

    >>> import torch
    >>> layer = DisturbedConv1d(1, 4, 64, stride=8, padding=28, least=0.1, most=0.9)
    >>> signal = torch.randn(2, 1, 2048)
    >>> torch.equal(layer(signal), layer(signal)), torch.equal(layer.eval()(signal), layer(signal))
    (False, True)

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel_size: Samples of the kernels.
        stride: Samples from one position of the kernels to the next.
        padding: Zeros before and after the signal.
        least: The lowest rate.
        most: The highest rate, below 1.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel_size: int, *, stride: int, padding: int, least: float, most: float
    ) -> None:
        super().__init__(inputs, outputs, kernel_size, stride=stride, padding=padding, bias=False)
        self.least = least
        self.most = most

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name for it
        """Return the convolved signals `[B, outputs, T']` of signals `[B, inputs, T]`."""
        weight = self.weight
        if self.training:
            # On the device, so that no step waits for the rate.
            rate = self.least + (self.most - self.least) * torch.rand((), device=weight.device, dtype=weight.dtype)
            weight = drop_weights(weight, rate)
        return functional.conv1d(input, weight, stride=self.stride, padding=self.padding)
