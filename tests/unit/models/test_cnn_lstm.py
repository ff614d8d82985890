from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.cnn_lstm import CNNLSTM


def lstm_by_hand(layer: nn.LSTM, steps: Tensor, *, backwards: bool) -> Tensor:
    """Return the states `[B, T, H]` by the recurrence itself (Hochreiter and Schmidhuber 1997, with forget gates)."""
    ending = "_reverse" if backwards else ""
    state = {key: value for key, value in layer.state_dict().items() if key.endswith("_reverse") == backwards}
    inward, across = state[f"weight_ih_l0{ending}"], state[f"weight_hh_l0{ending}"]
    bias = state[f"bias_ih_l0{ending}"] + state[f"bias_hh_l0{ending}"]
    hidden = cell = torch.zeros(len(steps), layer.hidden_size, dtype=steps.dtype)
    states = []
    order = reversed(range(steps.shape[1])) if backwards else range(steps.shape[1])
    for time in order:
        let_in, forget, candidate, let_out = (steps[:, time] @ inward.T + hidden @ across.T + bias).chunk(4, dim=1)
        cell = forget.sigmoid() * cell + let_in.sigmoid() * candidate.tanh()
        hidden = let_out.sigmoid() * cell.tanh()
        states.append(hidden)
    return torch.stack(states[::-1] if backwards else states, dim=1)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_embedding_is_the_mean_over_the_states_of_the_recurrence(layers: int, bidirectional: bool) -> None:
    torch.manual_seed(0)
    model = CNNLSTM(2, 3, depth=2, hidden=5, layers=layers, bidirectional=bidirectional, dropout=0.5).double().eval()
    signal = torch.randn(3, 2, 200, dtype=torch.float64)
    steps = model.features(signal).transpose(1, 2)
    for layer in model.recurrent:
        assert isinstance(layer, nn.LSTM)
        directions = [False, True] if bidirectional else [False]
        steps = torch.cat([lstm_by_hand(layer, steps, backwards=one) for one in directions], dim=-1)
    torch.testing.assert_close(model.embed(signal), steps.mean(dim=1), rtol=1e-10, atol=1e-12)


def counted(*, channels: list[int], kernel: int, hidden: int, layers: int, directions: int, classes: int) -> int:
    """Return the parameters by hand: convolutions, two for each normalised channel, four gates with two biases."""
    total = sum(before * after * kernel + 2 * after for before, after in pairwise(channels))
    units = channels[-1]
    for _ in range(layers):
        total += directions * 4 * hidden * (units + hidden + 2)
        units = directions * hidden
    return total + (units + 1) * classes


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, True), (3, False)])
def test_parameters_are_as_counted_by_hand(layers: int, bidirectional: bool) -> None:
    model = CNNLSTM(2, 7, depth=3, width=10, growth=1.5, hidden=6, layers=layers, bidirectional=bidirectional)
    expected = counted(
        channels=[2, 10, 15, 22], kernel=9, hidden=6, layers=layers, directions=1 + bidirectional, classes=7
    )
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_has_the_parameters_that_its_documentation_states() -> None:
    assert sum(parameter.numel() for parameter in CNNLSTM(1, 10).parameters()) == 57_338


def test_dropout_lies_between_the_recurrent_layers_and_before_the_scores_only() -> None:
    model = CNNLSTM(1, 3, layers=3, dropout=0.25)
    assert [name for name, layer in model.named_modules() if isinstance(layer, nn.Dropout)] == [
        "between.0",
        "between.1",
        "classifier.0",
    ]
    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} == {0.25}
    assert {layer.dropout for layer in model.modules() if isinstance(layer, nn.LSTM)} == {0.0}


@pytest.mark.parametrize("bidirectional", [False, True])
def test_time_has_a_direction(bidirectional: bool) -> None:
    torch.manual_seed(0)
    model = CNNLSTM(1, 3, bidirectional=bidirectional).eval()
    steps = torch.randn(2, 10, 64)
    forwards, _ = model.recurrent[0](steps)
    later = steps.clone()
    later[:, 5:] += 1
    changed = (model.recurrent[0](later)[0] != forwards).any(dim=-1).all(dim=0)
    assert changed.tolist() == [bidirectional] * 5 + [True] * 5


def test_the_recurrence_sees_the_steps_its_documentation_states() -> None:
    assert CNNLSTM(1, 3).features(torch.zeros(2, 1, 2048)).shape == (2, 64, 32)


@pytest.mark.parametrize(("depth", "stride", "kernel_size"), [(1, 1, 1), (3, 8, 9), (4, 3, 31)])
def test_minimum_length_is_the_shortest_the_layers_can_take(depth: int, stride: int, kernel_size: int) -> None:
    model = CNNLSTM(1, 3, depth=depth, stride=stride, kernel_size=kernel_size, width=2, hidden=2).eval()
    assert model.features(torch.randn(2, 1, model.minimum_length)).shape[-1] == 1
    with pytest.raises(RuntimeError, match=r"(?i)output size"):
        model.features(torch.randn(2, 1, model.minimum_length - 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "model.depth must be a finite number of at least 1, got 0"),
        ({"hidden": 0}, "model.hidden"),
        ({"layers": 0}, "model.layers"),
        ({"growth": 0.5}, "model.growth"),
        ({"kernel_size": 10}, "model.kernel_size must be odd.*got 10, try 11"),
        ({"kernel_size": 7}, "model.kernel_size must be at least the stride of 8 samples.*got 7"),
        ({"dropout": -0.5}, "model.dropout must be at least 0 and below 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CNNLSTM(1, 3, **settings)
