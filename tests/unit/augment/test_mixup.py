from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from raytrain.augment import MixupAugmentation
from raytrain.augment.mixing import mixed_batch
from raytrain.augment.mixup import mixup
from raytrain.errors import ConfigError
from raytrain.objectives.supervised import Supervised
from raytrain.types import Batch, Mixture, Progress

CLASSES = 4
START = Progress(0, 0, 0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(size: int = 32, length: int = 64) -> Batch:
    signal = torch.randn(size, 2, length, generator=seeded(1), dtype=torch.float64)
    targets = torch.randint(CLASSES, (size,), generator=seeded(2))
    return Batch(signal, targets, {"shaft_speed_rpm": torch.arange(float(size))})


def mixture(mixed: Batch) -> Mixture:
    assert mixed.mixture is not None
    return mixed.mixture


def partner_signals(original: Batch, mixed: Batch) -> Tensor:
    """Return what each sample was mixed with, solved from the mixture; it must be a signal of the batch."""
    share = mixture(mixed).weight[:, None, None]
    return (mixed.signal - share * original.signal) / (1 - share)


def test_each_sample_is_its_own_share_plus_the_rest_of_one_other() -> None:
    original = batch()
    mixed = MixupAugmentation(0.8)(original, START, seeded())
    found = partner_signals(original, mixed).flatten(1)
    distance = torch.cdist(found, original.signal.flatten(1))
    partners = distance.argmin(dim=1)
    assert float(distance.min(dim=1).values.max()) < 1e-4
    assert sorted(partners.tolist()) == list(range(32))
    assert bool((partners != torch.arange(32)).all())
    assert torch.equal(mixture(mixed).targets, original.targets[partners])


def test_complex_spectra_are_mixed_in_the_same_shares() -> None:
    first, second = batch().signal, batch().signal.flip(0)
    weight = torch.rand(32, generator=seeded(), dtype=torch.float64)
    spectrum = torch.fft.rfft(mixup(first, second, weight=weight))
    share = weight[:, None, None]
    expected = share * torch.fft.rfft(first) + (1 - share) * torch.fft.rfft(second)
    torch.testing.assert_close(spectrum, expected, rtol=1e-12, atol=1e-12)


def test_images_are_mixed_sample_by_sample_too() -> None:
    first, second = torch.ones(2, 1, 3, 4), torch.zeros(2, 1, 3, 4)
    mixed = mixup(first, second, weight=torch.tensor([0.25, 1.0]))
    assert torch.equal(mixed.mean(dim=(1, 2, 3)), torch.tensor([0.25, 1.0]))


def test_shares_are_beta_distributed_and_differ_by_sample() -> None:
    many = Batch(torch.zeros(10_000, 1, 2, dtype=torch.float64), torch.zeros(10_000, dtype=torch.int64))
    weight = mixture(MixupAugmentation(alpha=0.4)(many, START, seeded())).weight
    assert stats.kstest(weight.numpy(), stats.beta(0.4, 0.4).cdf).pvalue > 0.01


def test_class_shares_and_hits_follow_the_weight() -> None:
    mixed = MixupAugmentation()(batch(), START, seeded())
    shares = mixed.class_shares(CLASSES)
    one_hot = np.eye(CLASSES)
    weight = mixture(mixed).weight.numpy()[:, None]
    expected = weight * one_hot[mixed.targets] + (1 - weight) * one_hot[mixture(mixed).targets]
    np.testing.assert_allclose(shares.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(shares.sum(dim=1).numpy(), 1, atol=1e-6)
    hits = torch.stack([mixed.hits(torch.full((32,), label)) for label in range(CLASSES)], dim=1)
    np.testing.assert_allclose(hits.numpy(), expected, atol=1e-12)


def test_the_loss_is_mixed_in_the_same_shares() -> None:
    mixed = MixupAugmentation()(batch(), START, seeded())
    model = nn.Sequential(nn.Flatten(), nn.Linear(128, CLASSES)).double()
    total = Supervised(nn.CrossEntropyLoss())(model, mixed, START).total
    logits = model(mixed.signal)
    own = functional.cross_entropy(logits, mixed.targets, reduction="none")
    other = functional.cross_entropy(logits, mixture(mixed).targets, reduction="none")
    weight = mixture(mixed).weight
    torch.testing.assert_close(total, (weight * own + (1 - weight) * other).mean(), rtol=1e-6, atol=0)


def test_only_the_asked_share_of_samples_is_mixed_and_conditions_stay() -> None:
    original = batch(4000, 8)
    mixed = MixupAugmentation(probability=0.3)(original, START, seeded())
    changed = (mixed.signal != original.signal).flatten(1).any(dim=1)
    assert torch.equal(changed, mixture(mixed).weight < 1)
    assert float(changed.double().mean()) == pytest.approx(0.3, abs=0.03)
    assert mixed.conditions is original.conditions
    assert torch.equal(mixed.targets, original.targets)


def test_a_batch_of_one_stays_as_it_is() -> None:
    original = batch(1)
    mixed = MixupAugmentation()(original, START, seeded())
    torch.testing.assert_close(mixed.signal, original.signal)
    assert torch.equal(mixed.class_shares(CLASSES), original.class_shares(CLASSES))


def test_a_mixed_batch_is_not_mixed_again() -> None:
    mixed = MixupAugmentation()(batch(), START, seeded())
    with pytest.raises(ConfigError, match=r"augmentation: the batch is mixed already; use one of mixup, cutmix"):
        mixed_batch(mixed, mixed.signal, partners=torch.arange(32), weight=torch.ones(32), generator=seeded())


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("inf"), float("nan")])
def test_impossible_shares_are_refused(alpha: float) -> None:
    with pytest.raises(ConfigError, match=f"augmentation.alpha must be above 0 and finite, got {alpha:g}"):
        MixupAugmentation(alpha)
    with pytest.raises(ConfigError, match=r"augmentation.probability must be from 0 to 1, got 1.5"):
        MixupAugmentation(probability=1.5)
