from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.errors import ConfigError
from raytrain.physics import BEARINGS, FaultSignatureDatabase
from raytrain.physics.signatures import journal_signatures, rolling_signatures

ROLLING = FaultSignatureDatabase.rolling(BEARINGS["6205"])
JOURNAL = FaultSignatureDatabase.journal()


def test_each_kind_has_its_own_classes_the_healthy_one_first() -> None:
    assert (ROLLING.kind, ROLLING.classes) == ("rolling", ("normal", "inner", "outer", "ball"))
    assert (JOURNAL.kind, JOURNAL.classes) == ("journal", tuple(journal_signatures()))
    assert (ROLLING.healthy, JOURNAL.healthy) == ("normal", "healthy")
    assert not set(ROLLING.classes) & set(JOURNAL.classes)


@pytest.mark.parametrize(("fault", "published"), [("outer", 3.5848), ("inner", 5.4152), ("ball", 2 * 2.3567)])
def test_first_lines_of_skf_6205_are_the_published_ones(fault: str, published: float) -> None:
    assert ROLLING.lookup(fault).orders[0] == pytest.approx(published, abs=1e-4)


@pytest.mark.parametrize("name", list(BEARINGS))
def test_fault_orders_and_geometry_give_the_same_database(name: str) -> None:
    bearing = BEARINGS[name]
    orders = (bearing.bpfo, bearing.bpfi, 2 * bearing.bsf, bearing.ftf)
    assert FaultSignatureDatabase.from_fault_orders(orders) == FaultSignatureDatabase.rolling(bearing)
    assert FaultSignatureDatabase.rolling(bearing).signatures == rolling_signatures(bearing)


@given(rpm=st.floats(1.0, 1e5))
def test_bands_lie_around_the_lines_and_grow_with_speed(rpm: float) -> None:
    for database in (ROLLING, JOURNAL):
        for name in database.classes:
            signature = database.lookup(name)
            bands = signature.bands_hz(shaft_speed_rpm=rpm)
            lines = bands[: len(signature.orders)]
            for order, (low, high) in zip(signature.orders, lines, strict=True):
                assert (low + high) / 2 == pytest.approx(order * rpm / 60)
                assert (high - low) / (high + low) == pytest.approx(signature.tolerance)
            noise = () if signature.noise_band_hz is None else (signature.noise_band_hz,)
            assert bands[len(lines) :] == noise


@pytest.mark.parametrize("rpm", [0.0, -1.0, math.nan, math.inf])
def test_impossible_speed_is_refused(rpm: float) -> None:
    with pytest.raises(ConfigError, match="shaft_speed_rpm must be positive and finite, got"):
        ROLLING.lookup("inner").bands_hz(shaft_speed_rpm=rpm)


@pytest.mark.parametrize(
    ("database", "name", "message"),
    [
        (ROLLING, "oil_whirl", "'oil_whirl' is a class of journal bearings, this database is of a rolling bearing"),
        (JOURNAL, "inner", "'inner' is a class of rolling bearings, this database is of a journal bearing"),
        (JOURNAL, "normal", "'normal' is a class of rolling bearings"),
        (ROLLING, "iner", "no signature is known of class 'iner'; did you mean 'inner'?"),
        (JOURNAL, "imbalanced", "did you mean 'imbalance'?"),
        (ROLLING, "zzz", "valid: ball, inner, normal, outer"),
    ],
)
def test_classes_of_the_other_kind_and_unknown_ones_are_refused(
    database: FaultSignatureDatabase, name: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        database.lookup(name)
    assert message in str(caught.value)


@pytest.mark.parametrize("bad", [0.0, -3.0, math.nan, math.inf])
def test_impossible_orders_are_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match=r"fault_orders must be positive and finite, got 3\.58"):
        FaultSignatureDatabase.from_fault_orders((3.58, bad, 4.71, 0.4))
