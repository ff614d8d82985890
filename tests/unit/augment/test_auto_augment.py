from __future__ import annotations

from collections import Counter

import pytest
import torch
from scipy import stats
from torch import Tensor

from raytrain.augment import AutoAugment, RandAugment
from raytrain.augment.noise import root_power
from raytrain.augment.operations import OPERATIONS
from raytrain.errors import ConfigError

NAMES = tuple(OPERATIONS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the operation of row k write its strength at sample k of the signal, so that a test can read it there."""
    for row, name in enumerate(NAMES):

        def mark(signal: Tensor, strength: Tensor, generator: torch.Generator, row: int = row) -> Tensor:
            at_row = torch.arange(signal.shape[-1]) == row
            return signal + strength * at_row

        monkeypatch.setitem(OPERATIONS, name, mark)


def strengths(augmentation: AutoAugment, count: int) -> Tensor:
    """Return the strength with which each sample got each operation, `[count, 4]`."""
    return augmentation.augment(torch.zeros(count, 1, 4, dtype=torch.float64), generator=seeded())[:, 0]


def column(name: str) -> int:
    return NAMES.index(name)


@pytest.mark.usefixtures("marks")
def test_a_sample_gets_one_sub_policy_as_a_whole_all_equally_likely() -> None:
    policy = {
        "moved": {"time_shift": {"magnitude": 10.0}},
        "both": {"time_masking": {"magnitude": 8.0}, "amplitude_scaling": {"magnitude": 2.0}},
        "nothing": {},
    }
    counts = Counter(map(tuple, strengths(AutoAugment(policy), 6000).tolist()))
    moved, both = torch.zeros(4).double(), torch.zeros(4).double()
    moved[column("time_shift")] = 0.5
    both[column("time_masking")], both[column("amplitude_scaling")] = 0.4, 0.1
    expected = {tuple(moved.tolist()), tuple(both.tolist()), (0.0, 0.0, 0.0, 0.0)}
    assert set(counts) == expected
    assert stats.chisquare(list(counts.values())).pvalue > 0.01


@pytest.mark.usefixtures("marks")
def test_each_operation_is_applied_with_its_own_probability_independently() -> None:
    policy = {
        "only": {
            "time_shift": {"probability": 0.2, "magnitude": 10.0},
            "amplitude_scaling": {"probability": 0.7, "magnitude": 10.0},
        }
    }
    applied = (strengths(AutoAugment(policy), 8000) > 0).double()
    shifted, scaled = applied[:, column("time_shift")], applied[:, column("amplitude_scaling")]
    assert float(shifted.mean()) == pytest.approx(0.2, abs=0.015)
    assert float(scaled.mean()) == pytest.approx(0.7, abs=0.015)
    assert float((shifted * scaled).mean()) == pytest.approx(0.14, abs=0.012)


@pytest.mark.usefixtures("marks")
@pytest.mark.parametrize("operations", [1, 2, 3, 4])
def test_rand_augment_gives_each_sample_n_operations_each_equally_often(operations: int) -> None:
    drawn = strengths(RandAugment(operations=operations, magnitude=8.0), 8000)
    assert set(drawn.flatten().tolist()) <= {0.0, 0.4}
    applied = drawn > 0
    assert bool((applied.sum(dim=1) == operations).all())
    shares = applied.double().mean(dim=0)
    assert shares.tolist() == pytest.approx([operations / 4] * 4, abs=0.02)


@pytest.mark.usefixtures("marks")
def test_rand_augment_changes_its_share_of_samples() -> None:
    drawn = strengths(RandAugment(probability=0.3), 6000)
    assert float((drawn > 0).any(dim=1).double().mean()) == pytest.approx(0.3, abs=0.02)


def test_magnitudes_reach_the_operation() -> None:
    signal = torch.randn(500, 2, 256, generator=seeded(1), dtype=torch.float64)
    for magnitude, expected in ((2.0, 0.1), (10.0, 0.5)):
        policy = {"only": {"gaussian_noise": {"magnitude": magnitude}}}
        noise = AutoAugment(policy).augment(signal, generator=seeded()) - signal
        assert float((root_power(noise) / root_power(signal)).mean()) == pytest.approx(expected, rel=0.01)


def test_a_sample_that_gets_nothing_stays_exactly_as_it_is() -> None:
    policy = {"all": {name: {"probability": 0.1, "magnitude": 10.0} for name in NAMES}}
    signal = torch.randn(2000, 1, 32, generator=seeded(1))
    same = (AutoAugment(policy).augment(signal, generator=seeded()) == signal).flatten(1).all(dim=1)
    assert float(same.double().mean()) == pytest.approx(0.9**4, abs=0.05)


def test_the_order_in_which_a_policy_is_written_means_nothing() -> None:
    shift, noise = {"time_shift": {"magnitude": 4.0}}, {"gaussian_noise": {"probability": 0.5}}
    one = AutoAugment({"a": {**shift, **noise}, "b": noise})
    other = AutoAugment({"b": noise, "a": {**noise, **shift}})
    signal = torch.randn(50, 1, 64, generator=seeded(1))
    assert torch.equal(one.augment(signal, generator=seeded()), other.augment(signal, generator=seeded()))


def test_the_default_policy_is_rand_augments() -> None:
    signal = torch.randn(50, 1, 64, generator=seeded(1))
    expected = RandAugment(operations=2, magnitude=5.0).augment(signal, generator=seeded())
    assert torch.equal(AutoAugment().augment(signal, generator=seeded()), expected)


def test_an_impossible_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"augmentation.policy.a.blur: there is no operation 'blur'; valid: ampl"):
        AutoAugment({"a": {"blur": {}}})
    with pytest.raises(ConfigError, match=r"augmentation.operations must be from 1 to 4, got 9"):
        RandAugment(operations=9)
    with pytest.raises(ConfigError, match=r"augmentation.probability must be from 0 to 1, got 2"):
        RandAugment(probability=2.0)
