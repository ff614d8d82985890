"""What metrics accept: class indices and scores, checked where they are brought to the host."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.errors import DataError

__all__ = ["checked_indices", "checked_pair", "checked_probabilities", "checked_scores"]

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_ROUNDING = 1e-6  # a weighted mean of float32 probabilities may leave [0, 1] by so much


def checked_indices(name: str, values: Tensor) -> Tensor:
    """Return indices `[N]` as int64 on the host.

    Raises:
        DataError: They are no integers `[N]` of at least 0, or there are none.
    """
    if values.ndim != 1 or values.dtype not in _INTEGERS:
        got = f"{str(values.dtype).removeprefix('torch.')} {list(values.shape)}"
        raise DataError(f"{name} must be integer indices of shape [N], got {got}")
    if len(values) == 0:
        raise DataError(f"{name} must hold at least one sample, got none")
    indices = values.detach().cpu().long()
    if indices.min() < 0:
        raise DataError(f"{name} must be 0 or more, got {indices.min()}")
    return indices


def checked_pair(predictions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return predicted and true class indices `[N]` as int64 on the host.

    Raises:
        DataError: One of them is not usable, or they differ in length.
    """
    pair = checked_indices("predictions", predictions), checked_indices("targets", targets)
    if len(pair[0]) != len(pair[1]):
        raise DataError(f"predictions and targets must be equally many, got {len(pair[0])} and {len(pair[1])}")
    return pair


def checked_scores(name: str, scores: Tensor) -> Tensor:
    """Return class scores `[N, K]` as float64 on the host.

    Raises:
        DataError: They are no floating-point numbers `[N, K]`, there are none, or one is NaN.
    """
    if scores.ndim != 2 or not scores.is_floating_point() or scores.numel() == 0:
        got = f"{str(scores.dtype).removeprefix('torch.')} {list(scores.shape)}"
        raise DataError(f"{name} must be floating-point scores of shape [N, K], at least one sample; got {got}")
    values = scores.detach().cpu().double()
    undefined = int(values.isnan().any(dim=1).sum())
    if undefined:
        raise DataError(f"{name} must be numbers, and {undefined} of {len(values)} samples have NaN")
    return values


def checked_probabilities(probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities `[N, K]`, float64, and class indices `[N]` below K, int64, on the host.

    Raises:
        DataError: One of them is not usable, or they do not fit each other.
    """
    values = checked_scores("probabilities", probabilities)
    lowest, highest = float(values.min()), float(values.max())
    if lowest < -_ROUNDING or highest > 1 + _ROUNDING:
        outside = highest if lowest >= 0 else lowest
        raise DataError(f"probabilities must be from 0 to 1, got {outside:g}; pass logits.softmax(dim=-1)")
    return values, checked_targets("probabilities", values, targets)


def checked_targets(name: str, scores: Tensor, targets: Tensor) -> Tensor:
    """Return the class indices `[N]` that belong to `scores` `[N, K]`, as int64 on the host.

    Raises:
        DataError: They are not usable, not N, or not all below K.
    """
    indices = checked_indices("targets", targets)
    if len(indices) != len(scores):
        raise DataError(f"{name} and targets must be equally many, got {len(scores)} and {len(indices)}")
    if indices.max() >= scores.shape[1]:
        raise DataError(f"targets must be below the number of classes, {scores.shape[1]}; got {indices.max()}")
    return indices
