from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from raytrain.augment import TimeMasking, time_masking
from raytrain.errors import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def signals(batch: int, length: int = 100) -> Tensor:
    return torch.randn(batch, 2, length, generator=seeded(1), dtype=torch.float64) + 3


def masked_runs(signal: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
    """Return width and start of each sample's mask, after checking that it is one stretch, alike in all channels."""
    changed = masked != signal
    assert torch.equal(changed[:, 0], changed[:, 1])
    changed = changed[:, 0]
    width, start = changed.sum(dim=-1), changed.int().argmax(dim=-1)
    position = torch.arange(signal.shape[-1])
    expected = (position >= start[:, None]) & (position < (start + width)[:, None])
    assert torch.equal(changed, expected)
    return width, start


def test_one_stretch_of_each_sample_has_the_mean_of_its_channel() -> None:
    signal = signals(500)
    masked = time_masking(signal, max_share=0.4, generator=seeded())
    width, _ = masked_runs(signal, masked)
    mean = signal.mean(dim=-1, keepdim=True)
    torch.testing.assert_close(masked, torch.where(masked != signal, mean, signal), rtol=0, atol=0)
    assert int(width.max()) == 40


def test_widths_and_starts_are_uniform() -> None:
    signal = signals(40_000, 24)
    width, start = masked_runs(signal, time_masking(signal, max_share=0.25, generator=seeded()))
    counts = width.bincount()
    assert len(counts) == 7
    assert stats.chisquare(counts.numpy()).pvalue > 0.01
    starts = start[width == 6].bincount()
    assert len(starts) == 24 - 6 + 1
    assert stats.chisquare(starts.numpy()).pvalue > 0.01


def test_a_whole_window_may_be_masked() -> None:
    width, _ = masked_runs(signal := signals(200, 6), time_masking(signal, max_share=1.0, generator=seeded()))
    assert set(width.tolist()) == set(range(7))


def test_a_masked_tone_loses_the_masked_share_of_its_line() -> None:
    """The line of a tone that is there for a share s of the window has s times its amplitude."""
    tone = torch.sin(2 * torch.pi * 64 / 1024 * torch.arange(1024, dtype=torch.float64)).expand(32, 1, 1024)
    masked = time_masking(tone, max_share=0.5, generator=seeded())
    kept = 1 - (masked != tone).double().mean(dim=-1).flatten()
    line = (torch.fft.rfft(masked)[:, 0, 64].abs() / torch.fft.rfft(tone)[:, 0, 64].abs()).flatten()
    torch.testing.assert_close(line, kept, rtol=0, atol=0.02)


def test_the_class_masks_its_share_of_samples() -> None:
    signal = signals(3000)
    masked = TimeMasking(max_share=0.5, probability=0.4).augment(signal, generator=seeded())
    width, _ = masked_runs(signal, masked)
    assert float((width > 0).double().mean()) == pytest.approx(0.4 * 50 / 51, abs=0.03)


@pytest.mark.parametrize("max_share", [-0.1, 1.5])
def test_impossible_shares_are_refused(max_share: float) -> None:
    message = f"augmentation.max_share must be from 0 to 1, got {max_share:g}"
    with pytest.raises(ConfigError, match=message):
        TimeMasking(max_share=max_share)
    with pytest.raises(ConfigError, match=message):
        time_masking(torch.zeros(1, 1, 4), max_share=max_share, generator=seeded())
