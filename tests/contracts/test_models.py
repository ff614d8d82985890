"""What every model of the table keeps, at its default settings and with all of its regularisation."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.build import MODELS, create_model

CLASSES = 5
CHANNELS = 2


def create(name: str, *, seed: int = 0, settings: dict[str, Any] | None = None) -> nn.Module:
    torch.manual_seed(seed)
    return create_model(name, in_channels=CHANNELS, num_classes=CLASSES, settings=settings or {})


def signals(batch: int = 3, length: int = 2048) -> Tensor:
    return torch.randn(batch, CHANNELS, length, generator=torch.Generator().manual_seed(1))


def minimum_length(model: nn.Module) -> int:
    length = model.minimum_length
    assert isinstance(length, int)
    return length


pytestmark = pytest.mark.parametrize("name", sorted(MODELS))


def test_name_is_the_class_name_in_lower_case(name: str) -> None:
    assert MODELS[name].__name__.lower() == name.replace("_", "")


def test_every_setting_is_keyword_only_annotated_and_has_a_default(name: str) -> None:
    parameters = list(inspect.signature(MODELS[name]).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["in_channels", "num_classes"]
    for parameter in parameters[2:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty


@pytest.mark.parametrize("length", [1024, 2048, 2049, 5000])
def test_scores_have_one_row_per_window_and_one_column_per_class(name: str, length: int) -> None:
    model = create(name)
    for training in (True, False):
        scores = model.train(training)(signals(length=length))
        assert scores.shape == (3, CLASSES)
        assert scores.dtype == torch.float32
        assert torch.isfinite(scores).all()


def test_takes_windows_of_the_minimum_length_and_refuses_shorter_ones(name: str) -> None:
    model = create(name)
    shortest = minimum_length(model)
    assert model(signals(length=shortest)).shape == (3, CLASSES)
    message = f"windows of {shortest - 1} samples are too short.*at least {shortest}.*windows.length"
    with pytest.raises(ConfigError, match=message):
        model(signals(length=shortest - 1))


@pytest.mark.parametrize("shape", [(3, CHANNELS + 1, 2048), (3, 2048), (3, CHANNELS, 2048, 1)])
def test_refuses_other_channels_and_dimensions(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"takes signals \[batch, 2, samples\], got \[3, "):
        create(name)(torch.randn(shape))


def test_gradients_reach_every_parameter(name: str) -> None:
    # In evaluation mode, because a batch's own normalisation cancels the bias of the layer before it.
    model = create(name).eval()
    loss = nn.functional.cross_entropy(model(signals(batch=8)), torch.arange(8) % CLASSES)
    torch.autograd.backward(loss)
    silent = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert silent == []


def test_gradients_reach_every_sample_of_the_window(name: str) -> None:
    model = create(name).eval()
    batch = signals().requires_grad_()
    model(batch).square().sum().backward()
    assert batch.grad is not None
    assert (batch.grad != 0).any(dim=0).float().mean() > 0.95


def test_windows_do_not_influence_each_other_in_evaluation(name: str) -> None:
    model = create(name).eval()
    batch = signals(batch=4)
    together = model(batch)
    alone = torch.cat([model(window[None]) for window in batch])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_scores_depend_on_the_signal(name: str) -> None:
    scores = create(name).eval()(signals(batch=2))
    assert not torch.allclose(scores[0], scores[1])


def test_the_seed_decides_the_weights(name: str) -> None:
    first, again, other = create(name, seed=3), create(name, seed=3), create(name, seed=4)
    batch = signals()
    assert torch.equal(first(batch), again(batch))
    assert not torch.equal(first(batch), other(batch))


def test_dropout_repeats_under_a_seed_and_rests_in_evaluation(name: str) -> None:
    model = create(name, settings={"dropout": 0.5})
    batch = signals()

    def scores(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return model(batch).detach()  # type: ignore[no-any-return]

    assert torch.equal(scores(0), scores(0))
    assert not torch.equal(scores(0), scores(1))
    model.eval()
    assert torch.equal(scores(0), scores(1))


def test_state_round_trip_is_exact(name: str) -> None:
    model, other = create(name, seed=0), create(name, seed=1)
    model(signals())  # moves the running statistics, which belong to the state
    other.load_state_dict(model.state_dict())
    batch = signals(batch=5)
    assert torch.equal(model.eval()(batch), other.eval()(batch))


def test_a_batch_of_one_can_be_trained_on(name: str) -> None:
    model = create(name)
    model(signals(batch=1, length=minimum_length(model))).sum().backward()
