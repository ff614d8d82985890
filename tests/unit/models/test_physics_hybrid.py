from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.classifier import Inputs
from raytrain.models.cnn1d import CNN1D
from raytrain.models.order_spectrum import envelope_order_spectrum
from raytrain.models.physics_hybrid import CONDITION_COLUMNS, PhysicsHybrid


def draw(*shape: int, seed: int = 7) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def inputs(*, batch: int = 6, channels: int = 2, samples: int = 1024) -> dict[str, Tensor]:
    """Windows at known speeds, with the load of every other one."""
    conditions = torch.zeros(batch, CONDITION_COLUMNS)
    conditions[:, 0] = torch.linspace(0.0015, 0.004, batch)
    conditions[::2, 1] = draw(len(conditions[::2]))
    conditions[:, 4] = 1
    conditions[::2, 5] = 1
    return {"signal": draw(batch, channels, samples), "conditions": conditions}


def changed(batch: dict[str, Tensor], *, column: int, value: float) -> dict[str, Tensor]:
    conditions = batch["conditions"].clone()
    conditions[:, column] = value
    return {**batch, "conditions": conditions}


def test_has_the_parameters_that_its_documentation_states() -> None:
    convolutions = 9 * (1 * 16 + 16 * 24 + 24 * 36 + 36 * 54) + 2 * (16 + 24 + 36 + 54)
    two_layers = {width: 64 * (width + 1) + 64 * 65 for width in (128, 8)}
    expected = convolutions + sum(two_layers.values()) + 64 * (54 + 128 + 1) + 10 * 65
    assert sum(parameter.numel() for parameter in PhysicsHybrid(1, 10).parameters()) == expected == 58_646
    with_severity = PhysicsHybrid(1, 10, severity_head=True)
    assert sum(parameter.numel() for parameter in with_severity.parameters()) == expected + 65


def test_embedding_is_the_branches_written_down() -> None:
    model = PhysicsHybrid(2, 3, dropout=0.5).eval()
    batch = inputs()
    signal, conditions = batch["signal"], batch["conditions"]
    alone = CNN1D(2, 3).eval()
    alone.features.load_state_dict(model.signal_branch.state_dict())
    spectrum = envelope_order_spectrum(signal, conditions[:, 0], orders=16).flatten(1)
    seen = conditions.clone()
    seen[:, 0] = torch.log10(400 * conditions[:, 0])
    features = [alone.embed(signal), model.envelope_branch(spectrum), model.condition_branch(seen)]
    said = model(batch, detailed=True)
    torch.testing.assert_close(said.embedding, model.fusion(torch.cat(features, dim=1)))
    assert torch.equal(said.scores, model.classifier(said.embedding))
    assert said.severity is None
    assert not any(name.startswith("severity") for name in model.state_dict())


def test_severity_is_between_zero_and_one_and_of_each_window() -> None:
    model = PhysicsHybrid(2, 3, severity_head=True).eval()
    batch = inputs()
    severity = model(batch, detailed=True).severity
    assert severity is not None
    assert severity.shape == (6,)
    assert ((severity > 0) & (severity < 1)).all()
    assert model.severity is not None
    torch.testing.assert_close(severity, torch.sigmoid(model.severity(model.embed(batch))[:, 0]))
    assert len(set(severity.tolist())) == 6


@pytest.mark.parametrize("severity_head", [False, True])
def test_every_parameter_has_a_gradient(severity_head: bool) -> None:
    model = PhysicsHybrid(2, 3, severity_head=severity_head)
    said = model(inputs(), detailed=True)
    loss = nn.functional.cross_entropy(said.scores, torch.arange(6) % 3)
    if said.severity is not None:
        loss = loss + said.severity.square().mean()
    torch.autograd.backward(loss)
    assert [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()] == []


@pytest.mark.parametrize("column", range(CONDITION_COLUMNS))
def test_every_condition_matters(column: int) -> None:
    model = PhysicsHybrid(2, 3).eval()
    batch = inputs()
    other = changed(batch, column=column, value=0.003 if column == 0 else 0.5)
    assert not torch.allclose(model(batch), model(other), atol=1e-5)


def test_an_unknown_speed_gives_finite_scores() -> None:
    model = PhysicsHybrid(2, 3).train()
    batch = {**inputs(), "conditions": torch.zeros(6, CONDITION_COLUMNS)}
    scores = model(batch)
    torch.autograd.backward(scores.square().sum())
    assert torch.isfinite(scores).all()
    assert all(torch.isfinite(one.grad).all() for one in model.parameters() if one.grad is not None)


def test_learns_a_fault_at_speeds_it_has_not_seen() -> None:
    """Two faults that differ in their order only: trained slow, judged fast, where their lines fall elsewhere."""
    torch.manual_seed(0)
    time, orders = torch.arange(2048), torch.tensor([3.5, 5.5])

    def windows(speeds: Tensor, *, seed: int) -> tuple[dict[str, Tensor], Tensor]:
        targets = torch.arange(len(speeds)) % 2
        swing = 1 + torch.cos(2 * torch.pi * (orders[targets] * speeds)[:, None] * time)
        noise = draw(len(speeds), 2048, seed=seed)
        conditions = torch.zeros(len(speeds), CONDITION_COLUMNS)
        conditions[:, 0], conditions[:, 4] = speeds, 1
        return {"signal": (swing * noise)[:, None], "conditions": conditions}, targets

    model = PhysicsHybrid(1, 2, depth=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    slow, targets = windows(torch.linspace(0.002, 0.003, 64), seed=1)
    for _ in range(40):
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(model(slow), targets))
        optimizer.step()
    fast, targets = windows(torch.linspace(0.004, 0.005, 64), seed=2)
    accuracy = (model.eval()(fast).argmax(dim=1) == targets).float().mean()
    assert accuracy >= 0.95


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (draw(2, 2, 1024), r"takes a signal and conditions by these names, got one tensor \[2, 2, 1024\]"),
        ({"signal": draw(2, 2, 1024)}, "by these names, got signal"),
        (inputs(channels=1), r"takes signals \[batch, 2, samples\], got \[6, 1, 1024\]"),
        (inputs(samples=119), "windows of 119 samples are too short: this model needs at least 121"),
        ({**inputs(), "conditions": draw(6, 4)}, r"takes conditions \[batch, 8\], got \[6, 4\] beside 6 signals"),
        ({**inputs(), "conditions": draw(5, 8)}, r"takes conditions \[batch, 8\], got \[5, 8\] beside 6 signals"),
    ],
)
def test_other_inputs_are_refused(batch: Inputs, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PhysicsHybrid(2, 3)(batch)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "model.depth must be a finite number of at least 1, got 0"),
        ({"orders": 0}, "model.orders must be a finite number of at least 1, got 0"),
        ({"hidden": 0}, "model.hidden"),
        ({"kernel_size": 8}, "model.kernel_size must be odd.*got 8, try 9"),
        ({"dropout": 1.0}, "model.dropout must be at least 0 and below 1, got 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PhysicsHybrid(1, 3, **settings)
