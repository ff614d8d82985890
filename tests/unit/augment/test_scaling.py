from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats

from raytrain.augment import AmplitudeScaling, amplitude_scaling
from raytrain.errors import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_complex_spectrum_is_scaled_by_one_factor_per_sample() -> None:
    signal = torch.randn(16, 2, 256, generator=seeded(1), dtype=torch.float64)
    scaled = amplitude_scaling(signal, low=0.5, high=3.0, generator=seeded())
    ratio = torch.fft.rfft(scaled) / torch.fft.rfft(signal)
    factor = ratio.real.mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(ratio, factor.expand_as(ratio).to(ratio.dtype), rtol=1e-9, atol=1e-9)
    assert len(set(factor.flatten().tolist())) == 16
    assert bool(((factor >= 0.5) & (factor < 3.0)).all())


def test_factors_are_uniform_between_the_defaults() -> None:
    factors = amplitude_scaling(torch.ones(20_000, 1, 1, dtype=torch.float64), generator=seeded()).flatten()
    assert stats.kstest(factors.numpy(), stats.uniform(0.8, 0.4).cdf).pvalue > 0.01


def test_the_class_scales_its_share_of_samples() -> None:
    scaled = AmplitudeScaling(low=2.0, high=2.0, probability=0.4).augment(torch.ones(5000, 1, 2), generator=seeded())
    assert set(scaled.flatten().tolist()) == {1.0, 2.0}
    assert float(scaled.mean()) == pytest.approx(1.4, abs=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"low": 0.0}, "augmentation.low must be above 0 and finite, got 0"),
        ({"high": float("inf")}, "augmentation.high must be above 0 and finite, got inf"),
        ({"low": 1.5, "high": 1.2}, "augmentation.high must be at least low=1.5, got 1.2"),
    ],
)
def test_impossible_factors_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AmplitudeScaling(**settings)
    with pytest.raises(ConfigError, match=message):
        amplitude_scaling(torch.zeros(1, 1, 4), **settings, generator=seeded())
