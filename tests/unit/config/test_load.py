from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raytrain.config.load import apply_overrides, dump_yaml, load_yaml, parse_overrides, validate
from raytrain.config.schema import TrainConfig
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError


def load(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return load_yaml(path)


def problems(settings: dict[str, Any], model: type[TrainConfig | SpaceConfig] = TrainConfig) -> list[str]:
    """Return the lines of the report, after checking its first."""
    with pytest.raises(ConfigError) as caught:
        validate(model, settings, where="run.yaml")
    title, *lines = str(caught.value).splitlines()
    assert title == ("run.yaml: 1 problem" if len(lines) == 1 else f"run.yaml: {len(lines)} problems")
    assert all(line.startswith("  ") for line in lines)
    return [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E-4", 1e-4),
        ("1e4", 1e4),
        ("-2.5e+3", -2500.0),
        ("3.e2", 300.0),
        (".5e-3", 5e-4),
        (".5e3", 500.0),
        ("1.0e-3", 1e-3),
        ("0.1", 0.1),
        ("5", 5),
    ],
)
def test_numbers_are_numbers(tmp_path: Path, text: str, value: float) -> None:
    (read,) = load(tmp_path, f"lr: {text}").values()
    assert read == value
    assert type(read) is type(value)
    assert parse_overrides([f"lr={text}"]) == {"lr": value}


@pytest.mark.parametrize("text", ["e4", "1e", "1e4x", "7 mil", "1.2.3e4", "'1e-4'", "e-4", "1_e4"])
def test_what_only_looks_like_a_number_stays_text(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, f"x: {text}") == {"x": text.strip("'")}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_python_writes_is_read_back(value: float) -> None:
    assert parse_overrides([f"optimizer.lr={value!r}"]) == {"optimizer.lr": value}


@pytest.mark.parametrize("text", ["lr: 1\nepochs: 2\nlr: 3", "model: {lr: 1, name: a, lr: 1}", "a:\n- {lr: 1, lr: 2}"])
def test_a_repeated_key_is_an_error_at_any_depth(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.yaml: is not valid YAML: key given twice: lr in .*line \d"):
        load(tmp_path, text)


def test_the_same_key_in_two_mappings_is_none(tmp_path: Path) -> None:
    assert load(tmp_path, "a: {lr: 1}\nb: {lr: 2}") == {"a": {"lr": 1}, "b": {"lr": 2}}


def test_a_merge_key_is_no_repetition_and_what_is_given_beside_it_counts(tmp_path: Path) -> None:
    text = "a: &default {lr: 1, seed: 2}\nb: {<<: *default, lr: 3}\nc:\n  <<: [*default, {epochs: 4}]"
    assert load(tmp_path, text) == {
        "a": {"lr": 1, "seed": 2},
        "b": {"lr": 3, "seed": 2},
        "c": {"lr": 1, "seed": 2, "epochs": 4},
    }


@pytest.mark.parametrize(
    ("text", "got"), [("- 1\n- 2", "list"), ("wdcnn", "str"), ("3", "int"), ("", "nothing"), ("# empty", "nothing")]
)
def test_a_file_that_is_no_mapping_is_told(tmp_path: Path, text: str, got: str) -> None:
    with pytest.raises(ConfigError, match=rf"run\.yaml: expected a mapping of fields to values, got {got}$"):
        load(tmp_path, text)


def test_a_file_that_is_no_yaml_is_told_with_the_place_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.yaml: is not valid YAML: .* in line 2, column 7:") as caught:
        load(tmp_path, "model: {name: wdcnn\nepochs: 3")
    assert str(caught.value).count("\n") == 0


def test_a_file_that_would_execute_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"could not determine a constructor for the tag .*os\.system"):
        load(tmp_path, f"a: !!python/object/apply:os.system ['touch {tmp_path}/touched']")
    assert not (tmp_path / "touched").exists()


def test_an_absent_file_a_folder_and_bytes_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read \(No such file or directory\)$"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r": cannot be read \(Is a directory\)$"):
        load_yaml(tmp_path)
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(ConfigError, match=r"model\.pt: is not UTF-8 text$"):
        load_yaml(tmp_path / "model.pt")


def test_a_dumped_configuration_is_read_back(tmp_path: Path) -> None:
    config = TrainConfig.model_validate(
        {
            "optimizer": {"lr": 1e-5, "betas": [0.9, 0.98]},
            "windows": {"input": "envelope", "envelope_band_hz": [500.0, 4000.0]},
            "data": {"where": {"severity": [7, "14 mil"]}, "split": {"rule": "by-severity", "test": [21]}},
            "early_stopping": None,
            "max_grad_norm": None,
        }
    )
    assert validate(TrainConfig, load(tmp_path, dump_yaml(config)), where="run.yaml") == config
    assert list(yaml.safe_load(dump_yaml(config))) == list(TrainConfig.model_fields)


def test_overrides_are_yaml_values() -> None:
    assignments = ["a=1", " b.c = [1, x]", "d={e: 2}", "f=null", "g=", "h=a=b", "i=true", "k.l='3'", "yes=1", "7=2"]
    assert parse_overrides(assignments) == {
        "a": 1,
        "b.c": [1, "x"],
        "d": {"e": 2},
        "f": None,
        "g": None,
        "h": "a=b",
        "i": True,
        "k.l": "3",
        "yes": 1,
        "7": 2,
    }


def test_the_last_of_several_overrides_counts() -> None:
    assert parse_overrides(["a=1", "b=2", "a=3"]) == {"a": 3, "b": 2}


@pytest.mark.parametrize("assignment", ["epochs", "", "=3", " =3"])
def test_an_override_that_is_no_assignment_is_told(assignment: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_overrides([assignment])
    assert str(caught.value) == f"--set {assignment}: expected field=value, e.g. optimizer.lr=1e-3"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("a=[1", r"^--set a=\[1: is not valid YAML: .*expected ',' or '\]'"),
        ("a={b: 1, b: 2}", r"^--set a=\{b: 1, b: 2\}: is not valid YAML: key given twice: b"),
    ],
)
def test_an_override_that_is_no_yaml_is_told(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_overrides([assignment])


@pytest.mark.parametrize(
    ("settings", "overrides", "expected"),
    [
        ({}, {"a.b.c": 1}, {"a": {"b": {"c": 1}}}),
        ({"a": {"b": 1, "c": 2}}, {"a.b": 3}, {"a": {"b": 3, "c": 2}}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"c": 2}}),
        ({"a": None}, {"a.b": 1}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": 1}, {"a": {"b": 1}, "a.c": 2}, {"a": {"b": 1, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    ],
)
def test_overrides_replace_fields(
    settings: dict[str, Any], overrides: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = copy.deepcopy((settings, overrides))
    assert apply_overrides(settings, overrides) == expected
    assert (settings, overrides) == before


@pytest.mark.parametrize("value", [3, "adamw", [1], True])
def test_a_field_below_a_single_value_is_refused(value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_overrides({"optimizer": {"lr": value}}, {"optimizer.lr.peak": 1})
    assert str(caught.value) == "optimizer.lr.peak: 'lr' is a single value and has no field below it"


def test_good_settings_are_the_configuration() -> None:
    config = validate(TrainConfig, {"epochs": 3, "windows": {"length": 512}}, where="x")
    assert (config.epochs, config.windows.length, config.batch_size) == (3, 512, 64)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"epohcs": 3}, "epohcs: unknown field; did you mean 'epochs'?"),
        ({"windows": {"lenght": 3}}, "windows.lenght: unknown field; did you mean 'length'?"),
        ({"data": {"split": {"tset": 3}}}, "data.split.tset: unknown field; did you mean 'test'?"),
        ({"early_stopping": {"patienc": 3}}, "early_stopping.patienc: unknown field; did you mean 'patience'?"),
        ({"early_stopping": {"zz": 1}}, "early_stopping.zz: unknown field; valid: min_delta, patience"),
        ({"epochs": 0}, "epochs: Input should be greater than or equal to 1 (got 0)"),
        ({"precision": "fp64"}, "precision: Input should be 'auto', 'fp32', 'bf16' or 'fp16' (got 'fp64')"),
        ({"model": "wdcnn"}, "model: expected a mapping of fields to values (got 'wdcnn')"),
        ({"metric": "val/macro_f2"}, "(whole): metric 'val/macro_f2' is not reported; did you mean 'val/macro_f1'?"),
        (
            {"data": {"dataset": ["cwru", 3]}},
            "data.dataset.1: Input should be a valid string (got 3)",
        ),
        (
            {"windows": {"envelope_band_hz": [1, 2]}},
            "windows: envelope_band_hz needs input: envelope",
        ),
        ({"windows": None}, "windows: expected a mapping of fields to values (got None)"),
        ({1: 2}, "1: Keys should be strings (got 1)"),
    ],
)
def test_each_problem_is_told_by_field_rule_and_value(settings: dict[Any, Any], line: str) -> None:
    assert problems(settings) == [line]


def test_all_problems_are_in_one_report() -> None:
    settings = {"epochs": "many", "batch_size": -1, "windows": {"length": 1, "hpo": 2}, "zzz": 0}
    assert sorted(line.partition(":")[0] for line in problems(settings)) == [
        "batch_size",
        "epochs",
        "windows.hpo",
        "windows.length",
        "zzz",
    ]


def space(**parameters: object) -> dict[str, Any]:
    return {"name": "s", "parameters": {name.replace("__", "."): one for name, one in parameters.items()}}


@pytest.mark.parametrize(
    ("distribution", "line"),
    [
        ({"type": "unifrom", "low": 1, "high": 2}, "optimizer.lr.type: 'unifrom' is unknown; did you mean 'uniform'?"),
        ({"type": 3}, "optimizer.lr.type: '3' is unknown; valid: choice, grid, int, loguniform, uniform"),
        ({"low": 1, "high": 2}, "optimizer.lr: needs a type; valid: choice, grid, int, loguniform, uniform"),
        ({"type": "uniform", "low": 1, "hihg": 2, "high": 2}, "optimizer.lr.hihg: unknown field; did you mean 'high'?"),
        ({"type": "uniform", "low": 1}, "optimizer.lr.high: Field required"),
        (
            {"type": "int", "low": "a", "high": 3},
            "optimizer.lr.low: Input should be a valid integer, unable to parse string as an integer (got 'a')",
        ),
        ({"type": "choice", "values": [1, 1]}, "optimizer.lr: values must differ, repeated: 1"),
        (0.1, "optimizer.lr: expected a mapping of fields to values (got 0.1)"),
    ],
)
def test_a_distribution_is_told_as_it_was_written(distribution: object, line: str) -> None:
    assert problems(space(optimizer__lr=distribution), SpaceConfig) == [f"parameters.{line}"]


def test_unknown_fields_of_a_space_are_told_where_they_are() -> None:
    settings = space(epochs={"type": "choice", "values": [1], "wehn": {}}) | {
        "fixed": {"optimizr": {}},
        "search": {"algoritm": "tpe"},
        "sede": 1,
    }
    assert problems(settings, SpaceConfig) == [
        "fixed.optimizr: unknown field; did you mean 'optimizer'?",
        "parameters.epochs.wehn: unknown field; did you mean 'when'?",
        "search.algoritm: unknown field; did you mean 'algorithm'?",
        "sede: unknown field; did you mean 'scheduler'?",
    ]
