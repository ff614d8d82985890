"""Wigner-Ville distribution: energy over time and frequency at the finest resolution, with interference."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.tfr.analytic import analytic_signal
from raytrain.tfr.checks import check_at_least, check_signal
from raytrain.tfr.lag_products import smoothed_lag_products
from raytrain.tfr.transform import TimeFrequencyTransform

__all__ = ["Wvd", "wvd"]


def wvd(signal: Tensor, *, frequency_bins: int = 128, hop: int = 32) -> Tensor:
    r"""Return the discrete Wigner-Ville distribution of a signal, `[B, C, T]` -> `[B, C, F, T']`, real and signed.

    With `z` the analytic signal and F = `frequency_bins`, row k of the column at sample n = i hop is::

        W[k, n] = 1/F sum_{|m| < F/2} z[n+m] z*[n-m] exp(-2 pi j k m / F),    f_k = k / (2 F) of the sample rate

    Lags that reach outside the signal count as zero. Rows lie between zero and half the sample rate: the lag advances
    by two samples, so the distribution repeats every half sample rate, and only because the analytic signal has no
    negative frequencies does nothing fold (Boashash 2015, section 6.1; Cohen 1995, chapter 8).

    Summed over the rows it is the instantaneous power |z[n]|^2, for every F. Summed over all columns (hop = 1,
    F >= T) it is |Z(f_k)|^2 / 2F, Z the Fourier transform of z. With F below T it is as if each instant were seen
    through a rectangle of F - 1 samples (Auger, Flandrin, Goncalves & Lemoine 1996). Columns are instants, not
    averages: with a large hop short events between them go unseen, which `smoothed_pseudo_wvd` avoids.

    Two components interfere: halfway between them in time and frequency lies a cross-term of twice their geometric
    mean that oscillates at their difference. A tone of amplitude A has about A^2 on its row.

    Memory, gradients not recorded: at most six times the image and eight times the signal, with the image. One lag is
    worked on at a time, so no array of T x T or of all lags at all samples is formed: a window of 20 480 samples at
    the defaults (float32, image 328 kB) needs less than 3 MB. `tests/unit/tfr/test_transform_memory.py` measures it.

    >>> tone = torch.cos(2 * torch.pi * 0.125 * torch.arange(256))
    >>> image = wvd(tone[None, None], frequency_bins=64, hop=16)
    >>> image.shape, image[0, 0, :, 8].argmax().item() / (2 * 64)
    (torch.Size([1, 1, 64, 16]), 0.125)

    Args:
        signal: Float32 or float64 `[B, C, T]`.
        frequency_bins: Rows F; also bounds the lags.
        hop: Samples from one column to the next; there are T' = ceil(T / hop).

    Raises:
        ConfigError: A setting is impossible.
        DataError: `signal` is not such a tensor, or empty.
    """
    _check_settings(frequency_bins, hop)
    check_signal(signal)
    whole = torch.ones((frequency_bins + 1) // 2, dtype=signal.dtype, device=signal.device)
    instant = torch.ones(1, dtype=signal.dtype, device=signal.device)
    products = smoothed_lag_products(analytic_signal(signal), lag_window=whole, time_window=instant, hop=hop)
    image: Tensor = torch.fft.hfft(products, frequency_bins, dim=-2, norm="forward")
    return image


class Wvd(TimeFrequencyTransform):
    """Wigner-Ville distribution of the analytic signal.

    Windows of 2048 samples give images of 128 x 64 at the defaults. For T samples there are F = frequency_bins rows
    between zero and half the sample rate, and T' = ceil(T / hop) columns; see `wvd` for the formula, its interference,
    why nothing folds, and the memory it takes.

    Source: L. Cohen, "Time-Frequency Analysis", Prentice Hall, 1995, chapter 8; B. Boashash (ed.), "Time-Frequency
    Signal Analysis and Processing", 2nd edition, 2015, section 6.1.

    >>> transform = Wvd(12_000, frequency_bins=64)
    >>> transform.frequencies_hz[:3].tolist(), transform.output_shape(2048)
    ([0.0, 93.75, 187.5], (64, 64))
    >>> transform.transform(torch.zeros(4, 2, 2048)).shape
    torch.Size([4, 2, 64, 64])

    Args:
        sample_rate_hz: Samples per second of the signals.
        frequency_bins: Rows of the image, and one more than the samples that each column looks at.
        hop: Samples from one column to the next.

    Raises:
        ConfigError: A value is impossible.
    """

    def __init__(self, sample_rate_hz: float, *, frequency_bins: int = 128, hop: int = 32) -> None:
        super().__init__(sample_rate_hz)
        _check_settings(frequency_bins, hop)
        self.frequency_bins = frequency_bins
        self.hop = hop

    def transform(self, signal: Tensor) -> Tensor:
        """Return the images `[B, C, F, T']` of signals `[B, C, T]`."""
        return wvd(signal, frequency_bins=self.frequency_bins, hop=self.hop)

    @property
    def frequencies_hz(self) -> Tensor:
        """Multiples of half the sample rate / F, float64 `[F]`."""
        rows = torch.arange(self.frequency_bins, dtype=torch.float64)
        return rows * (self.sample_rate_hz / (2 * self.frequency_bins))

    def times_s(self, samples: int) -> Tensor:
        """Return the instant of each column, float64 `[T']`."""
        return torch.arange(0, samples, self.hop, dtype=torch.float64) / self.sample_rate_hz


def _check_settings(frequency_bins: int, hop: int) -> None:
    check_at_least(2, {"frequency_bins": frequency_bins})
    check_at_least(1, {"hop": hop})
