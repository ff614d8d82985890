"""The block that the plain convolutional networks of signals are made of."""

from __future__ import annotations

from torch import nn

__all__ = ["convolution_block"]


def convolution_block(
    inputs: int, outputs: int, *, kernel_size: int, stride: int = 1, padding: int | None = None
) -> nn.Sequential:
    """Return convolution, batch normalisation, ReLU and max pooling by two: `[B, inputs, T]` to `[B, outputs, T']`.

    The convolution has no bias, because the batch normalisation that follows has its own (Ioffe and Szegedy 2015).

    >>> import torch
    >>> convolution_block(1, 8, kernel_size=9, stride=4)(torch.randn(2, 1, 64)).shape
    torch.Size([2, 8, 8])

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel_size: Samples of the kernel.
        stride: Samples from one position of the kernel to the next.
        padding: Zeros before and after the signal; half the kernel when None, which leaves `ceil(T / stride)` samples
            before the pooling where the kernel is odd.
    """
    return nn.Sequential(
        nn.Conv1d(
            inputs,
            outputs,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2 if padding is None else padding,
            bias=False,
        ),
        nn.BatchNorm1d(outputs),
        nn.ReLU(),
        nn.MaxPool1d(2),
    )
