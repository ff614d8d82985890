"""How many floating-point operations a model needs, by layer."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from raytrain.models.classifier import Inputs

__all__ = ["count_flops", "count_flops_by_layer", "fft_flops"]


def fft_flops(samples: int, *, transforms: int = 1, real: bool = False) -> int:
    """Return the operations of Fourier transforms of `samples` values: `5 N log2 N` each, half of it of real values.

    The usual count of a radix-2 transform, by which the speed of such programs is stated (M. Frigo, S. G. Johnson,
    "The design and implementation of FFTW3", Proceedings of the IEEE 93(2), 2005). Rounded down.

    >>> fft_flops(2048), fft_flops(2048, real=True)
    (112640, 56320)
    """
    whole = transforms * 5 * samples * math.log2(samples)
    return math.floor(whole / 2 if real else whole)


def count_flops(model: nn.Module, inputs: Inputs) -> int:
    """Return the floating-point operations of one evaluation of `model` on `inputs`.

    Counted are convolutions, matrix products, those of recurrent layers and of attention among them (a multiplication
    and an addition are two), and Fourier transforms (`fft_flops`). Not counted is what is done once per value:
    normalisation, activation, pooling, which takes little in comparison.

    It computes nothing: the model is run on shapes alone, and neither it nor the inputs change.

    Source: torch's `FlopCounterMode`.

    >>> count_flops(nn.Conv1d(2, 8, 5), torch.zeros(1, 2, 104)) == 2 * 100 * 8 * 2 * 5
    True

    Args:
        model: Any model.
        inputs: What it takes, e.g. one window `[1, C, T]`.
    """
    return count_flops_by_layer(model, inputs)[""]


def count_flops_by_layer(model: nn.Module, inputs: Inputs) -> dict[str, int]:
    """Return the operations of each layer of `model` that was called, by name; the model's own name is empty.

    See `count_flops`.

    >>> count_flops_by_layer(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.zeros(1, 4))
    {'': 96, '0': 64, '1': 0, '2': 32}
    """
    # On the meta device, where LSTM and attention are not fused into operations that are not counted.
    shapes = copy.deepcopy(model).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=_FOURIER) as counter:
        shapes(inputs.to("meta") if isinstance(inputs, Tensor) else {k: one.to("meta") for k, one in inputs.items()})
    counted = {name: sum(one.values()) for name, one in counter.get_flop_counts().items()}
    prefix = f"{type(model).__name__}."
    layers = {name: counted.get(prefix + name, 0) for name, _ in shapes.named_modules() if name}
    return {"": counter.get_total_flops(), **layers}


def _of_real(shape: Sequence[int], dimensions: Sequence[int], *_: object, **__: object) -> int:
    return _of_shape(shape, dimensions, real=True)


def _to_real(shape: Sequence[int], dimensions: Sequence[int], _: int, samples: int, **__: object) -> int:
    # The last dimension has the half of a spectrum that says all of it.
    whole = [*shape]
    whole[dimensions[-1]] = samples
    return _of_shape(whole, dimensions, real=True)


def _complex(shape: Sequence[int], dimensions: Sequence[int], *_: object, **__: object) -> int:
    return _of_shape(shape, dimensions, real=False)


def _of_shape(shape: Sequence[int], dimensions: Sequence[int], *, real: bool) -> int:
    samples = math.prod(shape[dimension] for dimension in dimensions)
    return fft_flops(samples, transforms=math.prod(shape) // samples, real=real)


_FOURIER = {
    torch.ops.aten._fft_r2c: _of_real,  # noqa: SLF001 - the only name torch has for it
    torch.ops.aten._fft_c2r: _to_real,  # noqa: SLF001 - the only name torch has for it
    torch.ops.aten._fft_c2c: _complex,  # noqa: SLF001 - the only name torch has for it
}
