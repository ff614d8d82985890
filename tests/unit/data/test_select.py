from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.data.recording import Recording
from raytrain.data.select import common_channels, matches, order_key, select
from raytrain.errors import ConfigError, DataError


def make(name: str, *, channels: Sequence[str] = ("DE", "FE"), **known: str | float | dict[str, float]) -> Recording:
    signal = np.arange(len(channels) * 8, dtype=np.float32).reshape(len(channels), 8)
    settings: dict[str, Any] = {
        "fs_hz": 12_000.0,
        "shaft_speed_rpm": 1797.0,
        "label": "IR007",
        "fault_type": "inner",
        "bearing_id": "b",
        "dataset": "cwru",
    }
    return Recording(signal=signal, recording_id=name, channels=tuple(channels), **settings | known)


RIG = [
    make("normal_0", label="normal", fault_type="normal", load=0.0),
    make("inner_7", severity="7 mil", load=0.0, conditions={"oil_temperature_c": 40.0}),
    make("inner_21", severity="21 mil", load=3.0, conditions={"oil_temperature_c": 80.0}),
    make("outer_7", severity="7 mil", fault_type="outer", location="6:00", load=3.0),
    make("mfpt_1", dataset="mfpt", severity="", channels=["x"]),
]


def ids(recordings: Sequence[Recording]) -> list[str]:
    return [recording.recording_id for recording in recordings]


Pair = tuple[str | float | None, str | float]

ALIKE: list[Pair] = [("7 mil", 7), ("7 mil", 7.0), ("7 mil", "7"), ("7 mil", "7 mil"), ("0.5 mm", 0.5)]
ALIKE += [(".5 mm", "0.5"), ("-10 C", -10), (" 14 mil", 14), ("007", "7"), ("6:00", "6:00")]
ALIKE += [("severe", "severe"), (3.0, 3), (3.0, "3")]
UNLIKE: list[Pair] = [("7 mil", 14), ("70 mil", 7), ("7 mil", "7 mm"), ("7 mil", "nan"), ("IR007", 7)]
UNLIKE += [
    ("6:00", "3:00"),
    ("severe", "Severe"),
    (3.0, 2),
    (3.0, "x"),
    (None, 0),
    (None, "None"),
    ("", 0),
    ("", ""),
]


@pytest.mark.parametrize(("value", "wanted"), ALIKE)
def test_matches(value: str | float, wanted: str | float) -> None:
    assert matches(value, wanted)


@pytest.mark.parametrize(("value", "wanted"), UNLIKE)
def test_does_not_match(value: str | float | None, wanted: str | float) -> None:
    assert not matches(value, wanted)


@given(st.integers(-(10**6), 10**6), st.sampled_from(["", " mil", " hp", ":00"]))
def test_number_with_unit_matches_itself_and_only_itself(number: int, unit: str) -> None:
    text = f"{number}{unit}"
    assert matches(text, number)
    assert matches(text, float(number))
    assert matches(text, str(number))
    assert matches(text, text)
    assert not matches(text, number + 1)


@given(st.lists(st.floats(-1e6, 1e6) | st.integers(0, 99).map(lambda n: f"{n} mil") | st.sampled_from("abc")))
def test_order_is_by_number_then_text(values: list[str | float]) -> None:
    keys = [order_key(value) for value in sorted(values, key=order_key)]
    assert keys == sorted(keys)
    numbers = [value for value in values if isinstance(value, float)]
    assert sorted(numbers, key=order_key) == sorted(numbers)
    assert order_key("2 mil") < order_key("10 mil") < order_key("a")


def test_all_are_selected_by_default_in_their_order() -> None:
    assert ids(select(RIG)) == ids(RIG)


def test_recordings_without_the_field_are_kept() -> None:
    assert ids(select(RIG, where={"severity": [7]})) == ["normal_0", "inner_7", "outer_7", "mfpt_1"]
    assert ids(select(RIG, where={"load": [3]})) == ["inner_21", "outer_7", "mfpt_1"]


def test_all_conditions_of_where_hold() -> None:
    chosen = select(RIG, dataset=["cwru"], where={"severity": ["7 mil", 21], "fault_type": ["inner"], "load": [3]})
    assert ids(chosen) == ["inner_21"]


def test_operating_conditions_are_fields() -> None:
    assert ids(select(RIG, where={"oil_temperature_c": [80]})) == [
        "normal_0",
        "inner_21",
        "outer_7",
        "mfpt_1",
    ]


def test_dataset_and_location() -> None:
    assert ids(select(RIG, dataset=["mfpt"])) == ["mfpt_1"]
    assert ids(select(RIG, dataset=["cwru"], where={"location": ["6:00"], "fault_type": ["outer"]})) == ["outer_7"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"severty": [7]}, r"data\.where: no field 'severty'; did you mean 'severity'\?"),
        ({"signal": [7]}, r"data\.where: no field 'signal'"),
        ({"oil_temperature": [7]}, "did you mean 'oil_temperature_c'"),
        ({"severity": [7, 15]}, r"data\.where\.severity: no recording has 15; there are: 7 mil, 21 mil$"),
        ({"load": ["heavy"]}, r"data\.where\.load: no recording has 'heavy'; there are: 0\.0, 3\.0$"),
        ({"bearing_model": ["6205"]}, r"no recording has '6205'; there are: none$"),
    ],
)
def test_unknown_fields_and_values_are_told_with_those_there_are(
    where: dict[str, list[str | float]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        select(RIG, where=where)


def test_values_are_those_of_the_chosen_data_sets() -> None:
    with pytest.raises(ConfigError, match=r"no recording has 7; there are: none$"):
        select(RIG, dataset=["mfpt"], where={"severity": [7]})


def test_unknown_dataset() -> None:
    with pytest.raises(ConfigError, match=r"data\.dataset: no recording belongs to 'cwr'; did you mean 'cwru'\?"):
        select(RIG, dataset=["cwru", "cwr"])


def test_values_that_never_meet_leave_nothing() -> None:
    with pytest.raises(DataError, match=r"none of 4 recordings has all of .*outer.*21"):
        select(RIG, dataset=["cwru"], where={"fault_type": ["outer"], "severity": [21]})


def test_wanted_channels_come_in_the_wanted_order() -> None:
    (one,) = common_channels([RIG[0]], ["FE", "DE"])
    assert one.channels == ("FE", "DE")
    np.testing.assert_array_equal(one.signal, RIG[0].signal[::-1])
    assert not one.signal.flags.writeable
    assert one.recording_id == RIG[0].recording_id


def test_shared_channels_by_default() -> None:
    alone = make("inner_28", channels=["DE"])
    both = common_channels([RIG[0], alone], None)
    assert [recording.channels for recording in both] == [("DE",), ("DE",)]
    np.testing.assert_array_equal(both[0].signal, RIG[0].signal[:1])
    assert both[1] is alone


def test_lacking_channel_names_the_recording_and_what_is_shared() -> None:
    message = r"data\.channels: inner_28 has no 'FE' but DE; all recordings share: DE$"
    with pytest.raises(ConfigError, match=message):
        common_channels([RIG[0], make("inner_28", channels=["DE"])], ["DE", "FE"])


def test_no_shared_channel() -> None:
    with pytest.raises(DataError, match=r"no channel is shared .*cwru: DE, FE; mfpt: x.*data\.dataset"):
        common_channels(RIG, None)


@pytest.mark.parametrize("wanted", [[], ["DE", "DE"]])
def test_channels_are_named_once(wanted: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"data\.channels: channels must be named, each once"):
        common_channels([RIG[0]], wanted)
