from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, hilbert, sosfiltfilt
from scipy.stats import kurtosis

from raytrain.data.journal import CLEARANCE_RATIO, ISO_VG, RATED_UNIT_LOAD_PA, generate_journal
from raytrain.data.recording import Recording
from raytrain.errors import ConfigError
from raytrain.physics.catalogue import find_bearing
from raytrain.physics.lubrication import dynamic_viscosity_pa_s
from raytrain.physics.signatures import journal_signatures

SNR_DB = 12.0
AMPLITUDE = {"": 0.0, "incipient": 0.25, "mild": 0.5, "moderate": 0.75, "severe": 1.0}


@dataclass(frozen=True)
class Dissected:
    """A recording with its symptom and its noise apart (the residual shaft lines fitted and removed)."""

    recording: Recording
    symptom: NDArray[np.float64]
    noise: NDArray[np.float64]

    @property
    def shaft_hz(self) -> float:
        return self.recording.shaft_speed_rpm / 60

    @property
    def power(self) -> float:
        """Power of the symptom over that of the noise, relative to what SNR and severity alone would give."""
        asked = 10 ** (SNR_DB / 10) * AMPLITUDE[self.recording.severity] ** 2
        return float(np.mean(self.symptom**2) / np.mean(self.noise**2) / asked)


@pytest.fixture(scope="module")
def dissected() -> dict[str, list[Dissected]]:
    settings = {"recordings_per_class": 8, "duration_s": 2.0}
    faulty = generate_journal(snr_db=SNR_DB, **settings)  # type: ignore[arg-type]
    silent = generate_journal(snr_db=-200.0, **settings)  # type: ignore[arg-type]
    rows: dict[str, list[Dissected]] = {}
    for recording, without in zip(faulty, silent, strict=True):
        background = without.signal[0].astype(np.float64)
        turn = 2 * np.pi * recording.shaft_speed_rpm / 60 * np.arange(background.size) / recording.fs_hz
        lines = np.stack([wave(k * turn) for k in (1, 2, 3) for wave in (np.sin, np.cos)], axis=1)
        noise = background - lines @ np.linalg.lstsq(lines, background, rcond=None)[0]
        rows.setdefault(recording.fault_type, []).append(Dissected(recording, recording.signal[0] - background, noise))
    return rows


def strong(rows: list[Dissected]) -> list[Recording]:
    """Return the recordings of a class, without the fainter half of its severities."""
    return [row.recording for row in rows if row.recording.severity in {"", "moderate", "severe"}]


def spectrum_of(recording: Recording) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return orders and amplitudes."""
    signal = recording.signal[0].astype(np.float64)
    amplitudes = np.abs(np.fft.rfft(signal * np.hanning(signal.size))) * 4 / signal.size
    return 60 * np.fft.rfftfreq(signal.size, 1 / recording.fs_hz) / recording.shaft_speed_rpm, amplitudes


def prominence(recording: Recording, low: float, high: float | None = None) -> float:
    """Return the highest line from order `low` to `high` (default: at `low`) over the median amplitude around."""
    orders, amplitudes = spectrum_of(recording)
    high = low if high is None else high
    line = amplitudes[(orders >= low - 0.02) & (orders <= high + 0.02)].max()
    around = amplitudes[(orders > low - 0.35) & (orders < high + 0.35)]
    return float(line / np.median(around))


def in_band(recording: Recording, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    sos = butter(4, (low_hz, high_hz), "bandpass", fs=recording.fs_hz, output="sos")
    return np.asarray(sosfiltfilt(sos, recording.signal[0].astype(np.float64)))


def shows_half_orders(recording: Recording) -> bool:
    return all(prominence(recording, order) > 8 for order in (0.5, 1.5, 2.5, 3.5))


def shows_many_harmonics(recording: Recording) -> bool:
    return all(prominence(recording, order) > 8 for order in (4.0, 5.0, 6.0, 7.0))


def shows_strong_once_per_turn(recording: Recording) -> bool:
    return prominence(recording, 1.0) > 150


def shows_strong_twice_per_turn(recording: Recording) -> bool:
    return prominence(recording, 2.0) > 60


def shows_whirl(recording: Recording) -> bool:
    """Whether the largest line below the shaft's own is in the whirl's band, and stands out."""
    orders, amplitudes = spectrum_of(recording)
    below = (orders > 0.1) & (orders < 0.9)
    peak = orders[below][amplitudes[below].argmax()]
    return bool(0.42 <= peak <= 0.48) and prominence(recording, 0.42, 0.48) > 20


def shows_bursts(recording: Recording) -> bool:
    return float(kurtosis(in_band(recording, 6800.0, 9200.0))) > 1.5


def shows_rubbing_once_per_turn(recording: Recording) -> bool:
    envelope = np.abs(hilbert(in_band(recording, 2200.0, 5800.0)))
    spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(envelope.size)))
    orders = 60 * np.fft.rfftfreq(envelope.size, 1 / recording.fs_hz) / recording.shaft_speed_rpm
    around = spectrum[(orders > 0.6) & (orders < 1.4)]
    return bool(spectrum[np.abs(orders - 1) < 0.02].max() > 8 * np.median(around))


def shows_raised_low_noise(recording: Recording) -> bool:
    """Whether the noise floor between the lines steps down at 2.5 kHz, where rubbing of wear ends."""
    signal = recording.signal[0].astype(np.float64)
    power = np.abs(np.fft.rfft(signal * np.hanning(signal.size))) ** 2
    frequency = np.fft.rfftfreq(signal.size, 1 / recording.fs_hz)
    below = np.median(power[(frequency > 2400) & (frequency < 2490)])
    above = np.median(power[(frequency > 2510) & (frequency < 2600)])
    return bool(below > 2 * above)


EVIDENCE: list[tuple[Callable[[Recording], bool], set[str]]] = [
    (shows_half_orders, {"looseness", "mixed_cavitation_looseness"}),
    (shows_many_harmonics, {"looseness", "mixed_cavitation_looseness", "wear", "mixed_wear_lubrication"}),
    (shows_whirl, {"oil_whirl"}),
    (shows_bursts, {"cavitation", "mixed_cavitation_looseness"}),
    (shows_rubbing_once_per_turn, {"lubrication", "mixed_wear_lubrication"}),
    (shows_raised_low_noise, {"wear", "mixed_wear_lubrication"}),
]


@pytest.mark.parametrize(("shows", "classes"), EVIDENCE, ids=[shows.__name__ for shows, _ in EVIDENCE])
def test_each_sign_is_seen_in_the_classes_that_have_it_and_in_no_other(
    dissected: dict[str, list[Dissected]], shows: Callable[[Recording], bool], classes: set[str]
) -> None:
    for fault, rows in dissected.items():
        for recording in strong(rows):
            assert shows(recording) == (fault in classes), (recording.recording_id, recording.severity)


def test_imbalance_is_a_line_at_the_shaft_speed_above_all_else(dissected: dict[str, list[Dissected]]) -> None:
    for recording in strong(dissected["imbalance"]):
        orders, amplitudes = spectrum_of(recording)
        assert orders[amplitudes.argmax()] == pytest.approx(1.0, abs=0.01)
        assert amplitudes.max() > 5 * amplitudes[np.abs(orders - 1) > 0.1].max()
        assert shows_strong_once_per_turn(recording)


def test_imbalance_grows_with_the_square_of_speed(dissected: dict[str, list[Dissected]]) -> None:
    rows = dissected["imbalance"]
    amplitudes = [np.sqrt(row.power) for row in rows]
    slope = np.polyfit(np.log([row.shaft_hz for row in rows]), np.log(amplitudes), 1)[0]
    assert slope == pytest.approx(2.0, abs=0.05)


def test_misalignment_is_mostly_twice_per_turn(dissected: dict[str, list[Dissected]]) -> None:
    for row in dissected["misalignment"]:
        orders = 60 * np.fft.rfftfreq(row.symptom.size, 1 / row.recording.fs_hz) / row.recording.shaft_speed_rpm
        spectrum = np.abs(np.fft.rfft(row.symptom * np.hanning(row.symptom.size)))
        once, twice, thrice, beyond = (
            spectrum[(orders > low) & (orders < high)].max()
            for low, high in ((0.9, 1.1), (1.9, 2.1), (2.9, 3.1), (3.5, 20.0))
        )
        assert twice > thrice > 20 * beyond
        assert twice > once > 20 * beyond
    assert all(shows_strong_twice_per_turn(recording) for recording in strong(dissected["misalignment"]))


def test_healthy_has_only_residual_lines(dissected: dict[str, list[Dissected]]) -> None:
    for row in dissected["healthy"]:
        assert not row.symptom.any()
        assert max(prominence(row.recording, order) for order in (0.5, 1.5, 2.5, 4.0, 5.0)) < 8
        assert not shows_strong_once_per_turn(row.recording)
        assert not shows_strong_twice_per_turn(row.recording)


def test_mixed_misalignment_imbalance_shows_both(dissected: dict[str, list[Dissected]]) -> None:
    for recording in strong(dissected["mixed_misalignment_imbalance"]):
        assert shows_strong_once_per_turn(recording)
    heavy = [r for r in strong(dissected["mixed_misalignment_imbalance"]) if (r.load or 0) > 0.5]
    assert heavy
    assert all(shows_strong_twice_per_turn(recording) for recording in heavy)


@pytest.mark.parametrize(
    ("fault", "factor"),
    [
        ("misalignment", lambda row: row.recording.load**2),
        ("imbalance", lambda row: (row.shaft_hz / 60) ** 4),
        ("looseness", lambda _: 1.0),
        ("lubrication", lambda row: 2 / (1 + row.recording.conditions["sommerfeld_number"] / 0.1)),
        ("cavitation", lambda _: 1.0),
        ("wear", lambda _: 1.0),
        ("oil_whirl", lambda row: 0.5 / row.recording.load),
    ],
)
def test_symptom_is_as_loud_as_snr_severity_and_condition_say(
    dissected: dict[str, list[Dissected]], fault: str, factor: Callable[[Dissected], float]
) -> None:
    for row in dissected[fault]:
        assert 10 * np.log10(row.power / factor(row)) == pytest.approx(0.0, abs=0.1), row.recording.recording_id


def test_two_faults_share_the_power(dissected: dict[str, list[Dissected]]) -> None:
    for row in dissected["mixed_cavitation_looseness"]:
        assert row.power == pytest.approx(1.0, rel=0.05)


def test_cavitation_is_bursts_of_high_frequency(dissected: dict[str, list[Dissected]]) -> None:
    band = journal_signatures()["cavitation"].noise_band_hz
    assert band is not None
    for row in dissected["cavitation"]:
        frequency = np.fft.rfftfreq(row.symptom.size, 1 / row.recording.fs_hz)
        power = np.abs(np.fft.rfft(row.symptom)) ** 2
        assert power[(frequency >= band[0]) & (frequency <= band[1])].sum() > 0.8 * power.sum()
        assert kurtosis(row.symptom) > 5


def test_noise_of_friction_and_wear_is_in_the_band_of_the_signature(dissected: dict[str, list[Dissected]]) -> None:
    for fault, share in (("lubrication", 0.99), ("wear", 0.49)):
        band = journal_signatures()[fault].noise_band_hz
        assert band is not None
        for row in dissected[fault]:
            frequency = np.fft.rfftfreq(row.symptom.size, 1 / row.recording.fs_hz)
            power = np.abs(np.fft.rfft(row.symptom)) ** 2
            assert power[(frequency >= band[0]) & (frequency <= band[1])].sum() > share * power.sum()


def test_tonal_orders_of_the_signatures_stand_out(dissected: dict[str, list[Dissected]]) -> None:
    for name, signature in journal_signatures().items():
        for recording in strong(dissected[name]):
            for order in signature.orders:
                width = order * signature.tolerance
                assert prominence(recording, order - width, order + width) > 8, (recording.recording_id, order)


def test_conditions_are_the_customers_and_tell_nothing_of_the_fault() -> None:
    recordings = generate_journal(duration_s=0.1, recordings_per_class=16)
    assert list(dict.fromkeys(r.fault_type for r in recordings)) == list(journal_signatures())
    assert len({r.bearing_id for r in recordings}) == len({r.recording_id for r in recordings}) == 11 * 16
    for recording in recordings:
        assert set(recording.conditions) == {
            "oil_temperature_c",
            "viscosity_pa_s",
            "sommerfeld_number",
            "load_fraction",
        }
        assert 3240 <= recording.shaft_speed_rpm <= 3960
        assert recording.load == recording.conditions["load_fraction"]
        assert recording.load in {0.3, 0.5, 0.75, 1.0}
        assert recording.load_unit == "fraction"
        assert 40 <= recording.conditions["oil_temperature_c"] <= 80
        assert find_bearing(recording.bearing_model) is None
    for fault in journal_signatures():
        pairs = {(r.severity, r.load) for r in recordings if r.fault_type == fault}
        assert len(pairs) == (4 if fault == "healthy" else 16)


def test_default_is_five_seconds_at_20480_hz() -> None:
    recordings = generate_journal(recordings_per_class=1)
    assert {(r.signal.shape, r.signal.dtype.name, r.fs_hz) for r in recordings} == {((1, 102_400), "float32", 20_480.0)}


def test_sommerfeld_number_is_that_of_the_operating_point() -> None:
    for recording in generate_journal(duration_s=0.1, recordings_per_class=4):
        conditions = recording.conditions
        viscosity = dynamic_viscosity_pa_s(conditions["oil_temperature_c"], iso_vg=ISO_VG)
        assert conditions["viscosity_pa_s"] == pytest.approx(float(viscosity))
        pressure_pa = conditions["load_fraction"] * RATED_UNIT_LOAD_PA
        expected = viscosity * (recording.shaft_speed_rpm / 60) / pressure_pa / CLEARANCE_RATIO**2
        assert conditions["sommerfeld_number"] == pytest.approx(float(expected))
        assert 0.05 < conditions["sommerfeld_number"] < 3  # where hydrodynamic bearings run


def test_a_recording_depends_on_seed_class_and_number_only() -> None:
    few = generate_journal(recordings_per_class=1, duration_s=0.2, seed=3)
    many = {r.recording_id: r for r in generate_journal(recordings_per_class=3, duration_s=0.2, seed=3)}
    other = {r.recording_id: r for r in generate_journal(recordings_per_class=1, duration_s=0.2, seed=4)}
    for recording in few:
        np.testing.assert_array_equal(recording.signal, many[recording.recording_id].signal)
        assert recording.conditions == many[recording.recording_id].conditions
        assert not np.array_equal(recording.signal, other[recording.recording_id].signal)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recordings_per_class": 0}, "^recordings_per_class must be at least 1, got 0"),
        ({"duration_s": -1.0}, "^duration_s must be at least 0.1, got -1"),
        ({"fs_hz": 12_000.0}, "^fs_hz must be at least 20000, got 12000"),
        ({"snr_db": 1e9}, r"^snr_db must be from -200 to 200, got 1e\+09"),
        ({"seed": -1}, "^seed must be at least 0, got -1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        generate_journal(**settings)  # type: ignore[arg-type]
