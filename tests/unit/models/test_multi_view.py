from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.classifier import Inputs
from raytrain.models.cnn1d import CNN1D
from raytrain.models.cnn2d import CNN2D
from raytrain.models.multi_view import MultiViewNet, SharedViews
from raytrain.models.opinion_pool import linear_opinion_pool, normalised_weights

SIZES = {"stft": (65, 33), "cwt": (32, 64), "wvd": (40, 20)}


def draw(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def images(*, batch: int = 4, channels: int = 2) -> dict[str, Tensor]:
    return {view: draw(batch, channels, *size) for view, size in SIZES.items()}


def test_weights_are_normalised_once_and_keep_the_order_of_the_views() -> None:
    model = MultiViewNet(1, 3, weights={"wvd": 2, "stft": 1, "cwt": 5})
    assert model.view_weights == {"stft": 0.125, "cwt": 0.625, "wvd": 0.25}
    assert list(model.view_weights) == ["stft", "cwt", "wvd"]
    assert normalised_weights(("a", "b"), None) == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(
    ("views", "weights", "message"),
    [
        ((), None, "model.views must name one view or more, each once; got none"),
        (("stft", "stft"), None, "each once; got stft, stft"),
        (("stft", "cwt"), {"stft": 1.0}, "a weight for each of the views stft, cwt; got stft"),
        (("stft",), {"stft": 1.0, "wvd": 1.0}, "a weight for each of the views stft; got stft, wvd"),
        (("stft", "cwt"), {"stft": 1.0, "cwt": 0.0}, "model.weights.cwt must be positive and finite, got 0"),
        (("stft", "cwt"), {"stft": -1.0, "cwt": 2.0}, "model.weights.stft must be positive and finite, got -1"),
        (("stft",), {"stft": float("inf")}, "model.weights.stft must be positive and finite, got inf"),
    ],
)
def test_impossible_views_and_weights_are_refused(
    views: tuple[str, ...], weights: dict[str, float] | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiViewNet(1, 3, views=views, weights=weights)


def test_each_branch_is_the_image_network_with_weights_of_its_own() -> None:
    model = MultiViewNet(2, 3, depth=3, width=6).eval()
    batch = images()
    said = model(batch, detailed=True)
    width = said.embedding.shape[1] // 3
    for number, view in enumerate(SIZES):
        alone = CNN2D(2, 3, depth=3, width=6).eval()
        alone.features.load_state_dict(model.features[view].state_dict())
        alone.classifier.load_state_dict(model.classifier.heads[view].state_dict())
        expected = alone(batch[view], detailed=True)
        torch.testing.assert_close(said.embedding[:, number * width : (number + 1) * width], expected.embedding)
        torch.testing.assert_close(said.views[view], expected.scores)
    assert torch.equal(said.scores, linear_opinion_pool(said.views, weights=model.view_weights))


def test_has_three_times_the_parameters_of_one_branch() -> None:
    parameters = sum(parameter.numel() for parameter in MultiViewNet(1, 10).parameters())
    assert parameters == 75_462 == 3 * sum(parameter.numel() for parameter in CNN2D(1, 10).parameters())


def test_order_of_the_views_in_the_batch_does_not_matter() -> None:
    model = MultiViewNet(2, 3).eval()
    batch = images()
    assert torch.equal(model(batch), model(dict(reversed(batch.items()))))


def test_a_view_counts_by_its_weight() -> None:
    weights = {"stft": 1.0, "cwt": 1.0, "wvd": 998.0}
    said = MultiViewNet(2, 3, weights=weights).eval()(images(), detailed=True)
    torch.testing.assert_close(said.scores.softmax(dim=1), said.views["wvd"].softmax(dim=1), atol=4e-3, rtol=0)


@pytest.mark.parametrize("training", [True, False])
def test_every_parameter_has_a_gradient(training: bool) -> None:
    model = MultiViewNet(2, 3).train(training)
    torch.autograd.backward(nn.functional.cross_entropy(model(images(batch=6)), torch.arange(6) % 3))
    assert [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()] == []


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (draw(4, 2, 65, 33), r"takes views stft, cwt, wvd, got one tensor \[4, 2, 65, 33\]; tfr"),
        ({"stft": draw(4, 2, 65, 33)}, "takes views stft, cwt, wvd, got stft"),
        (images() | {"spwvd": draw(4, 2, 65, 33)}, "takes views stft, cwt, wvd, got stft, cwt, wvd, spwvd"),
        (images() | {"cwt": draw(4, 2, 15, 33)}, "view cwt: images of 15 frequencies and 33 times are too small"),
        (images() | {"wvd": draw(4, 1, 32, 32)}, r"view wvd: .* takes images \[batch, 2, .*\], got \[4, 1, 32, 32\]"),
    ],
)
def test_other_inputs_are_refused_by_the_name_of_the_view(batch: Inputs, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiViewNet(2, 3)(batch)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "model.depth must be a finite number of at least 1, got 0"),
        ({"kernel_size": 4}, "model.kernel_size must be odd.*got 4, try 5"),
        ({"dropout": 1.0}, "model.dropout must be at least 0 and below 1, got 1"),
    ],
)
def test_impossible_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MultiViewNet(1, 3, **settings)


def test_shared_views_look_with_the_same_weights_at_every_view() -> None:
    one = CNN2D(2, 3)
    model = SharedViews(one, weights={"cwt": 1, "stft": 2, "wvd": 1}).eval()
    batch = images()
    said = model(batch, detailed=True)
    assert model.view_weights == {"cwt": 0.25, "stft": 0.5, "wvd": 0.25}
    for view, image in batch.items():
        assert torch.equal(said.views[view], one(image))
    embeddings = [one.embed(batch[view]) for view in ("cwt", "stft", "wvd")]
    assert torch.equal(said.embedding, torch.cat(embeddings, dim=1))
    assert torch.equal(model.embed(batch), said.embedding)
    assert torch.equal(said.scores, linear_opinion_pool(said.views, weights=model.view_weights))
    assert {id(parameter) for parameter in model.parameters()} == {id(parameter) for parameter in one.parameters()}


def test_shared_views_take_a_module_that_knows_only_scores() -> None:
    plain = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    said = SharedViews(plain, weights=dict.fromkeys(SIZES, 1.0))(images(), detailed=True)
    assert said.embedding.shape == (4, 9)
    assert torch.equal(said.embedding[:, :3], said.views["stft"])


def test_shared_views_refuse_a_model_of_signals_and_missing_views() -> None:
    with pytest.raises(ConfigError, match="each view is an image, and CNN1D takes signal; use an image model"):
        SharedViews(CNN1D(1, 3), weights={"stft": 1.0})
    with pytest.raises(ConfigError, match=r"model.weights.stft must be positive"):
        SharedViews(CNN2D(1, 3), weights={"stft": 0.0})
    with pytest.raises(ConfigError, match="takes views stft, got cwt"):
        SharedViews(CNN2D(2, 3), weights={"stft": 1.0})({"cwt": draw(4, 2, 65, 33)})
