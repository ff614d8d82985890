"""ResNet1D: residual networks of 18 and 34 layers for raw vibration signals."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.checks import check_at_least, check_dropout, check_no_gaps, check_odd, check_signal
from raytrain.models.classifier import Classifier, InputDomain

__all__ = ["ResNet1D"]

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Depth -> blocks of each stage (He et al. 2016, table 1)."""


class ResNet1D(Classifier):
    """Residual network: blocks of two convolutions whose input is added to their output, in four stages.

    The network of the paper in one dimension: a strided convolution and a max pooling by two, then stages of `width`,
    2, 4 and 8 times `width` channels, each of half the length of the one before, then global average pooling. A
    shortcut whose shape changes is a convolution of one sample (the paper's option B). The paper has a width of 64 and
    a first kernel of 7 with stride 2; the defaults look further and are an order of magnitude cheaper, since a window
    of vibration has fewer values than a photograph. With one channel, ten classes and the defaults there are 243 546
    parameters.

    Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016; the initial
    weights: by the same authors, "Delving deep into rectifiers", ICCV 2015.

    >>> import torch
    >>> said = ResNet1D(in_channels=1, num_classes=10)(torch.randn(4, 1, 2048), detailed=True)
    >>> said.scores.shape, said.embedding.shape
    (torch.Size([4, 10]), torch.Size([4, 128]))

    Args:
        in_channels: Channels C of the signal.
        num_classes: Classes K.
        depth: Layers with weights: 18 or 34.
        width: Channels of the first stage.
        first_kernel: Samples the first convolution sees at once, odd.
        first_stride: Samples from one position of the first convolution to the next.
        kernel_size: Samples of the kernels of the blocks, odd.
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
        depth: Literal[18, 34] = 18,
        width: int = 16,
        first_kernel: int = 15,
        first_stride: int = 4,
        kernel_size: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "width": width, "first_stride": first_stride})
        check_at_least(1, {"first_kernel": first_kernel, "kernel_size": kernel_size})
        check_odd("first_kernel", first_kernel)
        check_odd("kernel_size", kernel_size)
        check_no_gaps("first_kernel", first_kernel, stride=first_stride)
        check_dropout(dropout)
        if depth not in _BLOCKS:
            raise ConfigError(f"model.depth must be 18 or 34, got {depth}")
        self.in_channels = in_channels
        # Two samples are left after all strides, so that even one window has a variance over its samples.
        self.minimum_length: int = 16 * first_stride + 1
        self.stem = nn.Sequential(
            nn.Conv1d(in_channels, width, first_kernel, stride=first_stride, padding=first_kernel // 2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.MaxPool1d(3, stride=2, padding=1),
        )
        channels = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            *(
                _stage(channels[stage], channels[stage + 1], blocks=blocks, kernel_size=kernel_size, first=stage == 0)
                for stage, blocks in enumerate(_BLOCKS[depth])
            )
        )
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels[-1], num_classes))
        self.apply(_draw_weights)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return the pooled features `[B, D]` of signals `[B, C, T]`; ConfigError if T is below `minimum_length`."""
        check_signal(inputs, in_channels=self.in_channels, minimum_length=self.minimum_length)
        features: Tensor = self.stages(self.stem(inputs))
        return features.mean(dim=-1)


class _BasicBlock(nn.Module):
    """`ReLU(residual(x) + shortcut(x))`; the shortcut is x itself where the shape stays."""

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int, stride: int) -> None:
        super().__init__()
        same = kernel_size // 2
        self.residual = nn.Sequential(
            nn.Conv1d(inputs, outputs, kernel_size, stride=stride, padding=same, bias=False),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.Conv1d(outputs, outputs, kernel_size, padding=same, bias=False),
            nn.BatchNorm1d(outputs),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(nn.Conv1d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm1d(outputs))
        )
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        activated: Tensor = self.activation(self.residual(features) + self.shortcut(features))
        return activated


def _stage(inputs: int, outputs: int, *, blocks: int, kernel_size: int, first: bool) -> nn.Sequential:
    entrance = _BasicBlock(inputs, outputs, kernel_size=kernel_size, stride=1 if first else 2)
    others = (_BasicBlock(outputs, outputs, kernel_size=kernel_size, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(entrance, *others)


def _draw_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv1d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
