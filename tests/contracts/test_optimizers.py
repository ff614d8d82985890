"""What every optimizer of the table keeps."""

from __future__ import annotations

import inspect
import io

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.optim.build import OPTIMIZERS, create_optimizer

pytestmark = pytest.mark.parametrize("name", sorted(OPTIMIZERS))


def make_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def descend(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    inputs, targets = torch.eye(3), torch.ones(3, 2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss: Tensor = (model(inputs) - targets).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_every_setting_is_keyword_only_annotated_and_has_a_default(name: str) -> None:
    params, *settings = inspect.signature(OPTIMIZERS[name]).parameters.values()
    assert params.name == "params"
    for parameter in settings:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty
    assert {"lr", "weight_decay"} <= {parameter.name for parameter in settings}


def test_the_description_explains_every_setting(name: str) -> None:
    text = inspect.getdoc(OPTIMIZERS[name])
    assert text is not None
    for setting in inspect.signature(OPTIMIZERS[name]).parameters:
        assert f"\n    {setting}: " in text


def test_descends_a_quadratic(name: str) -> None:
    """The bowl `x1^2 + 10 x2^2`, from (1, 1)."""
    point = nn.Parameter(torch.ones(2))
    optimizer = create_optimizer(name, [point], lr=1e-2, weight_decay=0.0)
    values = []
    for _ in range(300):
        optimizer.zero_grad()
        value = (torch.tensor([1.0, 10.0]) * point.square()).sum()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        values.append(value.item())
    assert values[0] == 11.0
    assert values[-1] < 1e-2


def test_a_resumed_run_has_exactly_the_same_weights(name: str) -> None:
    whole = make_model()
    optimizer = create_optimizer(name, whole)
    losses = descend(whole, optimizer, 10)
    file = io.BytesIO()
    torch.save({"model": whole.state_dict(), "optimizer": optimizer.state_dict()}, file)
    losses += descend(whole, optimizer, 10)
    assert losses[-1] < losses[0]
    file.seek(0)
    saved = torch.load(file, weights_only=True)

    resumed = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    resumed.load_state_dict(saved["model"])
    optimizer = create_optimizer(name, resumed)
    optimizer.load_state_dict(saved["optimizer"])
    assert descend(resumed, optimizer, 10) == losses[10:]
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_of_a_model_only_weights_are_decayed(name: str) -> None:
    """Without a gradient, only decay moves a parameter, and towards zero."""
    model = make_model()
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    optimizer = create_optimizer(name, model, lr=1e-2, weight_decay=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for key, value in model.named_parameters():
        moves = -before[key].sign() if key in ("0.weight", "2.weight") else torch.zeros_like(value)
        assert torch.equal((value - before[key]).sign(), moves)


def test_frozen_parameters_stay(name: str) -> None:
    model = make_model()
    model[0].requires_grad_(False)  # type: ignore[index]
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    descend(model, create_optimizer(name, model, lr=0.1), 3)
    moved = {key for key, value in model.named_parameters() if not torch.equal(value, before[key])}
    assert moved == {"1.weight", "1.bias", "2.weight", "2.bias"}


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(name: str, lr: float) -> None:
    with pytest.raises(ConfigError, match=f"optimizer.lr must be finite and above 0, got {lr:g}"):
        create_optimizer(name, make_model(), lr=lr)


@pytest.mark.parametrize("decay", [-0.1, float("nan"), float("inf")])
def test_an_impossible_decay_is_refused(name: str, decay: float) -> None:
    with pytest.raises(ConfigError, match=f"optimizer.weight_decay must be finite and at least 0, got {decay:g}"):
        create_optimizer(name, make_model(), weight_decay=decay)
