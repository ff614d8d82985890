"""Short-time Fourier transform: the spectrum under a window that slides along the signal."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from raytrain.tfr.checks import check_at_least, check_samples, check_signal
from raytrain.tfr.scale import Scale, check_scale, scaled
from raytrain.tfr.transform import TimeFrequencyTransform

__all__ = ["Stft", "stft"]


def stft(signal: Tensor, *, window_length: int = 128, hop: int = 32, scale: Scale = "log") -> Tensor:
    r"""Return the one-sided short-time spectrum of a signal, `[B, C, T]` -> `[B, C, F, T']`.

    With `w` the periodic Hann window of `window_length` samples, column i, row k is::

        X[k, i] = 2 / sum(w) * sum_n w[n] x[n + i hop - window_length // 2] exp(-2 pi j k n / window_length)

    without the 2 at zero and at half the sample rate, so a tone of amplitude A has the magnitude A on its row. There
    are F = window_length // 2 + 1 rows at multiples of sample rate / window_length, and T' = T // hop + 1 columns,
    centred on samples 0, hop, 2 hop, ...; the signal is reflected at both ends to fill the outer windows.

    Source: J. B. Allen, L. R. Rabiner, "A unified approach to short-time Fourier analysis and synthesis", Proceedings
    of the IEEE 65(11), 1977.

    >>> tone = 3 * torch.cos(2 * torch.pi * 0.25 * torch.arange(512))
    >>> image = stft(tone[None, None], window_length=64, hop=16, scale="magnitude")
    >>> image.shape, image[0, 0, :, 16].argmax().item(), round(image[0, 0, 16, 16].item(), 4)
    (torch.Size([1, 1, 33, 33]), 16, 3.0)

    Args:
        signal: Float32 or float64 `[B, C, T]`, at least `window_length` samples.
        window_length: Samples of the window.
        hop: Samples from one column to the next.
        scale: `magnitude` |X| in the signal's unit, `power` |X|^2, or `log`: 10 log10(|X|^2 + 1e-10) in dB.

    Raises:
        ConfigError: A setting is impossible, or T is below `window_length`.
        DataError: `signal` is not such a tensor.
    """
    _check_settings(window_length, hop, scale)
    check_signal(signal)
    batch, channels, samples = signal.shape
    _check_samples(samples, window_length)
    window = torch.hann_window(window_length, dtype=signal.dtype, device=signal.device)
    spectrum = torch.stft(
        signal.flatten(0, 1),
        window_length,
        hop_length=hop,
        window=window,
        center=True,
        pad_mode="reflect",
        onesided=True,
        return_complex=True,
    )
    gain = torch.full((spectrum.shape[1], 1), 2.0, dtype=signal.dtype, device=signal.device)
    gain[0] = 1
    if window_length % 2 == 0:
        gain[-1] = 1
    spectrum = spectrum * (gain / window.sum())
    power = spectrum.real.square() + spectrum.imag.square()
    return scaled(power, scale).reshape(batch, channels, *power.shape[-2:])


class Stft(TimeFrequencyTransform):
    """Short-time Fourier transform under a Hann window.

    Windows of 2048 samples give images of 65 x 65 at the defaults. For T samples there are F = window_length // 2 + 1
    rows and T' = T // hop + 1 columns; see `stft` for the formula, the scales and the reflection at the ends.

    Source: J. B. Allen, L. R. Rabiner, "A unified approach to short-time Fourier analysis and synthesis", Proceedings
    of the IEEE 65(11), 1977.

    >>> transform = Stft(12_000, window_length=128, hop=32)
    >>> transform.frequencies_hz[:3].tolist(), transform.output_shape(2048)
    ([0.0, 93.75, 187.5], (65, 65))
    >>> transform.transform(torch.zeros(4, 2, 2048)).shape
    torch.Size([4, 2, 65, 65])

    Args:
        sample_rate_hz: Samples per second of the signals.
        window_length: Samples of the window; longer ones part frequencies better and times worse.
        hop: Samples from one column to the next.
        scale: What the image shows: the magnitude in the signal's unit, its square, or that in dB (log).

    Raises:
        ConfigError: A value is impossible.
    """

    # 52 of the 2300 us that a small network takes to learn from a window, on one core of a CPU: not worth 17 kB.
    worth_keeping: ClassVar[bool] = False

    def __init__(self, sample_rate_hz: float, *, window_length: int = 128, hop: int = 32, scale: Scale = "log") -> None:
        super().__init__(sample_rate_hz)
        _check_settings(window_length, hop, scale)
        self.window_length = window_length
        self.hop = hop
        self.scale: Scale = scale

    def transform(self, signal: Tensor) -> Tensor:
        """Return the images `[B, C, F, T']` of signals `[B, C, T]`."""
        return stft(signal, window_length=self.window_length, hop=self.hop, scale=self.scale)

    @property
    def frequencies_hz(self) -> Tensor:
        """Multiples of sample rate / window length up to half the sample rate, float64 `[F]`."""
        rows = torch.arange(self.window_length // 2 + 1, dtype=torch.float64)
        return rows * (self.sample_rate_hz / self.window_length)

    def times_s(self, samples: int) -> Tensor:
        """Return the middle of each column's window, float64 `[T']`; ConfigError if `samples` are too few."""
        _check_samples(samples, self.window_length)
        return torch.arange(0, samples + 1, self.hop, dtype=torch.float64) / self.sample_rate_hz


def _check_settings(window_length: int, hop: int, scale: str) -> None:
    check_at_least(2, {"window_length": window_length})
    check_at_least(1, {"hop": hop})
    check_scale(scale)


def _check_samples(samples: int, window_length: int) -> None:
    check_samples(samples, window_length, remedy="lower tfr.window_length")
