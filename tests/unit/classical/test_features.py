from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from raytrain.classical.envelope import BANDS, FAULTS, Line
from raytrain.classical.features import MIN_LENGTH, FeatureTable, extract_features, is_envelope_line
from raytrain.errors import DataError

FS_HZ = 12_000.0
ORDERS = (3.5848, 5.4152, 4.7135, 0.3983)  # SKF 6205-2RS


def _extract(
    signal: NDArray[np.float32],
    *,
    rpm: float = 1772.0,
    channels: tuple[str, ...] = ("DE",),
    known: bool = True,
) -> FeatureTable:
    orders = ORDERS if known else [np.nan] * 4
    return extract_features(
        signal,
        fs_hz=FS_HZ,
        shaft_speed_rpm=np.full(len(signal), rpm),
        fault_orders=np.tile(orders, (len(signal), 1)),
        channels=channels,
    )


def _noise(windows: int, channels: int, length: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).laplace(size=(windows, channels, length)).astype(np.float32)


def test_every_feature_has_a_name_of_its_own() -> None:
    table = _extract(_noise(3, 2, 2048), channels=("DE", "FE"))
    assert table.values.shape == (3, len(table.names))
    assert table.values.dtype == np.float64
    assert np.isfinite(table.values).all()
    assert len(set(table.names)) == len(table.names)
    half = len(table.names) // 2
    assert [name.replace("DE.", "FE.") for name in table.names[:half]] == list(table.names[half:])


def test_columns_mean_what_their_names_say() -> None:
    signal = _noise(300, 2, 512)  # more windows than are worked on at once
    table = _extract(signal, channels=("DE", "FE"))
    for row, channel in enumerate(("DE", "FE")):
        kurtosis = table.values[:, table.names.index(f"{channel}.time.kurtosis")]
        expected = scipy.stats.kurtosis(signal[:, row].astype(np.float64), axis=1, fisher=False)
        np.testing.assert_allclose(kurtosis, expected, rtol=1e-5)


def test_a_window_has_the_same_features_alone_and_among_others() -> None:
    signal = _noise(600, 1, 1024)
    table = _extract(signal)
    alone = _extract(signal[-1:])
    assert alone.names == table.names
    np.testing.assert_allclose(alone.values[0], table.values[-1], rtol=1e-5, atol=1e-6)


def test_each_window_is_measured_at_its_own_speed() -> None:
    speeds = np.linspace(1500.0, 1800.0, 130)  # more windows than are worked on at once
    signal = _noise(1, 1, 4096).repeat(len(speeds), axis=0)
    table = extract_features(
        signal,
        fs_hz=FS_HZ,
        shaft_speed_rpm=speeds,
        fault_orders=np.tile(ORDERS, (len(speeds), 1)),
        channels=("DE",),
    )
    for row in (0, len(speeds) - 1):
        alone = _extract(signal[:1], rpm=speeds[row])
        np.testing.assert_allclose(table.values[row], alone.values[0], rtol=1e-5, atol=1e-6)
    lines = [is_envelope_line(name) for name in table.names]
    assert not np.allclose(table.values[0, lines], table.values[-1, lines])


@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-5, 5))
def test_neither_scale_nor_offset_matters(scale: float, offset: float) -> None:
    signal = _noise(2, 1, 1024)
    moved = (scale * (signal.astype(np.float64) + offset)).astype(np.float32)
    np.testing.assert_allclose(_extract(moved).values, _extract(signal).values, rtol=2e-3, atol=2e-3)


def test_without_a_known_bearing_only_shaft_lines_are_left() -> None:
    known, unknown = _extract(_noise(2, 1, 4096)), _extract(_noise(2, 1, 4096), known=False)
    dropped = set(known.names) - set(unknown.names)
    assert set(unknown.names) < set(known.names)
    assert {name.split(".")[-2] for name in dropped} == set(FAULTS)
    assert {name.split(".")[-2] for name in unknown.names if is_envelope_line(name)} == {"shaft"}
    assert np.isfinite(unknown.values).all()


def test_the_lines_asked_for_are_the_lines_measured() -> None:
    signal = _noise(2, 1, 4096)
    table = extract_features(
        signal,
        fs_hz=FS_HZ,
        shaft_speed_rpm=np.full(2, 1772.0),
        fault_orders=np.tile(ORDERS, (2, 1)),
        channels=("DE",),
        lines=[Line("bpfi", 1)],
    )
    names = [name for name in table.names if is_envelope_line(name)]
    assert names == [f"DE.envelope.{band}.bpfi.h1" for band in BANDS]
    full = _extract(signal)
    columns = [full.names.index(name) for name in table.names]
    np.testing.assert_allclose(table.values, full.values[:, columns], rtol=1e-6)


def test_no_windows_give_no_rows() -> None:
    table = _extract(_noise(0, 1, 2048))
    assert table.values.shape == (0, len(table.names))


def test_too_short_windows_are_refused() -> None:
    with pytest.raises(DataError, match=f"windows of {MIN_LENGTH - 1} samples are too short.*{MIN_LENGTH}"):
        _extract(_noise(1, 1, MIN_LENGTH - 1))
    assert np.isfinite(_extract(_noise(1, 1, MIN_LENGTH)).values).all()


def test_unnamed_channels_are_refused() -> None:
    with pytest.raises(DataError, match="windows have 2 channels, but 1 are named: DE"):
        _extract(_noise(1, 2, 2048))


@pytest.mark.parametrize(
    ("recording", "fault", "other"),
    [(f"IR{size}_{load}", "bpfi", "bpfo") for size in ("007", "021") for load in range(4)]
    + [(f"OR{size}@6_{load}", "bpfo", "bpfi") for size in ("007", "021") for load in range(4)],
)
def test_real_faults_show_at_their_own_frequency(real_data: Path, recording: str, fault: str, other: str) -> None:
    file = f"cwru/{recording}.npz"
    with (real_data / "manifest.csv").open(newline="") as manifest:
        rpm = next(float(row["rpm"]) for row in csv.DictReader(manifest) if row["file"] == file)
    with np.load(real_data / file) as arrays:
        signal = arrays["DE"]
    table = _extract(np.lib.stride_tricks.sliding_window_view(signal, 8192)[::8192, None], rpm=rpm)

    def evidence(source: str) -> NDArray[np.float64]:
        """Mean over the harmonics, in the band that shows them best."""
        lines = [[f"DE.envelope.{band}.{source}.h{h}" for h in (1, 2, 3)] for band in BANDS]
        columns = np.array([[table.names.index(name) for name in band] for band in lines])
        return np.asarray(table.values[:, columns].mean(axis=2).max(axis=1))

    assert (evidence(fault) > evidence(other)).all()
