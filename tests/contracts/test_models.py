"""What every model of the table keeps, at its default settings and with all of its regularisation."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.build import MODELS, create_model
from raytrain.models.classifier import Classifier

CLASSES = 5
CHANNELS = 2


LARGER: dict[str, list[tuple[int, ...]]] = {
    "signal": [(1024,), (2048,), (2049,), (5000,)],
    "image": [(64, 64), (65, 33), (16, 200), (128, 129)],
}


def create(name: str, *, seed: int = 0, settings: dict[str, Any] | None = None) -> Classifier:
    torch.manual_seed(seed)
    return create_model(name, in_channels=CHANNELS, num_classes=CLASSES, settings=settings or {})


def inputs(model: Classifier, *, batch: int = 3, size: tuple[int, ...] | None = None) -> Tensor:
    """Return signals or images of `size`, after batch and channels."""
    usual = (2048,) if model.input_domain == "signal" else (64, 48)
    return torch.randn(batch, CHANNELS, *(size or usual), generator=torch.Generator().manual_seed(1))


def smallest(model: Classifier) -> tuple[int, ...]:
    names = {"signal": ["minimum_length"], "image": ["minimum_frequencies", "minimum_times"]}[model.input_domain]
    size = tuple(getattr(model, name) for name in names)
    assert all(isinstance(length, int) for length in size)
    return size


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


@pytest.mark.parametrize("number", range(4))
def test_scores_have_one_row_per_window_and_one_column_per_class(name: str, number: int) -> None:
    model = create(name)
    for training in (True, False):
        scores = model.train(training)(inputs(model, size=LARGER[model.input_domain][number]))
        assert scores.shape == (3, CLASSES)
        assert scores.dtype == torch.float32
        assert torch.isfinite(scores).all()


def test_the_embedding_is_what_the_classifier_scores(name: str) -> None:
    model = create(name, settings={"dropout": 0.5}).eval()
    batch = inputs(model)
    said = model(batch, detailed=True)
    scores, embedding = said.scores, said.embedding
    assert embedding.shape[0] == 3
    assert embedding.ndim == 2
    assert torch.equal(model.classifier(embedding), scores)
    assert torch.equal(model(batch), scores)
    assert torch.equal(model.embed(batch), embedding)


def test_gradients_of_the_embedding_reach_the_features(name: str) -> None:
    model = create(name).eval()
    embedding = model(inputs(model), detailed=True).embedding
    embedding.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.features.parameters())  # type: ignore[union-attr]
    assert all(parameter.grad is None for parameter in model.classifier.parameters())


def test_takes_inputs_of_the_minimum_size_and_refuses_smaller_ones(name: str) -> None:
    model = create(name)
    size = smallest(model)
    assert model(inputs(model, size=size)).shape == (3, CLASSES)
    for axis, shortest in enumerate(size):
        smaller = (*size[:axis], shortest - 1, *size[axis + 1 :])
        message = rf"{shortest - 1} (samples|frequencies|times).* too (short|small).*at least .*{shortest}"
        with pytest.raises(ConfigError, match=message):
            model(inputs(model, size=smaller))


def test_refuses_other_channels_and_dimensions(name: str) -> None:
    model = create(name)
    size = smallest(model)
    for shape in [(3, CHANNELS + 1, *size), (3, *size), (3, CHANNELS, *size, 1)]:
        with pytest.raises(ConfigError, match=rf"takes {model.input_domain}s \[batch, 2, .*\], got \[3, "):
            model(torch.randn(shape))


def test_gradients_reach_every_parameter(name: str) -> None:
    # In evaluation mode, because a batch's own normalisation cancels the bias of the layer before it.
    model = create(name).eval()
    loss = nn.functional.cross_entropy(model(inputs(model, batch=8)), torch.arange(8) % CLASSES)
    torch.autograd.backward(loss)
    silent = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert silent == []


def test_gradients_reach_every_value_of_the_input(name: str) -> None:
    model = create(name).eval()
    batch = inputs(model).requires_grad_()
    model(batch).square().sum().backward()
    assert batch.grad is not None
    assert (batch.grad != 0).any(dim=0).float().mean() > 0.95


def test_windows_do_not_influence_each_other_in_evaluation(name: str) -> None:
    model = create(name).eval()
    batch = inputs(model, batch=4)
    together = model(batch)
    alone = torch.cat([model(window[None]) for window in batch])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_scores_depend_on_the_signal(name: str) -> None:
    model = create(name).eval()
    scores = model(inputs(model, batch=2))
    assert not torch.allclose(scores[0], scores[1])


def test_the_seed_decides_the_weights(name: str) -> None:
    first, again, other = create(name, seed=3), create(name, seed=3), create(name, seed=4)
    batch = inputs(first)
    assert torch.equal(first(batch), again(batch))
    assert not torch.equal(first(batch), other(batch))


def test_dropout_repeats_under_a_seed_and_rests_in_evaluation(name: str) -> None:
    model = create(name, settings={"dropout": 0.5})
    batch = inputs(model)

    def scores(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return model(batch).detach()  # type: ignore[no-any-return]

    assert torch.equal(scores(0), scores(0))
    assert not torch.equal(scores(0), scores(1))
    model.eval()
    assert torch.equal(scores(0), scores(1))


def test_state_round_trip_is_exact(name: str) -> None:
    model, other = create(name, seed=0), create(name, seed=1)
    model(inputs(model))  # moves the running statistics, which belong to the state
    other.load_state_dict(model.state_dict())
    batch = inputs(model, batch=5)
    assert torch.equal(model.eval()(batch), other.eval()(batch))


def test_a_batch_of_one_can_be_trained_on(name: str) -> None:
    model = create(name)
    model(inputs(model, batch=1, size=smallest(model))).sum().backward()
