from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from raytrain.augment import cutmix, cutmix_batch
from raytrain.augment.cut_mix import CutMixAugmentation
from raytrain.errors import ConfigError
from raytrain.types import Batch, Progress

START = Progress(0, 0, 0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pair(size: int, length: int) -> tuple[Tensor, Tensor]:
    """Return signals and partners that agree in no sample of time."""
    signal = torch.rand(size, 2, length, generator=seeded(1), dtype=torch.float64) + 0.1
    return signal, -signal


def batch(size: int = 40, length: int = 50) -> Batch:
    signal = torch.randn(size, 2, length, generator=seeded(1))
    return Batch(signal, torch.arange(size), {"load": torch.arange(float(size))})


def test_the_weight_is_the_share_of_samples_that_are_the_signals_own() -> None:
    signal, partner = pair(300, 37)
    mixed, own = cutmix(signal, partner, generator=seeded())
    kept = mixed == signal
    assert torch.equal(kept[:, 0], kept[:, 1])
    assert torch.equal(mixed, torch.where(kept, signal, partner))
    torch.testing.assert_close(own, kept.double().mean(dim=(1, 2)), rtol=0, atol=1e-12)


def test_the_cut_is_one_circular_stretch() -> None:
    signal, partner = pair(300, 37)
    mixed, _ = cutmix(signal, partner, generator=seeded())
    cut = (mixed != signal)[:, 0].int()
    begins = ((cut - cut.roll(1, dims=-1)) == 1).sum(dim=-1)
    partly = (cut.sum(dim=-1) > 0) & (cut.sum(dim=-1) < 37)
    assert bool((begins[partly] == 1).all())
    assert bool((cut[:, 0] & cut[:, -1])[partly].any())  # some go on from the end to the start


def test_every_place_is_cut_equally_often() -> None:
    signal, partner = pair(20_000, 16)
    mixed, _ = cutmix(signal, partner, generator=seeded())
    share = (mixed != signal)[:, 0].double().mean(dim=0)
    assert float((share - 0.5).abs().max()) < 4.5 * 0.5 / 20_000**0.5


@pytest.mark.parametrize("alpha", [0.5, 1.0, 4.0])
def test_shares_are_beta_distributed_up_to_whole_samples(alpha: float) -> None:
    signal = torch.zeros(4000, 1, 512, dtype=torch.float64)
    _, own = cutmix(signal, signal, alpha=alpha, generator=seeded())
    assert torch.equal(own * 512, (own * 512).round())
    jittered = own + (torch.rand(4000, generator=seeded(3), dtype=torch.float64) - 0.5) / 512
    assert stats.kstest(jittered.clamp(0, 1).numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_a_batch_is_cut_with_itself_and_its_labels_likewise() -> None:
    original = batch()
    mixed = cutmix_batch(original, generator=seeded())
    mixture = mixed.mixture
    assert mixture is not None
    partners = mixture.targets  # classes are indices here
    assert bool((partners != torch.arange(40)).all())
    kept = mixed.signal == original.signal
    assert torch.equal(mixed.signal, torch.where(kept, original.signal, original.signal[partners]))
    torch.testing.assert_close(mixture.weight, kept.float().mean(dim=(1, 2)))
    shares = mixed.class_shares(40)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(40))
    torch.testing.assert_close(shares.diagonal(), mixture.weight)
    torch.testing.assert_close(mixed.hits(partners), 1 - mixture.weight)
    assert mixed.conditions is original.conditions


def test_only_the_asked_share_of_samples_is_cut() -> None:
    original = batch(4000, 64)
    mixed = CutMixAugmentation(probability=0.25)(original, START, seeded())
    assert mixed.mixture is not None
    changed = (mixed.signal != original.signal).flatten(1).any(dim=1)
    assert torch.equal(changed, mixed.mixture.weight < 1)
    assert float(changed.float().mean()) == pytest.approx(0.25 * (1 - 0.5 / 64), abs=0.025)


def test_a_batch_of_one_stays_as_it_is() -> None:
    original = batch(1)
    mixed = CutMixAugmentation()(original, START, seeded())
    assert torch.equal(mixed.signal, original.signal)
    assert torch.equal(mixed.class_shares(3), original.class_shares(3))


def test_a_mixed_batch_is_not_cut_again() -> None:
    mixed = cutmix_batch(batch(), generator=seeded())
    with pytest.raises(ConfigError, match=r"augmentation: the batch is mixed already"):
        cutmix_batch(mixed, generator=seeded())


def test_impossible_settings_are_refused() -> None:
    signal, partner = pair(1, 8)
    message = "augmentation.alpha must be above 0 and finite, got 0"
    with pytest.raises(ConfigError, match=message):
        CutMixAugmentation(0.0)
    with pytest.raises(ConfigError, match=message):
        cutmix(signal, partner, alpha=0.0, generator=seeded())
    message = "augmentation.probability must be from 0 to 1, got -0.5"
    with pytest.raises(ConfigError, match=message):
        CutMixAugmentation(probability=-0.5)
    with pytest.raises(ConfigError, match=message):
        cutmix(signal, partner, probability=-0.5, generator=seeded())
