"""Batch normalisation with the statistics of all workers, where torch's own is for GPUs only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from raytrain.collective import sum_over_workers

__all__ = ["SynchronizedBatchNorm"]


class SynchronizedBatchNorm(_BatchNorm):
    """Batch normalisation whose mean and variance are over the rows of all workers, each row counting alike.

    It takes the place of a layer, with its parameters, buffers and names. Values, gradients and running statistics are
    those the layer has on the whole batch, up to rounding; a worker may have any number of rows. In evaluation it is
    the layer, except that one without running statistics normalises by those of all workers then, too. A forward and
    backward pass take three collective sums of as many numbers as channels.

    Source: S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015, algorithm 1, with the batch of all workers.

    Args:
        layer: The layer to stand in for.

    Raises:
        ValueError: All workers together have one value per channel.

    >>> layer = torch.nn.BatchNorm1d(2)
    >>> synchronized = SynchronizedBatchNorm(layer)
    >>> synchronized.weight is layer.weight
    True
    >>> synchronized(torch.tensor([[0.0, 1.0], [2.0, 5.0]])).detach().round(decimals=3)
    tensor([[-1., -1.],
            [ 1.,  1.]])
    """

    def __init__(self, layer: _BatchNorm) -> None:
        super().__init__(
            layer.num_features,
            layer.eps,
            layer.momentum,
            affine=False,
            track_running_stats=layer.track_running_stats,
        )
        self.affine = layer.affine
        self.weight, self.bias = layer.weight, layer.bias
        for name, buffer in layer.named_buffers(recurse=False):
            setattr(self, name, buffer)
        self.training = layer.training

    def forward(self, inputs: Tensor) -> Tensor:
        """Return normalised inputs `[B, C, ...]`."""
        tracked = self.running_mean is not None
        if tracked and not self.training:
            return super().forward(inputs)
        normalized, mean, variance, count = _Normalize.apply(  # type: ignore[no-untyped-call]
            inputs, self.weight, self.bias, self.eps
        )
        if tracked:
            self._track(mean, variance * (count / (count - 1)))
        outputs: Tensor = normalized
        return outputs

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards these."""
        batches: Tensor = self.get_buffer("num_batches_tracked").add_(1)
        weight = 1 / float(batches) if self.momentum is None else self.momentum
        for name, value in (("running_mean", mean), ("running_var", variance)):
            running = self.get_buffer(name)
            running.lerp_(value.to(running.dtype), weight)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - the name is torch's
        if input.dim() < 2:
            raise ValueError(f"batch normalisation takes [batch, channels, ...], got {list(input.shape)}")


class _Normalize(torch.autograd.Function):
    """Normalisation by the moments of all workers' rows, in float32 at least; parameters' gradients stay per worker."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        inputs: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        values = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        dims = [0, *range(2, values.dim())]
        own = torch.full((1,), values[:, 0].numel(), dtype=torch.float64, device=values.device)
        sums = torch.cat([values.sum(dims).double(), own])
        sum_over_workers(sums)
        count = float(sums[-1])
        if count <= 1:
            raise ValueError("batch normalisation needs more than one value per channel, over all workers together")
        mean = (sums[:-1] / count).to(values.dtype)
        centred = values - _as_channels(mean, values)
        squares = centred.square().sum(dims)
        sum_over_workers(squares)
        variance = squares / count
        scale = (variance + eps).rsqrt()
        normal = centred.mul_(_as_channels(scale, values))
        ctx.save_for_backward(normal, scale, weight)
        ctx.count, ctx.dims, ctx.dtype, ctx.biased = count, dims, inputs.dtype, bias is not None
        ctx.mark_non_differentiable(mean, variance)
        outputs = normal if weight is None else normal * _as_channels(weight, values)
        outputs = outputs if bias is None else outputs + _as_channels(bias, values)
        return outputs.to(inputs.dtype), mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor | None, Tensor | None, None]:  # noqa: ANN401
        normal, scale, weight = ctx.saved_tensors
        gradient = gradient.to(normal.dtype)
        own = torch.stack([gradient.sum(ctx.dims), (gradient * normal).sum(ctx.dims)])
        everybodys = own.clone()
        sum_over_workers(everybodys)
        mean, slope = (_as_channels(sums / ctx.count, normal) for sums in everybodys)
        factor = scale if weight is None else scale * weight
        to_inputs = (gradient - mean - normal * slope) * _as_channels(factor, normal)
        to_weight = None if weight is None else own[1].to(weight.dtype)
        return to_inputs.to(ctx.dtype), to_weight, own[0] if ctx.biased else None, None


def _as_channels(values: Tensor, like: Tensor) -> Tensor:
    """Return one value per channel `[C]` to be broadcast over `[B, C, ...]`."""
    return values.view(1, -1, *[1] * (like.dim() - 2))
