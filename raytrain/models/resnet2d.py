"""ResNet2D: the residual networks of 18 and 34 layers, for time-frequency images."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.checks import check_at_least, check_dropout, check_image
from raytrain.models.classifier import Classifier, InputDomain
from raytrain.models.cnn2d import standardised

__all__ = ["ResNet2D"]

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Depth -> blocks of each stage (He et al. 2016, table 1)."""


class ResNet2D(Classifier):
    """Residual network of basic blocks in four stages, then global average pooling, for images of any size.

    The paper's stages and blocks. Its stem (7 x 7 with stride 2, then pooling by 2) is for photographs of 224 x 224;
    time-frequency images are far smaller, so here it is one 3 x 3 convolution. Each image is standardised over all its
    channels first, as in `CNN2D`, where the reason is told.

    With one channel, ten classes and the defaults there are 701 178 parameters; at `width` 64, `in_channels` 3 and 1000
    classes 11 681 832, the paper's network less the difference of the stems.

    Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016; the initial
    weights: by the same authors, "Delving deep into rectifiers", ICCV 2015.

    >>> import torch
    >>> said = ResNet2D(in_channels=1, num_classes=10)(torch.randn(2, 1, 65, 33), detailed=True)
    >>> said.scores.shape, said.embedding.shape
    (torch.Size([2, 10]), torch.Size([2, 128]))

    Args:
        in_channels: Channels C of the image.
        num_classes: Classes K.
        depth: Layers with weights: 18 or 34.
        width: Channels of the first stage; the stages have 1, 2, 4 and 8 times as many.
        first_stride: Rows and columns from one position of the first convolution to the next, 1 to 3.
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
        depth: Literal[18, 34] = 18,
        width: int = 16,
        first_stride: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "width": width, "first_stride": first_stride})
        check_dropout(dropout)
        if depth not in _BLOCKS:
            raise ConfigError(f"model.depth must be 18 or 34, got {depth}")
        if first_stride > 3:
            raise ConfigError(f"model.first_stride must be at most 3, or a 3 x 3 kernel skips rows; got {first_stride}")
        self.in_channels = in_channels
        # A row and two columns are left after all strides, so that even one image has a variance over its positions.
        self.minimum_frequencies: int = 8 * first_stride
        self.minimum_times: int = 8 * first_stride + 1
        stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stride=first_stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        channels = [width, width, 2 * width, 4 * width, 8 * width]
        stages = (
            _stage(channels[stage], channels[stage + 1], blocks=blocks, stride=1 if stage == 0 else 2)
            for stage, blocks in enumerate(_BLOCKS[depth])
        )
        self.features = nn.Sequential(stem, *stages)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels[-1], num_classes))
        self.apply(_draw_weights)

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


class _BasicBlock(nn.Module):
    """`ReLU(residual(x) + shortcut(x))`; the shortcut is x itself where the shape stays."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
        )
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        activated: Tensor = self.activation(self.residual(features) + self.shortcut(features))
        return activated


def _stage(inputs: int, outputs: int, *, blocks: int, stride: int) -> nn.Sequential:
    entrance = _BasicBlock(inputs, outputs, stride=stride)
    others = (_BasicBlock(outputs, outputs, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(entrance, *others)


def _draw_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
