"""Continuous wavelet transform: bands of equal relative width, narrow in time where they are high in frequency."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.tfr.checks import check_at_least, check_sample_rate, check_samples, check_signal
from raytrain.tfr.scale import Scale, check_scale, scaled
from raytrain.tfr.transform import TimeFrequencyTransform

__all__ = ["Cwt", "cwt"]

_REACH = 4
"""Standard deviations after which a wavelet counts as over: its envelope is 3e-4 there."""
_CHUNK = 2**20
"""Complex wavelet coefficients worked on at once."""


def cwt(
    signal: Tensor,
    sample_rate_hz: float,
    *,
    frequencies_hz: Tensor,
    omega0: float = 6.0,
    hop: int = 32,
    scale: Scale = "log",
) -> Tensor:
    r"""Return the power of a signal in the bands of analytic Morlet wavelets, `[B, C, T]` -> `[B, C, F, T']`.

    The wavelet of frequency f has the standard deviation s = omega0 / (2 pi f) in time, and its transform is taken in
    the frequency domain, with `w` the angular frequency::

        W[f, t] = inverse Fourier transform of  X(w) 2 exp(-(s w - omega0)^2 / 2)  for w > 0, else 0

    which is the L1 norm: a tone of amplitude A at f gives |W| = A at every f, as in `stft` (Torrence & Compo 1998 have
    the L2 norm; divide theirs by the square root of s to compare). A column is the mean of |W|^2 over `hop` samples,
    so that no impact falls between columns; samples after the last whole column are in none.

    The signal is reflected at both ends. Within sqrt(2) s of an end, the cone of influence, values rest on that
    reflection.

    Source: C. Torrence, G. P. Compo, "A practical guide to wavelet analysis", Bulletin of the American Meteorological
    Society 79(1), 1998.

    Memory, gradients not recorded: at most three times the image, twelve times the signal, and 64 MB (float32): rows
    are worked on in groups of at most 2^20 complex coefficients, never less than one row of the batch.
    `tests/unit/tfr/test_transform_memory.py` measures it on windows of 20 480 samples.

    >>> tone = 3 * torch.cos(2 * torch.pi * 1000 * torch.arange(2048) / 12_000)
    >>> rows = torch.tensor([500.0, 1000.0, 2000.0])
    >>> image = cwt(tone[None, None], 12_000, frequencies_hz=rows, scale="magnitude")
    >>> image.shape, [round(value, 3) for value in image[0, 0, :, 32].tolist()]
    (torch.Size([1, 1, 3, 64]), [0.0, 3.0, 0.033])

    Args:
        signal: Float32 or float64 `[B, C, T]`; T above 4 s of the lowest frequency.
        sample_rate_hz: Samples per second.
        frequencies_hz: Frequency of each row, `[F]`, above zero and at most half the sample rate.
        omega0: Radians of the carrier per standard deviation of the envelope, at least 5, below which the wavelet's
            mean would not be zero.
        hop: Samples averaged into one column; there are T' = T // hop.
        scale: `magnitude` (root of the mean of |W|^2, in the signal's unit), `power`, or `log`:
            10 log10(power + 1e-10) in dB.

    Raises:
        ConfigError: A setting is impossible, or T is too short for the lowest frequency.
        DataError: `signal` is not such a tensor.
    """
    check_sample_rate(sample_rate_hz)
    _check_settings(omega0, hop, scale)
    _check_frequencies(frequencies_hz, sample_rate_hz)
    check_signal(signal)
    samples = signal.shape[-1]
    # Standard deviations in samples, in double precision: the products with angular frequencies are large.
    deviations = omega0 * sample_rate_hz / (2 * math.pi * frequencies_hz.to(signal.device, torch.float64))
    pad = _pad(float(frequencies_hz.min()), sample_rate_hz, omega0)
    check_samples(samples, max(pad + 1, hop), remedy="raise tfr.low_hz, or lower tfr.omega0 or tfr.hop")
    length = _fast_length(samples + 2 * pad)
    spectrum = torch.fft.rfft(functional.pad(signal, (pad, pad), mode="reflect"), length)
    angular = torch.arange(spectrum.shape[-1], dtype=torch.float64, device=signal.device) * (2 * math.pi / length)
    columns = samples // hop
    rows_at_once = max(1, _CHUNK // (signal.shape[0] * signal.shape[1] * length))
    images = []
    for some in torch.split(deviations, rows_at_once):
        bank = 2 * torch.exp(-((some[:, None] * angular - omega0).square()) / 2)
        bank[:, 0] = 0
        coefficients = torch.fft.ifft(spectrum[..., None, :] * bank.to(signal.dtype), length)
        inside = coefficients[..., pad : pad + columns * hop]
        power = inside.real.square() + inside.imag.square()
        images.append(scaled(power.reshape(*power.shape[:-1], columns, hop).mean(dim=-1), scale))
    return torch.cat(images, dim=-2)


class Cwt(TimeFrequencyTransform):
    """Continuous wavelet transform with analytic Morlet wavelets at frequencies in geometric steps.

    Windows of 2048 samples give images of 64 x 64 at the defaults. For T samples there are F = `frequency_bins` rows
    and T' = T // hop columns, each the mean over `hop` samples; see `cwt` for the formula, the L1 norm, the reflection
    at the ends and the memory it takes.

    Source: C. Torrence, G. P. Compo, "A practical guide to wavelet analysis", Bulletin of the American Meteorological
    Society 79(1), 1998.

    >>> transform = Cwt(12_000, frequency_bins=3, low_hz=500, high_hz=2000)
    >>> transform.frequencies_hz.round().tolist(), transform.output_shape(2048)
    ([500.0, 1000.0, 2000.0], (3, 64))
    >>> transform.transform(torch.zeros(4, 2, 2048)).shape
    torch.Size([4, 2, 3, 64])

    Args:
        sample_rate_hz: Samples per second of the signals.
        frequency_bins: Rows of the image.
        low_hz: Frequency of the first row; by default 1/128 of the sample rate, whose wavelet needs 490 samples.
        high_hz: Frequency of the last row; by default where half the sample rate is three of the wavelet's standard
            deviations above: a third of the sample rate for omega0 = 6.
        omega0: Radians of the carrier per standard deviation of the envelope, at least 5; more part frequencies better
            and times worse.
        hop: Samples averaged into one column.
        scale: What the image shows: the magnitude in the signal's unit, its square, or that in dB (log).

    Raises:
        ConfigError: A value is impossible.
    """

    def __init__(
        self,
        sample_rate_hz: float,
        *,
        frequency_bins: int = 64,
        low_hz: float | None = None,
        high_hz: float | None = None,
        omega0: float = 6.0,
        hop: int = 32,
        scale: Scale = "log",
    ) -> None:
        super().__init__(sample_rate_hz)
        check_at_least(2, {"frequency_bins": frequency_bins})
        _check_settings(omega0, hop, scale)
        self.frequency_bins = frequency_bins
        self.low_hz = sample_rate_hz / 128 if low_hz is None else low_hz
        self.high_hz = sample_rate_hz / (2 + 6 / omega0) if high_hz is None else high_hz
        self.omega0 = omega0
        self.hop = hop
        self.scale: Scale = scale
        if not 0 < self.low_hz < self.high_hz <= sample_rate_hz / 2:
            raise ConfigError(
                f"tfr.low_hz must be above 0 and below high_hz, and that at most half the sample rate, "
                f"{sample_rate_hz / 2:g} Hz; got {self.low_hz:g} and {self.high_hz:g} Hz"
            )

    def transform(self, signal: Tensor) -> Tensor:
        """Return the images `[B, C, F, T']` of signals `[B, C, T]`."""
        return cwt(
            signal,
            self.sample_rate_hz,
            frequencies_hz=self.frequencies_hz,
            omega0=self.omega0,
            hop=self.hop,
            scale=self.scale,
        )

    @property
    def frequencies_hz(self) -> Tensor:
        """Centre of each wavelet's band, in geometric steps from `low_hz` to `high_hz`, float64 `[F]`."""
        steps = torch.linspace(math.log(self.low_hz), math.log(self.high_hz), self.frequency_bins, dtype=torch.float64)
        return steps.exp().clamp(self.low_hz, self.high_hz)

    @property
    def cone_of_influence_s(self) -> Tensor:
        """For each row, how far from either end values rest on the reflected signal, float64 `[F]`."""
        return math.sqrt(2) * self.omega0 / (2 * math.pi * self.frequencies_hz)

    def times_s(self, samples: int) -> Tensor:
        """Return the middle of each column, float64 `[T']`; ConfigError if `samples` are too few."""
        pad = _pad(self.low_hz, self.sample_rate_hz, self.omega0)
        check_samples(samples, max(pad + 1, self.hop), remedy="raise tfr.low_hz, or lower tfr.omega0 or tfr.hop")
        columns = torch.arange(samples // self.hop, dtype=torch.float64)
        return (columns * self.hop + (self.hop - 1) / 2) / self.sample_rate_hz


def _check_settings(omega0: float, hop: int, scale: str) -> None:
    check_at_least(5, {"omega0": omega0})
    check_at_least(1, {"hop": hop})
    check_scale(scale)


def _check_frequencies(frequencies_hz: Tensor, sample_rate_hz: float) -> None:
    if frequencies_hz.ndim != 1 or not len(frequencies_hz):
        raise ConfigError(f"frequencies_hz must be a list of frequencies, got shape {list(frequencies_hz.shape)}")
    low, high = float(frequencies_hz.min()), float(frequencies_hz.max())
    if not 0 < low <= high <= sample_rate_hz / 2:
        raise ConfigError(
            f"frequencies_hz must be above 0 and at most half the sample rate, {sample_rate_hz / 2:g} Hz; "
            f"got {low:g} to {high:g} Hz"
        )


def _pad(low_hz: float, sample_rate_hz: float, omega0: float) -> int:
    """Return the samples after which the wavelet of `low_hz` counts as over."""
    return math.ceil(_REACH * omega0 * sample_rate_hz / (2 * math.pi * low_hz))


def _fast_length(minimum: int) -> int:
    """Return the least length from `minimum` on with no prime factor above five, which Fourier transforms favour."""
    length = minimum
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
