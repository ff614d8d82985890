from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import welch

from raytrain.data.synthesis import band_noise, coloured_noise, harmonics, require, ring_down, unit_rms
from raytrain.errors import ConfigError

FS_HZ = 10_000.0


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-7, 7)), min_size=1, max_size=30), st.floats(1, 500))
def test_harmonics_are_a_sum_of_cosines(lines: list[tuple[float, float]], fundamental_hz: float) -> None:
    time_s = np.arange(400) / FS_HZ
    amplitudes, phases = zip(*lines, strict=True)
    expected = sum(
        amplitude * np.cos(2 * np.pi * k * fundamental_hz * time_s + phase)
        for k, (amplitude, phase) in enumerate(lines, start=1)
    )
    made = harmonics(time_s, fundamental_hz=fundamental_hz, amplitudes=amplitudes, phases_rad=phases)
    np.testing.assert_allclose(made, expected, atol=1e-9)


def ring(onsets_s: list[float], strengths: list[float], samples: int = 1000) -> NDArray[np.float64]:
    return ring_down(
        np.array(onsets_s),
        np.array(strengths),
        resonance_hz=1234.0,
        damping_ratio=0.05,
        fs_hz=FS_HZ,
        samples=samples,
    )


def test_ring_down_solves_the_oscillator_with_an_onset_between_samples() -> None:
    onset_s = 10.37 / FS_HZ
    elapsed_s = np.arange(1000) / FS_HZ - onset_s
    omega = 2 * np.pi * 1234.0
    free = np.exp(-0.05 * omega * elapsed_s) * np.sin(omega * math.sqrt(1 - 0.05**2) * elapsed_s)
    np.testing.assert_allclose(ring([onset_s], [2.0]), np.where(elapsed_s >= 0, 2.0 * free, 0.0), atol=2.1e-3)


def test_ring_downs_add_up_and_may_begin_before_or_after_the_signal() -> None:
    onsets_s, strengths = [-0.001, 0.02, 0.0205, 0.0999, 0.2], [1.0, 2.0, -1.0, 3.0, 1.0]
    alone = [ring([onset], [strength]) for onset, strength in zip(onsets_s, strengths, strict=True)]
    np.testing.assert_allclose(ring(onsets_s, strengths), sum(alone), atol=1e-12)
    assert np.abs(alone[0]).max() > 0.1
    assert not alone[-1].any()


def test_band_noise_has_its_power_in_the_band() -> None:
    noise = band_noise(np.random.default_rng(0), 50_000, fs_hz=FS_HZ, low_hz=1000.0, high_hz=2000.0)
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency_hz = np.fft.rfftfreq(noise.size, 1 / FS_HZ)
    inside = (frequency_hz >= 1000) & (frequency_hz <= 2000)
    assert power[~inside].max() < 1e-20 * power[inside].mean()
    lower, upper = np.array_split(power[inside], 2)
    assert lower.mean() == pytest.approx(upper.mean(), rel=0.1)
    assert np.mean(noise**2) == pytest.approx(1.0)


def test_coloured_noise_stands_over_its_floor_at_each_mode() -> None:
    modes = [(1000.0, 0.05, 3.0), (3000.0, 0.02, 1.0)]
    noise = coloured_noise(np.random.default_rng(0), 400_000, fs_hz=FS_HZ, modes=modes)
    frequency_hz, power = welch(noise, FS_HZ, nperseg=1000)
    level = {f: power[np.abs(frequency_hz - f) <= 10].mean() for f in (200.0, 1000.0, 3000.0)}
    # White floor 1; a mode adds its height at resonance, and 100 and 10 half-widths away next to nothing.
    assert level[1000.0] / level[200.0] == pytest.approx((1 + 3.0) ** 2 / (1 + 3.0 * 0.104) ** 2, rel=0.1)
    assert level[3000.0] / level[200.0] == pytest.approx((1 + 1.0) ** 2 / (1 + 3.0 * 0.104) ** 2, rel=0.15)
    assert np.mean(noise**2) == pytest.approx(1.0)


def test_unit_rms() -> None:
    assert unit_rms(np.array([3.0, -3.0])) == pytest.approx([1.0, -1.0])


@pytest.mark.parametrize(
    ("value", "low", "high", "rule"),
    [
        (0, 1, math.inf, "recordings must be at least 1, got 0"),
        (math.nan, 0, 1, "recordings must be from 0 to 1, got nan"),
        (math.inf, 0, math.inf, "recordings must be at least 0, got inf"),
        (1.5, 0, 1, "recordings must be from 0 to 1, got 1.5"),
    ],
)
def test_a_setting_out_of_range_is_refused(value: float, low: float, high: float, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        require("recordings", value, low=low, high=high)


def test_the_ends_of_a_range_are_in_it() -> None:
    require("share", 0.0, low=0.0, high=1.0)
    require("share", 1.0, low=0.0, high=1.0)
