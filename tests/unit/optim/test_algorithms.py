from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from raytrain.errors import ConfigError
from raytrain.optim import (
    create_adam_optimizer,
    create_adamw_optimizer,
    create_optimizer,
    create_rmsprop_optimizer,
    create_sgd_optimizer,
)

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


def test_adam_follows_the_published_algorithm() -> None:
    lr, decay, (b1, b2), eps = 0.02, 0.3, (0.8, 0.95), 1e-6
    settings = {"lr": lr, "weight_decay": decay, "betas": [b1, b2], "eps": eps}
    weight, result = trajectory("adam", settings)
    mean, square = np.zeros((3, 3)), np.zeros((3, 3))
    for step, raw in enumerate(GRADIENTS, start=1):  # Kingma & Ba 2015, algorithm 1; decay as an L2 penalty
        gradient = raw + decay * weight
        mean, square = b1 * mean + (1 - b1) * gradient, b2 * square + (1 - b2) * gradient**2
        weight = weight - lr * mean / (1 - b1**step) / (np.sqrt(square / (1 - b2**step)) + eps)
    np.testing.assert_allclose(result, weight, rtol=1e-10)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_rmsprop_follows_the_published_algorithm(momentum: float) -> None:
    lr, decay, alpha, eps = 0.02, 0.3, 0.9, 1e-6
    settings = {"lr": lr, "weight_decay": decay, "alpha": alpha, "momentum": momentum, "eps": eps}
    weight, result = trajectory("rmsprop", settings)
    square, velocity = np.zeros((3, 3)), np.zeros((3, 3))
    for raw in GRADIENTS:  # Tieleman & Hinton 2012, lecture 6e
        gradient = raw + decay * weight
        square = alpha * square + (1 - alpha) * gradient**2
        velocity = momentum * velocity + gradient / (np.sqrt(square) + eps)
        weight = weight - lr * velocity
    np.testing.assert_allclose(result, weight, rtol=1e-10)


def settings_of(optimizer: torch.optim.Optimizer, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(group[name] for name in names) for group in optimizer.param_groups]


def test_defaults_are_the_documented_ones() -> None:
    """Those of the customer's description; the second group has the bias, which is not decayed."""
    model = nn.Linear(2, 2)
    for create, decay in ((create_adamw_optimizer, 1e-4), (create_adam_optimizer, 0.0)):
        found = settings_of(create(model), "lr", "weight_decay", "betas", "eps")
        assert found == [(1e-3, decay, (0.9, 0.999), 1e-8), (1e-3, 0.0, (0.9, 0.999), 1e-8)]
    found = settings_of(create_sgd_optimizer(model), "lr", "weight_decay", "momentum", "nesterov")
    assert found == [(1e-2, 1e-4, 0.9, True), (1e-2, 0.0, 0.9, True)]
    found = settings_of(create_rmsprop_optimizer(model), "lr", "weight_decay", "alpha", "momentum", "eps")
    assert found == [(1e-3, 1e-5, 0.99, 0.0, 1e-8), (1e-3, 0.0, 0.99, 0.0, 1e-8)]


def test_all_run_as_few_kernels() -> None:
    """torch's default loop over parameters takes several times as long on a small model."""
    model = nn.Linear(2, 2)
    for create in (create_adam_optimizer, create_adamw_optimizer, create_sgd_optimizer):
        assert create(model).defaults["fused"] is True
    assert create_rmsprop_optimizer(model).defaults["foreach"] is True


@pytest.mark.parametrize("create", [create_adam_optimizer, create_adamw_optimizer, create_rmsprop_optimizer])
def test_parameters_and_groups_are_used_as_they_are(create: Callable[..., torch.optim.Optimizer]) -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    (group,) = create(first.parameters(), lr=0.5, weight_decay=0.1).param_groups
    assert (group["lr"], group["weight_decay"], len(group["params"])) == (0.5, 0.1, 2)
    given = [{"params": first.parameters(), "lr": 0.25}, {"params": second.parameters(), "weight_decay": 0.0}]
    found = settings_of(create(given, lr=0.5, weight_decay=0.1), "lr", "weight_decay")
    assert found == [(0.25, 0.1), (0.5, 0.0)]
    (named,) = create(first.named_parameters(), lr=0.5).param_groups
    assert named["param_names"] == ["weight", "bias"]


def test_a_sequential_is_a_model_although_it_can_be_iterated() -> None:
    optimizer = create_adamw_optimizer(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), weight_decay=0.1)
    assert settings_of(optimizer, "weight_decay") == [(0.1,), (0.0,)]


def test_nothing_to_optimise_is_refused() -> None:
    with pytest.raises(ConfigError, match="the optimizer was given no parameters"):
        create_sgd_optimizer(nn.ReLU().parameters())


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
        ("adam", {"betas": (-0.1, 0.9)}, "optimizer.betas"),
        ("adam", {"eps": float("nan")}, "optimizer.eps"),
        ("rmsprop", {"alpha": 1.0}, "optimizer.alpha must be at least 0 and below 1, got 1"),
        ("rmsprop", {"momentum": -0.1}, "optimizer.momentum"),
        ("rmsprop", {"eps": 0.0}, "optimizer.eps must be above 0, got 0"),
    ],
)
def test_impossible_values_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_optimizer(name, nn.Linear(2, 2), settings=settings)
