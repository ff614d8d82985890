from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from raytrain.errors import ConfigError
from raytrain.optim.build import OPTIMIZERS, create_optimizer

GRADIENTS = np.random.default_rng(0).normal(size=(30, 3, 3))


def trajectory(name: str, settings: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a weight matrix before and after one step along each of the gradients."""
    torch.manual_seed(0)
    model = nn.Linear(3, 3, bias=False).double()
    start = model.weight.detach().numpy().copy()
    optimizer = create_optimizer(name, model, settings=settings)
    for gradient in GRADIENTS:
        model.weight.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
    return start, model.weight.detach().numpy()


def test_adamw_follows_the_published_algorithm() -> None:
    lr, decay, (b1, b2), eps = 0.02, 0.3, (0.8, 0.95), 1e-6
    settings = {"lr": lr, "weight_decay": decay, "betas": [b1, b2], "eps": eps}
    weight, result = trajectory("adamw", settings)
    mean, square = np.zeros((3, 3)), np.zeros((3, 3))
    for step, gradient in enumerate(GRADIENTS, start=1):  # Loshchilov & Hutter 2019, algorithm 2
        mean, square = b1 * mean + (1 - b1) * gradient, b2 * square + (1 - b2) * gradient**2
        update = mean / (1 - b1**step) / (np.sqrt(square / (1 - b2**step)) + eps)
        weight = weight - lr * (update + decay * weight)
    np.testing.assert_allclose(result, weight, rtol=1e-10)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_follows_the_published_algorithm(nesterov: bool) -> None:
    lr, decay, momentum = 0.02, 0.3, 0.7
    settings = {"lr": lr, "weight_decay": decay, "momentum": momentum, "nesterov": nesterov}
    weight, result = trajectory("sgd", settings)
    velocity = np.zeros((3, 3))
    for raw in GRADIENTS:
        gradient = raw + decay * weight
        velocity = momentum * velocity + gradient
        weight = weight - lr * (gradient + momentum * velocity if nesterov else velocity)
    np.testing.assert_allclose(result, weight, rtol=1e-10)


def test_defaults_are_the_documented_ones() -> None:
    model = nn.Linear(2, 2)
    adamw = create_optimizer("adamw", model, settings={}).param_groups
    assert [(g["lr"], g["weight_decay"], g["betas"], g["eps"]) for g in adamw] == [
        (1e-3, 1e-4, (0.9, 0.999), 1e-8),
        (1e-3, 0.0, (0.9, 0.999), 1e-8),
    ]
    sgd = create_optimizer("sgd", model, settings={}).param_groups
    assert [(g["lr"], g["momentum"], g["nesterov"]) for g in sgd] == [(1e-2, 0.9, True)] * 2


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_setting_is_keyword_only_annotated_and_has_a_default(name: str) -> None:
    model, *settings = inspect.signature(OPTIMIZERS[name]).parameters.values()
    assert model.name == "model"
    for parameter in settings:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty
    assert {"lr", "weight_decay"} <= {parameter.name for parameter in settings}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_lowers_a_loss_and_resumes_exactly(name: str) -> None:
    def steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> float:
        loss = torch.zeros(())
        for _ in range(count):
            optimizer.zero_grad()
            loss = (model(torch.eye(4)) - 1).square().mean()
            torch.autograd.backward(loss)
            optimizer.step()
        return loss.item()

    torch.manual_seed(0)
    whole = nn.Linear(4, 4)
    optimizer = create_optimizer(name, whole, settings={})
    first = steps(whole, optimizer, 1)
    saved = {key: value.clone() for key, value in whole.state_dict().items()}
    state = copy.deepcopy(optimizer.state_dict())
    assert steps(whole, optimizer, 20) < first

    resumed = nn.Linear(4, 4)
    resumed.load_state_dict(saved)
    other = create_optimizer(name, resumed, settings={})
    other.load_state_dict(state)
    steps(resumed, other, 20)
    assert torch.equal(resumed.weight, whole.weight)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("adamw", {"lr": 0.0}, "optimizer.lr must be finite and above 0, got 0"),
        ("adamw", {"lr": float("nan")}, "optimizer.lr"),
        ("sgd", {"lr": -1.0}, "optimizer.lr"),
        ("sgd", {"weight_decay": -0.1}, "optimizer.weight_decay must be finite and at least 0, got -0.1"),
        ("adamw", {"betas": (0.9, 1.0)}, r"optimizer.betas .*got \[0.9, 1.0\]"),
        ("adamw", {"eps": 0.0}, "optimizer.eps must be above 0"),
        ("sgd", {"momentum": 1.0}, "optimizer.momentum must be at least 0 and below 1, got 1"),
        ("sgd", {"momentum": 0.0}, "optimizer.nesterov needs momentum.*nesterov: false"),
        ("adamv", {}, r"optimizer.name: there is no optimizer 'adamv'; did you mean 'adamw'\?"),
    ],
)
def test_impossible_values_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_optimizer(name, nn.Linear(2, 2), settings=settings)
