from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, hilbert, sosfiltfilt
from scipy.stats import spearmanr

from raytrain.data.recording import Recording
from raytrain.data.rolling import generate_rolling
from raytrain.errors import ConfigError
from raytrain.physics.catalogue import BEARINGS, find_bearing
from raytrain.physics.signatures import rolling_signatures

SIZES_MM = {"0.2 mm": 0.2, "0.4 mm": 0.4, "0.8 mm": 0.8}
DEFECT_ORDERS = {"inner": 5.4152, "outer": 3.5848, "ball": 4.7135}


def envelope_spectrum(recording: Recording) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return orders and amplitudes of the envelope of the band in which the structures resonate."""
    band = butter(4, (1800, 4800), "bandpass", fs=recording.fs_hz, output="sos")
    envelope = np.abs(hilbert(sosfiltfilt(band, recording.signal[0].astype(np.float64))))
    spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(envelope.size)))
    return 60 * np.fft.rfftfreq(envelope.size, 1 / recording.fs_hz) / recording.shaft_speed_rpm, spectrum


def prominence(recording: Recording, order: float, tolerance: float = 0.01) -> float:
    """Return the height of the line at `order` over the median of the envelope spectrum around."""
    orders, spectrum = envelope_spectrum(recording)
    line = spectrum[np.abs(orders / order - 1) <= tolerance].max()
    return float(line / np.median(spectrum[(orders > 0.2) & (orders < 20)]))


def parts(snr_db: float, **settings: float) -> list[tuple[Recording, NDArray[np.float64], NDArray[np.float64]]]:
    """Return each recording with its impacts and its noise (shaft lines fitted and removed) apart."""
    loud = generate_rolling(snr_db=snr_db, **settings)  # type: ignore[arg-type]
    quiet = generate_rolling(snr_db=-200.0, **settings)  # type: ignore[arg-type]
    rows = []
    for with_fault, without in zip(loud, quiet, strict=True):
        background = without.signal[0].astype(np.float64)
        turn = 2 * np.pi * with_fault.shaft_speed_rpm / 60 * np.arange(background.size) / with_fault.fs_hz
        lines = np.stack([wave(k * turn) for k in (1, 2, 3) for wave in (np.sin, np.cos)], axis=1)
        noise = background - lines @ np.linalg.lstsq(lines, background, rcond=None)[0]
        rows.append((with_fault, with_fault.signal[0] - background, noise))
    return rows


@pytest.fixture(scope="module")
def clear() -> list[Recording]:
    # With little slip, or a ball's sideband at 2 BSF + 2 FTF = 5.51 would reach into the band around BPFI = 5.42.
    return generate_rolling(recordings_per_class=6, snr_db=10.0, slip=0.002)


@pytest.mark.parametrize("fault", ["inner", "outer", "ball"])
def test_each_fault_shows_at_its_own_order_above_the_others(clear: list[Recording], fault: str) -> None:
    for recording in clear:
        if recording.fault_type == fault:
            heights = {name: prominence(recording, order) for name, order in DEFECT_ORDERS.items()}
            own = heights.pop(fault)
            assert own > 15, recording.recording_id
            assert own > 2.5 * max(heights.values()), recording.recording_id


def test_outer_shows_nothing_at_the_other_orders(clear: list[Recording]) -> None:
    outer = [recording for recording in clear if recording.fault_type == "outer"]
    assert max(prominence(recording, DEFECT_ORDERS["inner"]) for recording in outer) < 5
    assert max(prominence(recording, DEFECT_ORDERS["ball"]) for recording in outer) < 5


def test_normal_shows_no_line(clear: list[Recording]) -> None:
    normal = [recording for recording in clear if recording.fault_type == "normal"]
    assert len(normal) == 6
    for signature in rolling_signatures(BEARINGS["6205"]).values():
        for order in signature.orders:
            assert max(prominence(recording, order) for recording in normal) < 5


def test_sidebands_tell_what_turns_with_the_spot(clear: list[Recording]) -> None:
    """The shaft modulates an inner spot, the cage a ball's; an outer spot stays where it is."""
    ftf = BEARINGS["6205"].ftf
    for fault, spacing, shown in (("inner", 1.0, True), ("outer", 1.0, False), ("ball", ftf, True)):
        for recording in clear:
            if recording.fault_type == fault:
                sides = [DEFECT_ORDERS[fault] - spacing, DEFECT_ORDERS[fault] + spacing]
                heights = [prominence(recording, side) for side in sides]
                assert (min(heights) > 6) if shown else (max(heights) < 5), (recording.recording_id, heights)


def test_impacts_are_as_loud_as_asked() -> None:
    for recording, impacts, noise in parts(3.0, recordings_per_class=12, duration_s=0.5):
        ratio = np.mean(impacts**2) / np.mean(noise**2)
        if recording.fault_type == "normal":
            assert ratio < 1e-12
            continue
        assert recording.load is not None
        expected_db = 3.0 + 20 * np.log10(SIZES_MM[recording.severity] / 0.4) + 10 * np.log10(recording.load)
        assert 10 * np.log10(ratio) == pytest.approx(expected_db, abs=0.05), recording.recording_id


def test_a_larger_spot_shows_more() -> None:
    recordings = generate_rolling(recordings_per_class=12, snr_db=-1.0)
    outer = [recording for recording in recordings if recording.fault_type == "outer"]
    heights = [prominence(recording, DEFECT_ORDERS["outer"], 0.02) for recording in outer]
    sizes = [SIZES_MM[recording.severity] for recording in outer]
    assert spearmanr(sizes, heights).statistic > 0.6


def test_a_ball_strikes_twice_per_spin(clear: list[Recording]) -> None:
    for recording in clear:
        if recording.fault_type == "ball":
            assert prominence(recording, DEFECT_ORDERS["ball"]) > 1.5 * prominence(recording, BEARINGS["6205"].bsf)


def test_without_slip_impacts_come_exactly_at_the_computed_order() -> None:
    for recording in generate_rolling(recordings_per_class=6, snr_db=20.0, slip=0.0):
        if recording.fault_type == "outer":
            orders, spectrum = envelope_spectrum(recording)
            near = np.abs(orders / (4 * 3.5848) - 1) <= 0.02
            assert orders[near][spectrum[near].argmax()] == pytest.approx(4 * 3.5848, abs=orders[1])


def test_slip_blurs_the_lines() -> None:
    """A drifting phase spreads the power of a line; without drift it stays within the window's main lobe."""

    def share_at_peak(slip: float) -> float:
        recordings = generate_rolling(recordings_per_class=4, snr_db=20.0, slip=slip)
        shares = []
        for recording in recordings:
            if recording.fault_type == "outer":
                orders, spectrum = envelope_spectrum(recording)
                power = spectrum[np.abs(orders / (2 * 3.5848) - 1) <= 0.08] ** 2
                peak = int(power.argmax())
                shares.append(power[max(0, peak - 2) : peak + 3].sum() / power.sum())
        return float(np.median(shares))

    assert share_at_peak(0.0) > 0.9
    assert share_at_peak(0.05) < 0.5


def test_another_bearing_has_its_own_orders() -> None:
    recordings = generate_rolling(recordings_per_class=1, snr_db=10.0, bearing="NICE")
    inner = next(recording for recording in recordings if recording.fault_type == "inner")
    assert prominence(inner, 4.755, 0.02) > 15
    assert inner.bearing_model == "NICE"


def test_recordings_carry_what_splits_and_features_need() -> None:
    recordings = generate_rolling()
    assert len(recordings) == 48
    assert len({recording.recording_id for recording in recordings}) == 48
    assert len({recording.bearing_id for recording in recordings}) == 48
    for recording in recordings:
        assert recording.signal.dtype == np.float32
        assert recording.signal.shape == (1, 25_600)
        assert recording.channels == ("x",)
        assert recording.duration_s == 2.0
        assert 1620 <= recording.shaft_speed_rpm <= 1980
        assert (recording.severity == "") == (recording.fault_type == "normal")
        assert find_bearing(recording.bearing_model) is BEARINGS["6205"]
    for fault in ("inner", "outer", "ball"):
        pairs = {(r.severity, r.load) for r in recordings if r.fault_type == fault}
        assert pairs == {(size, load) for size in SIZES_MM for load in (0.5, 1.0, 1.5, 2.0)}


def test_loudness_does_not_give_the_class_away() -> None:
    recordings = generate_rolling()
    rms = {
        fault: [float(r.signal.std()) for r in recordings if r.fault_type == fault]
        for fault in ("normal", "inner", "outer", "ball")
    }
    for fault in ("inner", "outer", "ball"):
        assert min(rms[fault]) < np.median(rms["normal"])
        assert max(rms["normal"]) > np.median(rms[fault])


def test_a_recording_depends_on_seed_class_and_number_only() -> None:
    few = generate_rolling(recordings_per_class=2, duration_s=0.2, seed=5)
    many = {r.recording_id: r for r in generate_rolling(recordings_per_class=4, duration_s=0.2, seed=5)}
    other = {r.recording_id: r for r in generate_rolling(recordings_per_class=2, duration_s=0.2, seed=6)}
    for recording in few:
        np.testing.assert_array_equal(recording.signal, many[recording.recording_id].signal)
        assert not np.array_equal(recording.signal, other[recording.recording_id].signal)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recordings_per_class": 0}, "^recordings_per_class must be at least 1, got 0"),
        ({"duration_s": 0.0}, "^duration_s must be at least 0.1, got 0"),
        ({"fs_hz": 8000.0}, "^fs_hz must be at least 10000, got 8000"),
        ({"snr_db": float("nan")}, "^snr_db must be from -200 to 200, got nan"),
        ({"slip": 0.2}, r"^slip must be from 0 to 0\.05, got 0\.2"),
        ({"seed": -1}, "^seed must be at least 0, got -1"),
        ({"bearing": "6250"}, "^bearing must be in the catalogue, got '6250'; did you mean '6205'"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate_rolling(**settings)  # type: ignore[arg-type]
