"""The analytic signal: a real signal without its negative frequencies."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["analytic_signal"]


def analytic_signal(signal: Tensor) -> Tensor:
    """Return the complex signal whose real part is `signal` and which has no negative frequencies.

    By the discrete Fourier transform of the last dimension: positive frequencies doubled, negative ones zero, so the
    signal counts as periodic (S. L. Marple, "Computing the discrete-time analytic signal via FFT", IEEE Transactions
    on Signal Processing 47(9), 1999).

    >>> tone = torch.cos(2 * torch.pi * torch.arange(8) / 8)
    >>> torch.allclose(analytic_signal(tone).abs(), torch.ones(8))
    True
    """
    samples = signal.shape[-1]
    gain = torch.full((samples // 2 + 1,), 2.0, dtype=signal.dtype, device=signal.device)
    gain[0] = 1
    if samples % 2 == 0:
        gain[-1] = 1
    analytic: Tensor = torch.fft.ifft(torch.fft.rfft(signal) * gain, samples)
    return analytic
