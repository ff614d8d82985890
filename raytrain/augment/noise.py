"""Gaussian noise of a given deviation or signal-to-noise ratio."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_not_negative, check_share
from raytrain.augment.draws import change_share, draw_normal
from raytrain.errors import ConfigError

__all__ = ["GaussianNoise", "add_noise", "gaussian_noise_augmentation", "root_power"]

_DEFAULT_STD = 0.1


def gaussian_noise_augmentation(
    signal: Tensor, *, std: float | None = None, snr_db: float | None = None, generator: torch.Generator
) -> Tensor:
    """Return the signal with white Gaussian noise added, independent over samples, channels and time.

    Its power spectral density is flat: `std^2` is added to the expected periodogram `|rfft(x)|^2 / T` at every
    frequency. By signal-to-noise ratio the noise's variance is `P / 10^(snr_db / 10)`, P the power of each sample's
    channel about its mean; a constant channel gets none. Source: C. Bishop, "Training with noise is equivalent to
    Tikhonov regularization", Neural Computation 7(1):108, 1995.

    Args:
        signal: `[B, C, T]`.
        std: Standard deviation of the noise in units of the signal, at least 0; 0.1 where `snr_db` is not given either.
        snr_db: Signal-to-noise ratio in dB.
        generator: Draws the noise, on the signal's device.

    Raises:
        ConfigError: Both `std` and `snr_db` are given, or one is impossible.

    >>> still = torch.zeros(2, 1, 4096)
    >>> noisy = gaussian_noise_augmentation(still, std=0.5, generator=torch.Generator().manual_seed(0))
    >>> round(float(noisy.std()), 1)
    0.5
    """
    _check_level(std=std, snr_db=snr_db)
    if snr_db is not None:
        return add_noise(signal, std=root_power(signal) * 10 ** (-snr_db / 20), generator=generator)
    return add_noise(signal, std=_DEFAULT_STD if std is None else std, generator=generator)


def add_noise(signal: Tensor, *, std: float | Tensor, generator: torch.Generator) -> Tensor:
    """Return the signal `[B, C, T]` with white noise of deviation `std`, which may differ by sample and channel."""
    return signal + draw_normal(signal, generator=generator).mul_(std)


def root_power(signal: Tensor) -> Tensor:
    """Return the root of each channel's power about its mean, `[B, C, T]` -> `[B, C, 1]`, in units of the signal."""
    # Ten times as fast as signal.std on a CPU.
    deviation = signal - signal.mean(dim=-1, keepdim=True)
    norm: Tensor = torch.linalg.vector_norm(deviation, dim=-1, keepdim=True)
    return norm / math.sqrt(signal.shape[-1])


def _check_level(*, std: float | None, snr_db: float | None) -> None:
    """Raise ConfigError where the level is given twice or is none."""
    if snr_db is not None and not math.isfinite(snr_db):
        raise ConfigError(f"augmentation.snr_db must be finite, got {snr_db:g}")
    if std is not None:
        check_not_negative("std", std)
    if std is not None and snr_db is not None:
        raise ConfigError(
            f"augmentation.std={std:g} and augmentation.snr_db={snr_db:g} are both given; "
            "give the one to set the noise by"
        )


class GaussianNoise(Augmentation):
    """White Gaussian noise: by its deviation, or by signal-to-noise ratio (`gaussian_noise_augmentation`).

    Args:
        std: Standard deviation of the noise in units of the signal (1 = that of a standardised window); 0.1 where
            `snr_db` is not given either.
        snr_db: Signal-to-noise ratio in dB of each sample's channel, instead of `std`.
        probability: Share of samples that get noise, in [0, 1].

    Raises:
        ConfigError: A value is impossible, or both `std` and `snr_db` are given.

    >>> noise = GaussianNoise(snr_db=20.0)
    >>> wave = torch.sin(torch.arange(4096) * 0.1).view(1, 1, -1)
    >>> added = noise.augment(wave, generator=torch.Generator().manual_seed(0)) - wave
    >>> round(float(10 * torch.log10(wave.var() / added.var())))
    20
    """

    def __init__(self, *, std: float | None = None, snr_db: float | None = None, probability: float = 1.0) -> None:
        _check_level(std=std, snr_db=snr_db)
        self.std = std
        self.snr_db = snr_db
        self.probability = check_share("probability", probability)

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return noisy inputs `[B, C, T]`."""
        noisy = gaussian_noise_augmentation(inputs, std=self.std, snr_db=self.snr_db, generator=generator)
        return change_share(inputs, noisy, probability=self.probability, generator=generator)
