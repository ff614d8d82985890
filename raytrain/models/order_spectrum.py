"""The envelope spectrum over multiples of the shaft frequency."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["BINS_PER_ORDER", "envelope_order_spectrum"]

BINS_PER_ORDER = 8
"""Bins from one multiple of the shaft frequency to the next."""

_BAND_OF_NYQUIST = (0.2, 0.9)  # above the shaft's harmonics, where structures ring


def envelope_order_spectrum(signal: Tensor, revolutions_per_sample: Tensor, *, orders: int) -> Tensor:
    r"""Return the squared-envelope spectrum over multiples of each window's own shaft frequency, `[B, C, 8 orders]`.

    Bin k is centred on the order `o = (k + 1) / 8`: the power of the squared envelope between `o - 1/16` and
    `o + 1/16` times the shaft frequency, as `ln(1 + power / mean power of the bins)`. A fault repeats at an order that
    only the bearing's geometry sets, so it is in the same bin at any speed; the gain of a sensor changes nothing.
    Orders above half the sample rate are zero, and all are where the speed is unknown.

    The envelope is that of the band from 0.2 to 0.9 of half the sample rate, under a Hann window. Where bins are
    narrower than the spectrum's resolution, `4 / T` cycles per sample, neighbours show the same line.

    Source: squared envelope, R. B. Randall, J. Antoni, "Rolling element bearing diagnostics - a tutorial", Mechanical
    Systems and Signal Processing 25(2), 2011; orders, K. R. Fyfe, E. D. S. Munck, "Analysis of computed order
    tracking", Mechanical Systems and Signal Processing 11(2), 1997.

    >>> time = torch.arange(4096)
    >>> ringing = torch.cos(torch.pi * 0.5 * time) * (1 + torch.cos(2 * torch.pi * 3.5 * 0.01 * time))
    >>> spectrum = envelope_order_spectrum(ringing[None, None], torch.tensor([0.01]), orders=8)
    >>> spectrum.shape, (spectrum.argmax().item() + 1) / 8
    (torch.Size([1, 1, 64]), 3.5)

    Args:
        signal: `[B, C, T]`.
        revolutions_per_sample: Shaft speed over sample rate, `[B]`; 0 where unknown.
        orders: The highest order.
    """
    power = _squared_envelope_power(signal)
    below = functional.pad(power.cumsum(dim=-1), (1, 0))
    # Column j of `below` is the power below frequency (j - 1/2) / (2 T); edges are places in it.
    edges = (torch.arange(BINS_PER_ORDER * orders + 1, device=signal.device) + 0.5) / BINS_PER_ORDER
    place = 0.5 + 2 * signal.shape[-1] * edges * revolutions_per_sample.clamp_min(0)[:, None]
    place = place.clamp_max(below.shape[-1] - 1)[:, None]
    column = place.detach().floor().clamp_max(below.shape[-1] - 2).long().expand(-1, signal.shape[1], -1)
    cumulated = torch.lerp(below.gather(-1, column), below.gather(-1, column + 1), (place - column).to(below.dtype))
    bins = cumulated.diff(dim=-1).clamp_min(0)
    return torch.log1p(bins / bins.mean(dim=-1, keepdim=True).clamp_min(torch.finfo(bins.dtype).tiny))


def _squared_envelope_power(signal: Tensor) -> Tensor:
    """Return the power spectrum of the squared envelope of `[B, C, T]`, in half bins, `[B, C, T + 1]`.

    The bins of the band alone are the analytic signal, shifted in frequency, which its magnitude does not see.
    """
    samples = signal.shape[-1]
    low, high = (round(edge * samples / 2) for edge in _BAND_OF_NYQUIST)
    analytic = torch.fft.ifft(torch.fft.rfft(signal)[..., low:high], n=samples)
    envelope = analytic.real.square() + analytic.imag.square()
    taper = torch.hann_window(samples, dtype=signal.dtype, device=signal.device)
    transform = torch.fft.rfft((envelope - envelope.mean(dim=-1, keepdim=True)) * taper, n=2 * samples)
    power: Tensor = transform.real.square() + transform.imag.square()
    return power
