"""CNNLSTM: convolutions that shorten the signal, then a recurrent network over what is left of its time."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from raytrain.models.checks import check_at_least, check_dropout, check_no_gaps, check_odd, check_signal
from raytrain.models.classifier import Classifier, InputDomain
from raytrain.models.convolution_block import convolution_block

__all__ = ["CNNLSTM"]


class CNNLSTM(Classifier):
    """Blocks of convolution and pooling, then long short-term memory over time, averaged over time.

    The convolutions find short patterns such as impacts, the recurrent layers how they follow each other. At 2048
    samples and the defaults the recurrent layers see 32 steps. Their states are averaged over the window, so every
    step reaches the classifier and any length fits. Dropout between the recurrent layers is a layer of its own. With
    one channel, ten classes and the defaults there are 57 338 parameters.

    Source: S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997; convolutions before
    it for bearings: H. Pan, X. He, S. Tang, F. Meng, "An improved bearing fault diagnosis method using one-dimensional
    CNN and LSTM", Strojniski vestnik 64(7-8), 2018.

    >>> import torch
    >>> said = CNNLSTM(in_channels=1, num_classes=10, bidirectional=True)(torch.randn(4, 1, 2048), detailed=True)
    >>> said.scores.shape, said.embedding.shape
    (torch.Size([4, 10]), torch.Size([4, 128]))

    Args:
        in_channels: Channels C of the signal.
        num_classes: Classes K.
        depth: Number of convolutional blocks; each halves the length.
        width: Channels of the first block.
        growth: Factor from one block's channels to the next's.
        kernel_size: Samples of every kernel, odd, at least `stride`.
        stride: Samples from one position of the first convolution to the next.
        hidden: Units of each recurrent layer and direction.
        layers: Number of recurrent layers.
        bidirectional: Whether the recurrent layers also run backwards in time, with as many units again.
        dropout: Probability with which a feature between recurrent layers, or a pooled one, is dropped in training.

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
        depth: int = 3,
        width: int = 16,
        growth: float = 2.0,
        kernel_size: int = 9,
        stride: int = 8,
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "depth": depth, "width": width, "growth": growth})
        check_at_least(1, {"kernel_size": kernel_size, "stride": stride, "hidden": hidden, "layers": layers})
        check_odd("kernel_size", kernel_size)
        check_no_gaps("kernel_size", kernel_size, stride=stride)
        check_dropout(dropout)
        self.in_channels = in_channels
        self.minimum_length: int = (2**depth - 1) * stride + 1
        channels = [in_channels, *(round(width * growth**level) for level in range(depth))]
        self.features = nn.Sequential(
            *(
                convolution_block(inputs, outputs, kernel_size=kernel_size, stride=1 if level else stride)
                for level, (inputs, outputs) in enumerate(pairwise(channels))
            )
        )
        units = 2 * hidden if bidirectional else hidden
        self.recurrent = nn.ModuleList(
            nn.LSTM(units if layer else channels[-1], hidden, batch_first=True, bidirectional=bidirectional)
            for layer in range(layers)
        )
        self.between = nn.ModuleList(nn.Dropout(dropout) for _ in range(layers - 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(units, num_classes))

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the states averaged over time `[B, D]` of signals `[B, C, T]`; ConfigError if T is too short."""
        check_signal(inputs, in_channels=self.in_channels, minimum_length=self.minimum_length)
        steps: Tensor = self.features(inputs).transpose(1, 2)
        steps, _ = self.recurrent[0](steps)
        for dropout, recurrent in zip(self.between, self.recurrent[1:], strict=True):
            steps, _ = recurrent(dropout(steps))
        return steps.mean(dim=1)
