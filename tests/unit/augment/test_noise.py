from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raytrain.augment import GaussianNoise, gaussian_noise_augmentation
from raytrain.augment.noise import root_power
from raytrain.errors import ConfigError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def vibration(batch: int = 64, length: int = 2048) -> Tensor:
    """Two channels of very different amplitude, on a constant, in float64."""
    time = torch.arange(length, dtype=torch.float64)
    phase = torch.rand(batch, 2, 1, generator=seeded(9), dtype=torch.float64) * 6
    return torch.sin(0.3 * time + phase) * torch.tensor([[1.0], [40.0]], dtype=torch.float64) + 5


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_the_signal_to_noise_ratio_is_as_stated_in_each_channel(snr_db: float) -> None:
    signal = vibration()
    noise = gaussian_noise_augmentation(signal, snr_db=snr_db, generator=seeded()) - signal
    measured = 10 * np.log10(signal.numpy().var(axis=-1) / noise.square().mean(dim=-1).numpy())
    assert measured.shape == (64, 2)
    assert measured.mean(axis=0) == pytest.approx([snr_db, snr_db], abs=0.05)
    assert measured == pytest.approx(snr_db, abs=0.8)  # 2048 samples: a deviation of 0.14 dB


@pytest.mark.parametrize("std", [0.05, 2.0])
def test_the_deviation_is_as_stated_whatever_the_signal(std: float) -> None:
    signal = vibration()
    noise = gaussian_noise_augmentation(signal, std=std, generator=seeded()) - signal
    assert noise.std(dim=(0, 2)).tolist() == pytest.approx([std, std], rel=0.02)
    assert abs(float(noise.mean())) < 0.01 * std


def test_the_noise_is_white() -> None:
    """Each frequency of the mean periodogram has the same power: the relative error is 1 / sqrt(samples)."""
    batch = 1000
    noise = gaussian_noise_augmentation(torch.zeros(batch, 1, 256), std=0.5, generator=seeded())
    power = (torch.fft.rfft(noise.double()).abs().square() / 256).mean(dim=0)[0, 1:-1]
    assert float(power.mean()) == pytest.approx(0.25, rel=0.01)
    assert float((power / 0.25 - 1).abs().max()) < 4.5 / batch**0.5


def test_samples_and_channels_get_their_own_noise() -> None:
    noise = gaussian_noise_augmentation(torch.zeros(3, 2, 4096), generator=seeded()).flatten(0, 1)
    assert (torch.corrcoef(noise) - torch.eye(6)).abs().max() < 0.06
    assert float(noise.std()) == pytest.approx(0.1, rel=0.02)  # the default


def test_a_constant_channel_gets_no_noise_by_ratio() -> None:
    signal = torch.full((2, 1, 64), 3.0)
    assert torch.equal(gaussian_noise_augmentation(signal, snr_db=0.0, generator=seeded()), signal)


def test_root_power_is_the_deviation_of_numpy() -> None:
    signal = vibration(3, 100)
    np.testing.assert_allclose(root_power(signal).numpy(), signal.numpy().std(axis=-1, keepdims=True), rtol=1e-12)


def test_the_class_adds_noise_to_its_share_of_samples() -> None:
    noise = GaussianNoise(std=0.3, probability=0.25).augment(torch.zeros(4000, 1, 32), generator=seeded())
    noisy = noise.flatten(1).any(dim=1)
    assert float(noisy.float().mean()) == pytest.approx(0.25, abs=0.02)
    assert float(noise[noisy].std()) == pytest.approx(0.3, rel=0.02)


def test_the_class_passes_the_ratio_on() -> None:
    signal = vibration()
    made = GaussianNoise(snr_db=3.0).augment(signal, generator=seeded())
    assert torch.equal(made, gaussian_noise_augmentation(signal, snr_db=3.0, generator=seeded()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"std": -0.1}, "augmentation.std must be at least 0 and finite, got -0.1"),
        ({"std": 0.1, "snr_db": 10.0}, "augmentation.std=0.1 and augmentation.snr_db=10 are both given; give the one"),
        ({"snr_db": float("nan")}, "augmentation.snr_db must be finite, got nan"),
    ],
)
def test_impossible_levels_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GaussianNoise(**settings)
    with pytest.raises(ConfigError, match=message):
        gaussian_noise_augmentation(torch.zeros(1, 1, 4), **settings, generator=seeded())
