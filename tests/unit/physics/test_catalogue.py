from __future__ import annotations

import pytest

from raytrain.physics.catalogue import BEARINGS, find_bearing


@pytest.mark.parametrize(
    ("text", "designation"),
    [
        ("SKF 6205-2RS JEM (drive end)", "6205"),
        ("NTN equivalent of 6205 (drive end)", "6205"),
        ("SKF6203", "6203"),
        ("6203", "6203"),
        ("NICE (8 rolling elements, d=0.235 in, D=1.245 in)", "NICE"),
        ("6203 Paderborn", "6203 Paderborn"),
        ("FAG 6203 (Paderborn University)", "6203 Paderborn"),
        ("Paderborn: 6203-2RS", "6203 Paderborn"),
    ],
)
def test_bearing_is_found_in_a_text(text: str, designation: str) -> None:
    assert find_bearing(text) is BEARINGS[designation]


@pytest.mark.parametrize(
    "text",
    ["", "16205", "62050", "plain journal bearing", "VENICE", "6205 and 6203", "Paderborn", "6205 and 6203 Paderborn"],
)
def test_no_bearing_is_guessed(text: str) -> None:
    assert find_bearing(text) is None


@pytest.mark.parametrize(
    ("designation", "bpfi", "bpfo", "twice_bsf", "ftf"),
    [
        ("6205", 5.4152, 3.5848, 4.7135, 0.39828),
        ("6203", 4.9469, 3.0530, 3.9874, 0.3817),
        ("NICE", 4.755, 3.245, 5.109, 0.4056),
    ],
)
def test_orders_are_the_published_ones(
    designation: str, bpfi: float, bpfo: float, twice_bsf: float, ftf: float
) -> None:
    orders = BEARINGS[designation].fault_orders() | {"bsf": 2 * BEARINGS[designation].bsf}
    published = {"bpfi": bpfi, "bpfo": bpfo, "bsf": twice_bsf, "ftf": ftf}
    assert orders == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize("name", list(BEARINGS))
def test_every_entry_is_found_by_its_own_name(name: str) -> None:
    assert find_bearing(name) is BEARINGS[name]


def test_both_measurements_of_a_6203_agree() -> None:
    """Two rigs, one type of bearing: its dimensions cannot differ by more than they were rounded by."""
    ours, theirs = BEARINGS["6203 Paderborn"], BEARINGS["6203"]
    assert ours.rolling_elements == theirs.rolling_elements
    assert ours.element_diameter_mm == pytest.approx(theirs.element_diameter_mm, rel=1e-3)
    assert ours.pitch_diameter_mm == pytest.approx(theirs.pitch_diameter_mm, rel=2e-3)
    assert ours.fault_orders() == pytest.approx(theirs.fault_orders(), rel=2e-3)
    assert ours != theirs


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        BEARINGS["6205"] = BEARINGS["6203"]  # type: ignore[index]
