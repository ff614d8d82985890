"""How surprising the lines of an envelope spectrum would be if there were nothing but noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["BAND_OF_NYQUIST", "RESOLUTION_BINS", "envelope_power", "line_surprise"]

BAND_OF_NYQUIST = (0.2, 0.9)
"""Demodulated band: above the shaft's harmonics, where structures ring; the band of `windows.input: envelope`, too."""
RESOLUTION_BINS = 2
"""Half the main lobe of a Hann window: two lines nearer than this many times 1/T are one."""

_NEIGHBOURHOOD = 20  # half bins to either side: wide enough for a median, still local
_CEILING = 60.0  # exp(-60) is still a normal float32


def envelope_power(windows: Tensor, *, demodulate: bool) -> Tensor:
    """Return the power spectrum of the squared envelope, or of windows, in half bins, float32 `[B, C, T + 1]`.

    The band's bins alone are the analytic signal, shifted down to 0 Hz, of which only the magnitude is used
    (Marple, IEEE Trans. Signal Process. 47 (1999) 2600-2603). The square of the envelope has fewer spurious lines than
    the envelope (Randall & Antoni, MSSP 25 (2011), section 5.3). A Hann window keeps strong lines from leaking.

    Args:
        windows: Signal `[B, C, T]`; column k of the result is k / (2 T) in cycles per sample.
        demodulate: Whether to find the envelope first, in `BAND_OF_NYQUIST`; False where windows are envelopes.
    """
    samples = windows.shape[-1]
    envelope = windows.float()
    if demodulate:
        low, high = (round(edge * samples / 2) for edge in BAND_OF_NYQUIST)
        analytic = torch.fft.ifft(torch.fft.rfft(envelope)[..., low:high], n=samples)
        envelope = analytic.real.square() + analytic.imag.square()
    taper = torch.hann_window(samples, periodic=True, device=windows.device)
    centred = (envelope - envelope.mean(dim=-1, keepdim=True)) * taper
    transform: Tensor = torch.fft.rfft(centred, n=2 * samples)
    return transform.real.square() + transform.imag.square()


def line_surprise(power: Tensor, column: Tensor, *, tolerance: float) -> Tensor:
    """Return `-ln p` of each line, p the chance that noise alone has as high a peak in the line's band, `[B, C, Q]`.

    In noise, each bin of a power spectrum is exponentially distributed. With u the highest bin within `tolerance` of
    the line over the mean of its neighbourhood (the median over ln 2, which the line itself hardly moves), and m
    independent bins in the band::

        p = 1 - (1 - exp(-u))^m

    The median of so few bins is itself uncertain: true rates of small p are up to twice as high. p does not depend on
    scale, and a wider band does not make a line more likely to be seen. Nothing is seen in a constant signal: p = 1.

    Args:
        power: From `envelope_power`, `[B, C, F]`.
        column: Where each line is expected, in columns of `power`, `[B, Q]`.
        tolerance: Half-width of the band as a fraction of the line's frequency.
    """
    last = power.shape[-1] - 1
    reach = math.ceil(tolerance * last)
    offset = torch.linspace(-tolerance, tolerance, 2 * reach + 1, device=power.device)
    around = torch.arange(-_NEIGHBOURHOOD, _NEIGHBOURHOOD + 1, device=power.device)
    lowest = 2 * RESOLUTION_BINS + _NEIGHBOURHOOD  # leaves out what the removed mean has emptied
    centre = column.round().clamp(min(lowest, last - _NEIGHBOURHOOD), last - _NEIGHBOURHOOD)[..., None]
    peak = _take(power, column[..., None] * (1 + offset)).amax(dim=-1)
    mean = _take(power, centre + around).median(dim=-1).values / math.log(2)
    height = torch.where(mean > 0, peak / mean, 0.0).clamp(max=_CEILING)
    bins = 1 + tolerance * column[:, None]
    return -torch.log(-torch.expm1(bins * torch.log1p(-torch.exp(-height))))


def _take(power: Tensor, columns: Tensor) -> Tensor:
    """Return `power` `[B, C, F]` at the nearest of `columns` `[B, Q, N]`, `[B, C, Q, N]`."""
    indices = columns.round().long().clamp(0, power.shape[-1] - 1)[:, None]
    shape = (*power.shape[:2], *indices.shape[2:])
    return power[:, :, None].expand(*shape[:3], -1).gather(-1, indices.expand(shape))
