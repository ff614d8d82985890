from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from raytrain.models.order_spectrum import BINS_PER_ORDER, envelope_order_spectrum


def draw(*shape: int, seed: int = 6) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def modulated(order: float, speed: float, *, samples: int) -> Tensor:
    """A ringing at half the Nyquist frequency whose amplitude swings at `order` times the shaft frequency."""
    time = torch.arange(samples, dtype=torch.float64)
    swing = 1 + 0.5 * torch.cos(2 * math.pi * order * speed * time)
    return (torch.cos(math.pi / 2 * time) * swing)[None, None]


@settings(max_examples=40)
@given(
    order=st.integers(12, 120).map(lambda bin_: bin_ / BINS_PER_ORDER),
    speed=st.floats(0.0015, 0.01),
    samples=st.sampled_from([2048, 4096, 6001]),
)
def test_a_fault_is_in_the_bin_of_its_order_at_any_speed_and_length(order: float, speed: float, samples: int) -> None:
    spectrum = envelope_order_spectrum(modulated(order, speed, samples=samples), torch.tensor([speed]), orders=16)
    strongest = (int(spectrum.argmax()) + 1) / BINS_PER_ORDER
    # Half a bin, or half of what the window's length resolves.
    assert abs(strongest - order) <= max(0.5 / BINS_PER_ORDER, 0.5 / (samples * speed)) + 1e-9


def test_bins_hold_the_power_of_scipys_envelope_spectrum() -> None:
    """With one order per 128 columns no bin cuts a column, so the sums can be written down."""
    samples, orders = 1024, 4
    signal = draw(1, 1, samples)
    spectrum = np.fft.fft(signal[0, 0].numpy())
    spectrum[: round(0.1 * samples)] = 0
    spectrum[round(0.45 * samples) :] = 0
    envelope = np.abs(np.fft.ifft(spectrum)) ** 2
    taper = scipy.signal.get_window("hann", samples)
    power = np.abs(np.fft.rfft((envelope - envelope.mean()) * taper, 2 * samples)) ** 2
    width = 16
    speed = width * BINS_PER_ORDER / (2 * samples)
    # Bin k reaches from column (k + 1/2) 16 to 16 more; the columns at its two edges count by half.
    sums = np.array(
        [
            power[start + 1 : start + width].sum() + (power[start] + power[start + width]) / 2
            for start in range(width // 2, width * BINS_PER_ORDER * orders, width)
        ]
    )
    expected = np.log1p(sums / sums.mean())
    got = envelope_order_spectrum(signal, torch.tensor([speed], dtype=torch.float64), orders=orders)
    np.testing.assert_allclose(got[0, 0].numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("gain", [1e-3, 7.0, 1e4])
def test_gain_does_not_matter(gain: float) -> None:
    signal, speed = draw(3, 2, 1024), torch.tensor([0.002, 0.004, 0.01])
    torch.testing.assert_close(
        envelope_order_spectrum(gain * signal, speed, orders=16), envelope_order_spectrum(signal, speed, orders=16)
    )


def test_bins_beyond_half_the_sample_rate_and_unknown_speeds_are_zero() -> None:
    spectrum = envelope_order_spectrum(draw(3, 1, 512), torch.tensor([0.1, 0.0, -1.0]), orders=16)
    assert (spectrum[0, 0, : 5 * BINS_PER_ORDER] > 0).all()
    assert not spectrum[0, 0, 5 * BINS_PER_ORDER + 1 :].any()
    assert not spectrum[1:].any()


def test_a_silent_or_constant_window_is_zero_with_finite_gradients() -> None:
    signal = torch.stack([torch.zeros(1, 256), torch.full((1, 256), 3.0)]).requires_grad_()
    spectrum = envelope_order_spectrum(signal, torch.tensor([0.01, 0.01]), orders=8)
    assert not spectrum[0].any()
    torch.autograd.backward(spectrum.sum())
    assert signal.grad is not None
    assert torch.isfinite(signal.grad).all()


def test_gradients_by_differences() -> None:
    signal = draw(2, 1, 64).requires_grad_()
    speed = torch.tensor([0.021, 0.033], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: envelope_order_spectrum(a, b, orders=4), (signal, speed))


def test_windows_and_channels_are_looked_at_one_by_one() -> None:
    signal, speed = draw(3, 2, 600), torch.tensor([0.002, 0.004, 0.01])
    together = envelope_order_spectrum(signal, speed, orders=8)
    for number in range(3):
        for channel in range(2):
            alone = envelope_order_spectrum(signal[number, channel][None, None], speed[number][None], orders=8)
            torch.testing.assert_close(together[number, channel], alone[0, 0], rtol=1e-12, atol=1e-12)
