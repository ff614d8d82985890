"""With one worker; tests/unit/distributed/test_world_size.py has two and four."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from raytrain.engine.batch_norm import SynchronizedBatchNorm

LAYERS = [
    nn.BatchNorm1d(3),
    nn.BatchNorm1d(3, affine=False),
    nn.BatchNorm2d(3, momentum=None, eps=0.1),
    nn.BatchNorm2d(3, track_running_stats=False),
]


def rows(layer: _BatchNorm, count: int, *, seed: int = 0) -> torch.Tensor:
    shape = (count, 3, 4, 5) if isinstance(layer, nn.BatchNorm2d) else (count, 3)
    generator = torch.Generator().manual_seed(seed)
    return 2 + 3 * torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_it_is_the_layer_whose_place_it_takes(layer: _BatchNorm) -> None:
    plain = copy.deepcopy(layer).double()
    if plain.affine:
        nn.init.normal_(plain.weight)
        nn.init.normal_(plain.bias)
    synchronized = SynchronizedBatchNorm(copy.deepcopy(plain))
    assert synchronized.state_dict().keys() == plain.state_dict().keys()
    for seed in range(3):
        values = rows(layer, 6, seed=seed)
        torch.testing.assert_close(synchronized(values), plain(values), rtol=1e-12, atol=1e-12)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(synchronized.get_buffer(name), buffer, rtol=1e-12, atol=1e-12)
    values = rows(layer, 4, seed=9)
    torch.testing.assert_close(synchronized.eval()(values), plain.eval()(values), rtol=1e-12, atol=1e-12)


def test_parameters_and_buffers_are_those_of_the_layer() -> None:
    layer = nn.BatchNorm1d(3).eval()
    synchronized = SynchronizedBatchNorm(layer)
    assert synchronized.weight is layer.weight
    assert synchronized.bias is layer.bias
    assert synchronized.running_var is layer.running_var
    assert not synchronized.training


@pytest.mark.parametrize("layer", LAYERS[:2], ids=str)
def test_gradients_are_those_of_the_values(layer: _BatchNorm) -> None:
    synchronized = SynchronizedBatchNorm(copy.deepcopy(layer).double())
    inputs = [rows(layer, 5).requires_grad_(), *synchronized.parameters()]
    assert torch.autograd.gradcheck(lambda values, *_: synchronized(values), inputs)


def test_half_precision_is_normalised_in_single() -> None:
    layer = nn.BatchNorm1d(3)
    values = rows(layer, 64).bfloat16().requires_grad_()
    outputs = SynchronizedBatchNorm(copy.deepcopy(layer))(values)
    outputs.float().square().sum().backward()
    assert outputs.dtype == torch.bfloat16
    assert values.grad is not None
    assert values.grad.dtype == torch.bfloat16
    torch.testing.assert_close(outputs.float(), layer(values.float()), rtol=0.01, atol=0.01)


def test_one_value_has_no_deviation() -> None:
    with pytest.raises(ValueError, match="more than one value per channel, over all workers together"):
        SynchronizedBatchNorm(nn.BatchNorm1d(3))(torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"takes \[batch, channels, ...\], got \[3\]"):
        SynchronizedBatchNorm(nn.BatchNorm1d(3)).eval()(torch.ones(3))
