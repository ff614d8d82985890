from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.cli.shared_options import data_overrides, seconds
from raytrain.config.load import apply_overrides, validate
from raytrain.config.schema import TrainConfig
from raytrain.errors import ConfigError

NOTHING: dict[str, Any] = {
    "source": None,
    "dataset": None,
    "where": None,
    "channel": None,
    "target": None,
    "rule": None,
    "train": None,
    "validation": None,
    "test": None,
    "block_class": None,
    "allow_leakage": False,
}


def test_nothing_given_replaces_nothing() -> None:
    assert data_overrides(**NOTHING) == {}


@pytest.mark.parametrize(
    ("given_", "field", "value"),
    [
        ({"dataset": ["cwru", "mfpt"]}, "data.dataset", ["cwru", "mfpt"]),
        ({"where": ["severity=7,14", "load=0"]}, "data.where", {"severity": ["7", "14"], "load": ["0"]}),
        ({"channel": ["DE", "FE"]}, "data.channels", ["DE", "FE"]),
        ({"target": "label"}, "data.target", "label"),
        ({"rule": "by-load"}, "data.split.rule", "by-load"),
        ({"train": "7, 14,"}, "data.split.train", ["7", "14"]),
        ({"validation": "14"}, "data.split.validation", ["14"]),
        ({"test": "7 mil"}, "data.split.test", ["7 mil"]),
        ({"block_class": ["normal"]}, "data.split.block_classes", ["normal"]),
        ({"allow_leakage": True}, "data.split.allow_leakage", True),
    ],
)
def test_each_option_replaces_one_field(given_: dict[str, Any], field: str, value: object) -> None:
    overrides = data_overrides(**NOTHING | given_)
    assert overrides == {field: value}
    config = validate(TrainConfig, apply_overrides({}, overrides), where="options")
    found: Any = config
    for name in field.split("."):
        found = getattr(found, name)
    assert found == value


def test_another_source_drops_the_selection_and_split_of_the_file() -> None:
    settings = {
        "epochs": 3,
        "data": {"source": "old", "dataset": ["cwru"], "split": {"rule": "by-load", "test": [3]}},
    }
    overrides = data_overrides(**NOTHING | {"source": "new", "rule": "by-severity", "test": "21"})
    assert apply_overrides(settings, overrides) == {
        "epochs": 3,
        "data": {"source": "new", "split": {"rule": "by-severity", "test": ["21"]}},
    }
    kept = data_overrides(**NOTHING | {"test": "21"})
    assert apply_overrides(settings, kept)["data"] == {
        "source": "old",
        "dataset": ["cwru"],
        "split": {"rule": "by-load", "test": ["21"]},
    }


@pytest.mark.parametrize("option", ["train", "validation", "test"])
@pytest.mark.parametrize("text", ["", " , ,"])
def test_groups_that_name_none_are_refused_by_their_own_option(option: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"^--{option} '{text}': expected groups separated by commas"):
        data_overrides(**NOTHING | {option: text})


def test_a_condition_without_values_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--where severity: expected field=value,value"):
        data_overrides(**NOTHING | {"where": ["severity"]})


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90), ("90s", 90), ("20m", 1200), ("20 min", 1200), ("2h", 7200), ("1.5h", 5400), (" 0.5m ", 30)],
)
def test_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "soon", "1h30m", "-5m", "5 d", "m", "1e3", "5.m", "5s x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--time-budget .*: expected a number with s, m or h, for example 90s"):
        seconds(text)


@given(number=st.integers(0, 10**6), unit=st.sampled_from([("s", 1), ("m", 60), ("min", 60), ("h", 3600)]))
def test_seconds_are_number_times_unit(number: int, unit: tuple[str, int]) -> None:
    name, factor = unit
    assert seconds(f"{number}{name}") == number * factor
