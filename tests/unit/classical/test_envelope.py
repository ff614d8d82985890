from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

from raytrain.classical.envelope import (
    BANDS,
    FAULTS,
    HARMONICS,
    Line,
    envelope_lines,
    envelope_spectrum,
    observable_lines,
)
from raytrain.classical.shape import zscore

FS_HZ = 12_000.0
ORDERS = np.array([[3.5848, 5.4152, 4.7135, 0.3983]])  # SKF 6205-2RS
SPEED_RPM = np.array([1772.0])


def _names(lines: tuple[Line, ...]) -> set[str]:
    return {line.name for line in lines}


def _all_lines() -> set[str]:
    return {f"{source}.h{harmonic}" for source in (*FAULTS, "shaft") for harmonic in HARMONICS}


def impulses(frequency_hz: float, *, length: int, snr: float) -> NDArray[np.float32]:
    """Return an impulse train that rings at 3 kHz, with white noise."""
    generator = np.random.default_rng(3)
    seconds = np.arange(length) / FS_HZ
    since_impact = np.mod(seconds + 0.3 / frequency_hz, 1 / frequency_hz)
    ringing = np.exp(-since_impact * 900) * np.sin(2 * np.pi * 3000 * since_impact)
    noise = generator.standard_normal(length) * ringing.std() / snr
    return zscore((ringing + noise)[None].astype(np.float32))


class TestObservableLines:
    def test_frequencies_are_orders_of_the_speed(self) -> None:
        assert Line("bpfi", 2).frequency_hz(SPEED_RPM, ORDERS)[0] == pytest.approx(2 * 5.4152 * 1772 / 60)
        assert Line("shaft", 3).frequency_hz(SPEED_RPM, ORDERS)[0] == pytest.approx(3 * 1772 / 60)

    def test_all_are_observable_in_long_windows(self) -> None:
        lines = observable_lines(8192, fs_hz=FS_HZ, shaft_speed_rpm=SPEED_RPM, fault_orders=ORDERS)
        assert _names(lines) == _all_lines()

    def test_lines_below_the_resolution_are_left_out(self) -> None:
        # FTF is 11.76 Hz, the resolution 2/T of 1024 samples 23.4 Hz
        lines = observable_lines(1024, fs_hz=FS_HZ, shaft_speed_rpm=SPEED_RPM, fault_orders=ORDERS)
        assert _names(lines) == _all_lines() - {"ftf.h1"}

    def test_the_slowest_shaft_decides(self) -> None:
        speeds = np.array([1772.0, 1000.0])
        lines = observable_lines(1024, fs_hz=FS_HZ, shaft_speed_rpm=speeds, fault_orders=np.repeat(ORDERS, 2, axis=0))
        assert _names(lines) == _all_lines() - {"ftf.h1", "ftf.h2", "ftf.h3", "shaft.h1"}

    def test_lines_beyond_the_bandwidth_are_left_out(self) -> None:
        # bands are 0.3 * 1000 Hz wide; BPFI is at 160, 320 and 480 Hz
        lines = observable_lines(8192, fs_hz=2000.0, shaft_speed_rpm=SPEED_RPM, fault_orders=ORDERS)
        expected = _all_lines() - {"bpfi.h2", "bpfi.h3", "bpfo.h3", "2bsf.h3"}
        assert _names(lines) == expected

    def test_lines_of_an_unknown_bearing_are_left_out_for_all(self) -> None:
        orders = np.concatenate([ORDERS, np.full((1, 4), np.nan)])
        lines = observable_lines(8192, fs_hz=FS_HZ, shaft_speed_rpm=np.array([1772.0, 1772.0]), fault_orders=orders)
        assert _names(lines) == {"shaft.h1", "shaft.h2", "shaft.h3"}

    @pytest.mark.parametrize("length", [96, 333, 2048])
    @pytest.mark.parametrize("fs_hz", [500.0, 12_000.0])
    def test_all_that_are_observable_can_be_measured(self, length: int, fs_hz: float) -> None:
        # candidates all over the frequency axis, so that some lie just inside either limit
        unknown = np.full((1, 4), np.nan)
        candidates_hz = np.geomspace(fs_hz / length, fs_hz / 2, 400)
        lines = (
            observable_lines(length, fs_hz=fs_hz, shaft_speed_rpm=np.array([60 * hz]), fault_orders=unknown)
            for hz in candidates_hz
        )
        shaft_hz = [hz for hz, found in zip(candidates_hz, lines, strict=True) if Line("shaft", 1) in found]
        unit = zscore(np.random.default_rng(0).standard_normal((1, length)).astype(np.float32))
        values = envelope_lines(unit, frequency_hz=np.array([shaft_hz]), fs_hz=fs_hz)
        assert values.shape == (1, len(BANDS) * len(shaft_hz))
        assert np.isfinite(values).all()
        assert min(shaft_hz) == pytest.approx(2 * fs_hz / length, rel=0.05)
        assert max(shaft_hz) == pytest.approx(0.3 * fs_hz / 2, rel=0.05)


class TestEnvelopeSpectrum:
    @pytest.mark.parametrize("band", BANDS.values())
    @pytest.mark.parametrize("length", [1000, 2048])
    def test_agrees_with_the_envelope_at_full_rate(self, band: tuple[float, float], length: int) -> None:
        unit = np.random.default_rng(0).standard_normal((3, length)).astype(np.float32)
        spectrum = envelope_spectrum(scipy.fft.rfft(unit, axis=1), band=band, length=length)

        transform = np.fft.fft(unit.astype(np.float64), axis=1)
        position = np.arange(length)
        low, high = (round(edge * length / 2) for edge in band)
        analytic = np.fft.ifft(np.where((position >= low) & (position < high), transform, 0), axis=1)
        squared = np.abs(analytic) ** 2
        squared -= squared.mean(axis=1, keepdims=True)
        full = np.abs(np.fft.rfft(squared * np.hanning(length + 1)[:-1], n=2 * length, axis=1))
        full = full[:, : spectrum.shape[1]]
        # half a bin's columns leak from beyond the last one at the low rate, so the end is left out
        inner = slice(0, spectrum.shape[1] - 20)
        scale = spectrum.max() / full.max()
        np.testing.assert_allclose(spectrum[:, inner], scale * full[:, inner], atol=1e-4 * spectrum.max())

    def test_amplitude_modulation_gives_the_two_lines_of_its_square(self) -> None:
        # (1 + m cos wt)^2 = const + 2 m cos wt + m^2/2 cos 2wt
        depth, length = 0.4, 2400
        seconds = np.arange(length) / FS_HZ
        modulated = (1 + depth * np.cos(2 * np.pi * 100 * seconds)) * np.cos(2 * np.pi * 3000 * seconds)
        transform = scipy.fft.rfft(modulated[None].astype(np.float32), axis=1).astype(np.complex64)
        spectrum = envelope_spectrum(transform, band=BANDS["mid"], length=length)[0]
        at = round(100 * 2 * length / FS_HZ)  # columns are 1 / (2 T) apart
        assert spectrum.argmax() == at
        assert spectrum[at] / spectrum[2 * at] == pytest.approx(4 / depth, rel=1e-3)


class TestEnvelopeLines:
    @pytest.mark.parametrize("length", [2048, 8192])
    @pytest.mark.parametrize("fault", range(4))
    def test_impulses_at_a_fault_frequency_raise_its_own_lines_most(self, fault: int, length: int) -> None:
        lines = observable_lines(length, fs_hz=FS_HZ, shaft_speed_rpm=SPEED_RPM, fault_orders=ORDERS)
        frequency = np.array([[line.frequency_hz(SPEED_RPM, ORDERS)[0] for line in lines]])
        unit = impulses(ORDERS[0, fault] * SPEED_RPM[0] / 60, length=length, snr=1.0)
        values = envelope_lines(unit, frequency_hz=frequency, fs_hz=FS_HZ).reshape(len(BANDS), len(lines))
        mid = dict(zip((line.name for line in lines), values[list(BANDS).index("mid")], strict=True))
        mean = {
            source: np.mean([value for name, value in mid.items() if name.startswith(source)])
            for source in (*FAULTS, "shaft")
        }
        assert max(mean, key=lambda source: mean[source]) == FAULTS[fault]

    def test_the_largest_of_all_lines_is_that_of_the_inner_race(self) -> None:
        lines = observable_lines(8192, fs_hz=FS_HZ, shaft_speed_rpm=SPEED_RPM, fault_orders=ORDERS)
        frequency = np.array([[line.frequency_hz(SPEED_RPM, ORDERS)[0] for line in lines]])
        unit = impulses(5.4152 * SPEED_RPM[0] / 60, length=8192, snr=2.0)
        values = envelope_lines(unit, frequency_hz=frequency, fs_hz=FS_HZ)[0]
        assert lines[values.argmax() % len(lines)].source == "bpfi"

    def test_a_line_is_found_one_percent_off_but_not_five(self) -> None:
        frequency = np.array([[160.0]])

        def strongest(actual_hz: float) -> float:
            unit = impulses(actual_hz, length=8192, snr=1.0)
            return float(envelope_lines(unit, frequency_hz=frequency, fs_hz=FS_HZ).max())

        assert strongest(160.0) > 1
        assert strongest(161.5) > 1
        assert strongest(168.0) < 0.7

    def test_noise_has_no_line(self) -> None:
        unit = zscore(np.random.default_rng(0).standard_normal((200, 2048)).astype(np.float32))
        values = envelope_lines(unit, frequency_hz=np.full((200, 1), 160.0), fs_hz=FS_HZ)
        assert np.median(values) < 0.3
        assert values.max() < 0.8

    def test_a_constant_row_has_no_line(self) -> None:
        unit = np.zeros((1, 2048), dtype=np.float32)
        assert not envelope_lines(unit, frequency_hz=np.array([[160.0]]), fs_hz=FS_HZ).any()

    def test_no_lines_are_asked_for(self) -> None:
        unit = np.ones((2, 2048), dtype=np.float32)
        assert envelope_lines(unit, frequency_hz=np.empty((2, 0)), fs_hz=FS_HZ).shape == (2, 0)
