"""Smoothed pseudo Wigner-Ville distribution: the interference averaged away, in time and in frequency apart."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.tfr.analytic import analytic_signal
from raytrain.tfr.checks import check_at_least, check_odd, check_signal
from raytrain.tfr.lag_products import smoothed_lag_products
from raytrain.tfr.transform import TimeFrequencyTransform

__all__ = ["SmoothedPseudoWvd", "smoothed_pseudo_wvd"]


def smoothed_pseudo_wvd(
    signal: Tensor,
    *,
    frequency_bins: int = 128,
    hop: int = 32,
    time_window_length: int = 65,
    lag_window_length: int = 127,
) -> Tensor:
    r"""Return the smoothed pseudo Wigner-Ville distribution, `[B, C, T]` -> `[B, C, F, T']`, real and signed.

    With `z` the analytic signal, `g` a Hann window over time with sum one and `h` a Hann window over lags with
    h[0] = 1 (both without the zeros at their ends), row k of the column at sample n = i hop is::

        S[k, n] = 1/F sum_m h[m] exp(-2 pi j k m / F) sum_u g[u] z[n+u+m] z*[n+u-m],    f_k = k / (2 F) of the rate

    so `g` averages the Wigner-Ville distribution over time and `h` over frequency, independently of one another. The
    cross-term of two tones at a distance of d Hz shrinks by the factor |sum_u g[u] exp(2 pi j d u / rate)|: at the
    default 65 samples to below 1/30 from a distance of rate / 33 on. Summed over the rows it is |z|^2 averaged by g.

    Source: P. Flandrin, "Some features of time-frequency representations of multicomponent signals", ICASSP 1984;
    F. Auger, P. Flandrin, P. Goncalves, O. Lemoine, "Time-Frequency Toolbox", CNRS and Rice University, 1996.

    Memory, gradients not recorded: at most six times the image, eight times the signal, and three arrays of
    T time_window_length / hop complex values per channel, as one lag is worked on at a time. A window of 20 480
    samples at the defaults (float32) needs less than 4 MB. `tests/unit/tfr/test_transform_memory.py` measures it.

    >>> time = torch.arange(512)
    >>> two_tones = torch.cos(2 * torch.pi * 0.1 * time) + torch.cos(2 * torch.pi * 0.3 * time)
    >>> column = smoothed_pseudo_wvd(two_tones[None, None], frequency_bins=100, lag_window_length=99)[0, 0, :, 8]
    >>> [round(column[row].item(), 2) for row in (20, 40, 60)]  # at 0.1, between, at 0.3 of the sample rate
    [0.5, 0.0, 0.5]

    Args:
        signal: Float32 or float64 `[B, C, T]`.
        frequency_bins: Rows F.
        hop: Samples from one column to the next; there are T' = ceil(T / hop).
        time_window_length: Samples of g, odd.
        lag_window_length: Samples of h, odd and below or at F.

    Raises:
        ConfigError: A setting is impossible.
        DataError: `signal` is not such a tensor, or empty.
    """
    _check_settings(frequency_bins, hop, time_window_length, lag_window_length)
    check_signal(signal)
    over_time = _hann(time_window_length, like=signal)
    products = smoothed_lag_products(
        analytic_signal(signal),
        lag_window=_hann(lag_window_length, like=signal)[lag_window_length // 2 :],
        time_window=over_time / over_time.sum(),
        hop=hop,
    )
    image: Tensor = torch.fft.hfft(products, frequency_bins, dim=-2, norm="forward")
    return image


class SmoothedPseudoWvd(TimeFrequencyTransform):
    """Wigner-Ville distribution smoothed over time and over frequency, independently of one another.

    Windows of 2048 samples give images of 128 x 64 at the defaults. For T samples there are F = frequency_bins rows
    between zero and half the sample rate, and T' = ceil(T / hop) columns; see `smoothed_pseudo_wvd` for the formula,
    by how much it lessens interference, and the memory it takes.

    Source: P. Flandrin, "Some features of time-frequency representations of multicomponent signals", ICASSP 1984.

    >>> transform = SmoothedPseudoWvd(12_000)
    >>> transform.frequencies_hz[:3].tolist(), transform.output_shape(2048)
    ([0.0, 46.875, 93.75], (128, 64))
    >>> transform.transform(torch.zeros(4, 2, 2048)).shape
    torch.Size([4, 2, 128, 64])

    Args:
        sample_rate_hz: Samples per second of the signals.
        frequency_bins: Rows of the image.
        hop: Samples from one column to the next.
        time_window_length: Samples averaged over in time, odd; at least the hop, or samples between columns go unseen.
        lag_window_length: Samples that each instant looks at, odd and below or at frequency_bins; fewer blur frequency.

    Raises:
        ConfigError: A value is impossible.
    """

    def __init__(
        self,
        sample_rate_hz: float,
        *,
        frequency_bins: int = 128,
        hop: int = 32,
        time_window_length: int = 65,
        lag_window_length: int = 127,
    ) -> None:
        super().__init__(sample_rate_hz)
        _check_settings(frequency_bins, hop, time_window_length, lag_window_length)
        self.frequency_bins = frequency_bins
        self.hop = hop
        self.time_window_length = time_window_length
        self.lag_window_length = lag_window_length

    def transform(self, signal: Tensor) -> Tensor:
        """Return the images `[B, C, F, T']` of signals `[B, C, T]`."""
        return smoothed_pseudo_wvd(
            signal,
            frequency_bins=self.frequency_bins,
            hop=self.hop,
            time_window_length=self.time_window_length,
            lag_window_length=self.lag_window_length,
        )

    @property
    def frequencies_hz(self) -> Tensor:
        """Multiples of half the sample rate / F, float64 `[F]`."""
        rows = torch.arange(self.frequency_bins, dtype=torch.float64)
        return rows * (self.sample_rate_hz / (2 * self.frequency_bins))

    def times_s(self, samples: int) -> Tensor:
        """Return the middle of each column's time window, float64 `[T']`."""
        return torch.arange(0, samples, self.hop, dtype=torch.float64) / self.sample_rate_hz


def _hann(length: int, *, like: Tensor) -> Tensor:
    return torch.hann_window(length + 2, periodic=False, dtype=like.dtype, device=like.device)[1:-1]


def _check_settings(frequency_bins: int, hop: int, time_window_length: int, lag_window_length: int) -> None:
    check_at_least(2, {"frequency_bins": frequency_bins})
    check_at_least(1, {"hop": hop})
    check_odd({"time_window_length": time_window_length, "lag_window_length": lag_window_length})
    if lag_window_length > frequency_bins:
        raise ConfigError(
            f"tfr.lag_window_length must be at most frequency_bins={frequency_bins}, or lags fold onto one another; "
            f"got {lag_window_length}"
        )
    if time_window_length < hop:
        raise ConfigError(
            f"tfr.time_window_length must be at least hop={hop}, or samples between columns go unseen; "
            f"got {time_window_length}"
        )
