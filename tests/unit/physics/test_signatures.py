from __future__ import annotations

import pytest

from raytrain.physics.catalogue import BEARINGS
from raytrain.physics.signatures import journal_signatures, rolling_signatures

ROLLING = rolling_signatures(BEARINGS["6205"])
JOURNAL = journal_signatures()


def test_rolling_lines_are_in_the_envelope_at_the_published_orders() -> None:
    assert list(ROLLING) == ["normal", "inner", "outer", "ball"]
    firsts = {name: signature.orders[0] for name, signature in ROLLING.items() if signature.orders}
    assert firsts == pytest.approx({"inner": 5.4152, "outer": 3.5848, "ball": 4.7135}, abs=1e-4)
    assert {signature.domain for signature in ROLLING.values()} == {"envelope"}


def test_rolling_sidebands_are_those_of_the_part_that_turns() -> None:
    assert set(ROLLING["inner"].orders) >= {ROLLING["inner"].orders[0] + 1, ROLLING["inner"].orders[0] - 1}
    spin = 2 * BEARINGS["6205"].bsf
    assert set(ROLLING["ball"].orders) >= {spin - BEARINGS["6205"].ftf, spin + BEARINGS["6205"].ftf}


def test_journal_and_rolling_never_share_a_class() -> None:
    assert len(JOURNAL) == 11
    assert not JOURNAL.keys() & ROLLING.keys()
    assert {signature.domain for signature in JOURNAL.values()} == {"spectrum"}


def test_every_fault_shows_somewhere_and_health_nowhere() -> None:
    for name, signature in (JOURNAL | ROLLING).items():
        assert signature.name == name
        shows = bool(signature.orders) or signature.noise_band_hz is not None
        assert shows == (name not in {"healthy", "normal"})


def test_oil_whirl_band_is_the_customary_one() -> None:
    whirl = JOURNAL["oil_whirl"]
    band = [whirl.orders[0] * (1 - whirl.tolerance), whirl.orders[0] * (1 + whirl.tolerance)]
    assert band == pytest.approx([0.42, 0.48])


@pytest.mark.parametrize(
    ("mixed", "parents"),
    [
        ("mixed_misalignment_imbalance", ("misalignment", "imbalance")),
        ("mixed_wear_lubrication", ("wear", "lubrication")),
        ("mixed_cavitation_looseness", ("cavitation", "looseness")),
    ],
)
def test_mixed_class_has_the_lines_and_bands_of_both_parents(mixed: str, parents: tuple[str, str]) -> None:
    whole = JOURNAL[mixed]
    assert set(whole.orders) == set(JOURNAL[parents[0]].orders) | set(JOURNAL[parents[1]].orders)
    assert len(set(whole.orders)) == len(whole.orders)
    for parent in parents:
        band = JOURNAL[parent].noise_band_hz
        if band is not None:
            assert whole.noise_band_hz is not None
            assert whole.noise_band_hz[0] <= band[0] < band[1] <= whole.noise_band_hz[1]
