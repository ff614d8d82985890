"""The least precision in which a loss is computed."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["full_precision"]


def full_precision(scores: Tensor) -> Tensor:
    """Return half-precision `scores` as float32 and all others as they are.

    A model under autocast puts out float16 or bfloat16, whose 11 or 8 significant bits are too few for the logarithms
    and sums of a loss (Micikevicius et al. 2018, "Mixed precision training", compute losses in float32 too).

    Args:
        scores: Logits or embeddings, floating point, any shape.

    >>> full_precision(torch.ones(2, dtype=torch.bfloat16)).dtype, full_precision(torch.ones(2).double()).dtype
    (torch.float32, torch.float64)
    """
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
