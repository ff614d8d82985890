from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from raytrain.models.opinion_pool import OpinionPool, linear_opinion_pool, normalised_weights

VIEWS = ("stft", "cwt", "wvd")


def draw(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def test_pool_is_the_weighted_mean_of_probabilities() -> None:
    scores = {view: 5 * draw(6, 4, seed=seed).double() for seed, view in enumerate(VIEWS)}
    weights = {"stft": 0.5, "cwt": 0.2, "wvd": 0.3}
    expected = sum(weight * softmax(scores[view].numpy()) for view, weight in weights.items())
    pooled = linear_opinion_pool(scores, weights=weights)
    np.testing.assert_allclose(pooled.exp().numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(pooled.softmax(dim=1).numpy(), expected, rtol=1e-12)


def test_pool_of_certain_views_that_contradict_each_other_has_finite_gradients() -> None:
    scores = {"stft": torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True), "cwt": torch.tensor([[-1e4, 1e4, 0.0]])}
    pooled = linear_opinion_pool(scores, weights={"stft": 0.25, "cwt": 0.75})
    torch.testing.assert_close(pooled.exp(), torch.tensor([[0.25, 0.75, 0.0]]))
    torch.autograd.backward(nn.functional.cross_entropy(pooled, torch.tensor([1])))
    assert scores["stft"].grad is not None
    assert torch.isfinite(scores["stft"].grad).all()


def test_pool_gradient_by_differences() -> None:
    first, second = (draw(3, 4, seed=seed).double().requires_grad_() for seed in (1, 2))
    weights = {"stft": 0.3, "cwt": 0.7}
    assert torch.autograd.gradcheck(
        lambda a, b: linear_opinion_pool({"stft": a, "cwt": b}, weights=weights), (first, second)
    )


def test_half_precision_scores_are_pooled_in_single_precision() -> None:
    scores = {view: draw(5, 3, seed=seed) for seed, view in enumerate(VIEWS)}
    halved = {view: one.bfloat16() for view, one in scores.items()}
    weights = normalised_weights(VIEWS, None)
    pooled = linear_opinion_pool(halved, weights=weights)
    assert pooled.dtype == torch.float32
    whole = linear_opinion_pool({view: one.float() for view, one in halved.items()}, weights=weights)
    assert torch.equal(pooled, whole)


def test_classifier_pools_what_its_heads_say_of_their_parts() -> None:
    weights = {"stft": 0.25, "cwt": 0.75}
    pool = OpinionPool({view: nn.Linear(3, 4) for view in weights}, weights=weights)
    embedding = draw(5, 6)
    scores = pool.scores(embedding)
    assert torch.equal(scores["stft"], pool.heads["stft"](embedding[:, :3]))
    assert torch.equal(scores["cwt"], pool.heads["cwt"](embedding[:, 3:]))
    assert torch.equal(pool(embedding), linear_opinion_pool(scores, weights=weights))
