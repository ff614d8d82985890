from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from raytrain.augment import TimeShift, time_shift
from raytrain.errors import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shifts(count: int, length: int, **settings: float) -> Tensor:
    """Return the shift each of many samples got, read from where an impulse at the start has moved to."""
    impulse = torch.zeros(count, 1, length)
    impulse[..., 0] = 1
    found = time_shift(impulse, **settings, generator=seeded()).argmax(dim=-1).flatten()
    return torch.where(found > length // 2, found - length, found)


def test_spectra_keep_their_magnitudes_and_turn_their_phases() -> None:
    signal = torch.randn(16, 2, 255, generator=seeded(1), dtype=torch.float64)
    shifted = time_shift(signal, generator=seeded())
    before, after = torch.fft.rfft(signal), torch.fft.rfft(shifted)
    torch.testing.assert_close(after.abs(), before.abs(), rtol=1e-9, atol=1e-9)
    assert not torch.allclose(after, before)


def test_each_sample_is_rolled_alike_in_all_channels() -> None:
    signal = torch.randn(40, 3, 50, generator=seeded(1))
    shifted = time_shift(signal, generator=seeded()).numpy()
    found = set()
    for before, after in zip(signal.numpy(), shifted, strict=True):
        equal = [k for k in range(-25, 26) if np.array_equal(np.roll(before, k, axis=-1), after)]
        assert equal
        found.add(equal[0])
    assert len(found) > 10


@pytest.mark.parametrize(("max_share", "most"), [(0.1, 5), (0.29, 14), (0.0, 0)])
def test_every_shift_up_to_the_largest_is_equally_likely(max_share: float, most: int) -> None:
    drawn = shifts(20_000, 50, max_share=max_share)
    counts = (drawn + most).bincount(minlength=2 * most + 1)
    assert len(counts) == 2 * most + 1
    assert bool(counts.all())
    if most:
        assert stats.chisquare(counts.numpy()).pvalue > 0.01


def test_the_class_shifts_its_share_of_samples() -> None:
    ramp = torch.arange(101.0).expand(4000, 1, 101)
    moved = (TimeShift(probability=0.3).augment(ramp, generator=seeded()) != ramp).flatten(1).any(dim=1)
    assert float(moved.float().mean()) == pytest.approx(0.3 * 100 / 101, abs=0.02)


@pytest.mark.parametrize("max_share", [-0.1, 1.5])
def test_impossible_shares_are_refused(max_share: float) -> None:
    message = f"augmentation.max_share must be from 0 to 1, got {max_share:g}"
    with pytest.raises(ConfigError, match=message):
        TimeShift(max_share=max_share)
    with pytest.raises(ConfigError, match=message):
        time_shift(torch.zeros(1, 1, 4), max_share=max_share, generator=seeded())
