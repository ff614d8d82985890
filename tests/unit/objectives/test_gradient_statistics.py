"""One worker; test_objectives_workers.py has two."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raytrain.objectives.gradient_statistics import gradient_statistics


def model_and_loss() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    return model, model(torch.randn(5, 3, dtype=torch.float64)).square().mean()


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_statistics_are_those_of_the_whole_gradient(weight: float) -> None:
    model, loss = model_and_loss()
    found = gradient_statistics(loss, list(model.parameters()), weight=weight)
    assert all(parameter.grad is None for parameter in model.parameters())
    torch.autograd.backward(loss)  # the graph is still there
    flat = np.concatenate([p.grad.numpy().ravel() for p in model.parameters() if p.grad is not None]) * weight
    assert found.norm.item() == pytest.approx(np.linalg.norm(flat), rel=1e-12)
    assert found.largest.item() == pytest.approx(np.abs(flat).max(), rel=1e-12)
    assert found.mean.item() == pytest.approx(np.abs(flat).mean(), rel=1e-12)


def test_a_parameter_that_the_loss_does_not_depend_on_counts_as_zero() -> None:
    model, loss = model_and_loss()
    count = sum(parameter.numel() for parameter in model.parameters())
    alone = gradient_statistics(loss, list(model.parameters()))
    beside = gradient_statistics(loss, [*model.parameters(), nn.Parameter(torch.ones(count, dtype=torch.float64))])
    assert beside.norm.item() == pytest.approx(alone.norm.item(), rel=1e-12)
    assert beside.mean.item() == pytest.approx(alone.mean.item() / 2, rel=1e-12)


def test_a_loss_without_a_graph_has_no_gradient() -> None:
    model, loss = model_and_loss()
    found = gradient_statistics(loss.detach(), list(model.parameters()))
    assert [found.norm.item(), found.largest.item(), found.mean.item()] == [0, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_small_gradients_of_a_half_precision_pass_do_not_vanish(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model, inputs = nn.Linear(8, 2), torch.randn(4, 8)

    def norm(*, autocast: bool) -> float:
        with torch.autocast("cpu", dtype=dtype, enabled=autocast):
            loss = model(inputs).float().square().mean() * 1e-8
            return gradient_statistics(loss, list(model.parameters())).norm.item()

    assert norm(autocast=True) == pytest.approx(norm(autocast=False), rel=0.05)
