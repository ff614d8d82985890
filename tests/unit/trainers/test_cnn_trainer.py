from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import StepLR

from raytrain.trainers import CNNTrainer


def batches(count: int = 3) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(4, 1, 8, generator=generator), torch.tensor([0, 1, 2, 1])) for _ in range(count)]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(12, 3))


def test_its_defaults_are_smoothed_labels_and_decay_of_weights_only() -> None:
    trainer = CNNTrainer(network(), batches(), device="cpu")
    inputs, targets = batches(1)[0]
    smoothed = functional.cross_entropy(trainer.model.eval()(inputs), targets, label_smoothing=0.1)
    assert trainer.evaluate([(inputs, targets)])["loss"] == pytest.approx(smoothed.item(), rel=1e-6)
    decayed, kept = trainer.optimizer.param_groups
    assert [weight.ndim for weight in decayed["params"]] == [3, 2]
    assert [weight.ndim for weight in kept["params"]] == [1, 1, 1, 1]
    assert (decayed["weight_decay"], kept["weight_decay"]) == (1e-4, 0.0)


def test_its_rates_warm_up_and_decay_along_a_cosine_over_the_whole_fit() -> None:
    rates = CNNTrainer(network(), batches(10), device="cpu").fit(4)["train/lr"]
    # Steps are counted from 1 to 40, the first 2 below the peak; an epoch reports the rate of its last step.
    done = [(10 * epoch - 3) / 38 for epoch in range(1, 5)]
    assert rates == pytest.approx([1e-3 * (0.01 + 0.99 * (1 + math.cos(math.pi * t)) / 2) for t in done])


def test_a_further_fit_plans_anew_over_all_epochs() -> None:
    trainer = CNNTrainer(network(), batches(5), device="cpu")
    trainer.fit(2)
    halves = trainer.fit(2)["train/lr"]
    whole = CNNTrainer(network(), batches(5), device="cpu").fit(4)["train/lr"]
    assert halves[2:] == whole[2:]
    assert halves[1] < whole[1]


def test_an_optimizer_that_is_given_keeps_its_rates() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert CNNTrainer(model, batches(), optimizer=optimizer, device="cpu").fit(3)["train/lr"] == [0.1, 0.1, 0.1]
    halving = StepLR(optimizer, 1, gamma=0.5)
    trainer = CNNTrainer(model, batches(), optimizer=optimizer, lr_scheduler=halving, device="cpu")
    assert trainer.fit(3)["train/lr"] == [0.1, 0.05, 0.025]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_it_computes_in_16_bits_where_that_pays(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("this machine has no GPU")
    seen: set[torch.dtype] = set()
    model = network()
    model.register_forward_hook(lambda _model, _inputs, scores: seen.add(scores.dtype))
    CNNTrainer(model, batches(), device=device).fit(1)
    trained = {"cpu": torch.float32, "cuda": torch.bfloat16}[device]
    assert seen == {torch.float32, trained}  # a first look at the model counts its classes in full precision
