from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from raytrain.models.convolution_block import convolution_block


def test_is_convolution_normalisation_relu_and_pooling_in_this_order() -> None:
    torch.manual_seed(0)
    block = convolution_block(2, 5, kernel_size=7, stride=3).double()
    signal = torch.randn(4, 2, 50, dtype=torch.float64)
    state = block.state_dict()
    convolved = functional.conv1d(signal, state["0.weight"], stride=3, padding=3)
    mean, variance = convolved.mean(dim=(0, 2)), convolved.var(dim=(0, 2), unbiased=False)
    normal = (convolved - mean[:, None]) / (variance[:, None] + 1e-5).sqrt()
    expected = normal.clamp_min(0).unfold(-1, 2, 2).amax(dim=-1)
    torch.testing.assert_close(block(signal), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("samples", "stride"), [(64, 1), (65, 4), (63, 4), (9, 8)])
def test_half_the_kernel_as_padding_leaves_every_stride_th_sample(samples: int, stride: int) -> None:
    convolution = convolution_block(1, 1, kernel_size=9, stride=stride)[0]
    assert convolution(torch.zeros(1, 1, samples)).shape[-1] == -(-samples // stride)


def test_other_padding_and_channels() -> None:
    block = convolution_block(1, 3, kernel_size=3, padding=0)
    assert block(torch.zeros(2, 1, 10)).shape == (2, 3, 4)
    assert sum(parameter.numel() for parameter in block.parameters()) == 3 * 3 + 2 * 3
