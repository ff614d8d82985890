from __future__ import annotations

import pytest
import torch

from raytrain.losses.full_precision import full_precision


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32_with_the_same_values(half: torch.dtype) -> None:
    scores = torch.tensor([1.5, -3.0], dtype=half)
    assert full_precision(scores).dtype == torch.float32
    assert full_precision(scores).tolist() == [1.5, -3.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_else_is_left_alone(dtype: torch.dtype) -> None:
    scores = torch.ones(2, dtype=dtype)
    assert full_precision(scores) is scores
