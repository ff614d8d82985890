from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from raytrain.augment import adversarial_augmentation
from raytrain.augment.adversarial import AdversarialAugmentation
from raytrain.errors import ConfigError, RunError
from raytrain.types import Batch, Progress, StepLoss

CLASSES, LENGTH = 3, 32
START = Progress(0, 0, 0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(2, 4, 5), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 28, CLASSES)
    ).double()
    model(torch.randn(64, 2, LENGTH, dtype=torch.float64))  # so that the statistics are not the initial ones
    return model


def batch(size: int = 16) -> Batch:
    signal = torch.randn(size, 2, LENGTH, generator=seeded(1), dtype=torch.float64)
    return Batch(signal, torch.randint(CLASSES, (size,), generator=seeded(2)))


def objective(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
    logits = model(batch.signal)
    return StepLoss(functional.cross_entropy(logits, batch.targets), logits)


def per_sample(model: nn.Module, signal: Tensor, targets: Tensor) -> Tensor:
    with torch.no_grad():
        return functional.cross_entropy(model.eval()(signal), targets, reduction="none")


def attack(model: nn.Module, batch: Batch, *, epsilon: float) -> Tensor:
    return adversarial_augmentation(
        batch.signal, lambda signal: objective(model, Batch(signal, batch.targets), START).total,
        model=model, epsilon=epsilon,
    )  # fmt: skip


@pytest.mark.parametrize("epsilon", [1e-3, 0.1])
def test_no_sample_changes_by_more_than_epsilon_and_most_by_just_that(epsilon: float) -> None:
    original = batch()
    change = attack(network(), original, epsilon=epsilon) - original.signal
    assert float(change.abs().max()) == pytest.approx(epsilon, rel=1e-9)
    assert float((change.abs() > 0.99 * epsilon).double().mean()) > 0.9


def test_a_small_step_raises_every_loss_by_epsilon_times_the_l1_norm_of_the_gradient() -> None:
    """The maximum over the cube of side 2 epsilon of the linearised loss (equation 4 of the source)."""
    model, original, epsilon = network().eval(), batch(), 1e-6
    signal = original.signal.clone().requires_grad_()
    total = functional.cross_entropy(model(signal), original.targets, reduction="sum")
    (gradient,) = torch.autograd.grad(total, signal)
    expected = epsilon * gradient.abs().sum(dim=(1, 2))
    attacked = attack(model, original, epsilon=epsilon)
    rise = per_sample(model, attacked, original.targets) - per_sample(model, original.signal, original.targets)
    torch.testing.assert_close(rise, expected, rtol=1e-3, atol=1e-12)
    assert bool((rise > 0).all())


def test_it_raises_the_loss_more_than_noise_of_the_same_size() -> None:
    model, original = network(), batch(64)
    attacked = attack(model, original, epsilon=0.1)
    noise = 0.1 * torch.randn(original.signal.shape, generator=seeded(5), dtype=torch.float64).sign()
    clean = per_sample(model, original.signal, original.targets)
    adversarial = (per_sample(model, attacked, original.targets) - clean).mean()
    random = (per_sample(model, original.signal + noise, original.targets) - clean).mean()
    assert float(adversarial) > 5 * abs(float(random))


def test_a_linear_models_attack_is_the_sign_of_its_weights() -> None:
    weight = torch.tensor([[0.5, -2.0, 0.0]])
    model = nn.Linear(3, 1, bias=False)
    model.weight.data = weight
    attacked = adversarial_augmentation(torch.zeros(1, 1, 3), lambda x: model(x).sum(), model=model, epsilon=0.25)
    np.testing.assert_array_equal(attacked.numpy(), [[[0.25, -0.25, 0.0]]])


def test_the_model_is_left_as_it_was() -> None:
    model = network().train()
    model[1].eval()  # a frozen norm stays frozen
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    torch.manual_seed(3)
    random = torch.get_rng_state()
    attack(model, batch(), epsilon=0.1)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(bool((one.grad == 0.5).all()) for one in model.parameters() if one.grad is not None)
    assert all(one.grad is not None and one.requires_grad for one in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


def test_modes_come_back_when_the_loss_fails() -> None:
    model = network().train()

    def broken(signal: Tensor) -> Tensor:
        raise RuntimeError("no loss")

    with pytest.raises(RuntimeError, match="no loss"):
        adversarial_augmentation(batch().signal, broken, model=model)
    assert all(module.training for module in model.modules())


def test_samples_do_not_influence_each_other() -> None:
    model, original = network(), batch()
    whole = attack(model, original, epsilon=0.1)
    first = attack(model, Batch(original.signal[:3], original.targets[:3]), epsilon=0.1)
    torch.testing.assert_close(whole[:3], first)


def test_the_class_attacks_the_objective_it_is_bound_to_without_gradients_around_it() -> None:
    model, original = network(), batch()
    augmentation = AdversarialAugmentation(epsilon=0.1)
    augmentation.bind(model, objective)
    with torch.no_grad():
        changed = augmentation(original, START, seeded())
    assert torch.equal(changed.signal, attack(model, original, epsilon=0.1))
    assert not changed.signal.requires_grad
    assert changed.targets is original.targets


def test_the_class_changes_its_share_of_samples() -> None:
    model, original = network(), batch(2000)
    augmentation = AdversarialAugmentation(epsilon=0.1, probability=0.5)
    augmentation.bind(model, objective)
    changed = (augmentation(original, START, seeded()).signal != original.signal).flatten(1).any(dim=1)
    assert float(changed.double().mean()) == pytest.approx(0.5, abs=0.04)


def test_it_must_be_bound_first() -> None:
    with pytest.raises(RunError, match=r"adversarial needs the run's model: call bind\(model, objective\) first"):
        AdversarialAugmentation()(batch(), START, seeded())


def test_a_negative_step_is_refused() -> None:
    message = "augmentation.epsilon must be at least 0 and finite, got -0.1"
    with pytest.raises(ConfigError, match=message):
        AdversarialAugmentation(epsilon=-0.1)
    with pytest.raises(ConfigError, match=message):
        attack(network(), batch(), epsilon=-0.1)
