from __future__ import annotations

import pytest
import yaml
from typer.testing import CliRunner

from raytrain.cli.main import app
from raytrain.config.parts import TABLES, settings_of
from raytrain.config.schema import METRICS, TrainConfig
from raytrain.errors import ConfigError
from raytrain.physics.catalogue import BEARINGS

PARTS = [(kind, name) for kind, table in TABLES.items() for name in table]


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["components", *arguments])
    if isinstance(result.exception, ConfigError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_every_component_has_a_line() -> None:
    names = {line.split("  ")[0].strip() for line in printed().splitlines()}
    assert {name for _, name in PARTS} <= names
    assert set(METRICS) <= names
    assert set(BEARINGS) <= names


def test_a_line_has_description_and_defaults() -> None:
    [line] = [line for line in printed("--kind", "loss").splitlines() if line.strip().startswith("focal ")]
    assert "Focal loss" in line
    assert "gamma=2, class_weights=balanced" in line
    assert "wdcnn" not in printed("--kind", "loss")


@pytest.mark.parametrize(("kind", "name"), PARTS, ids=lambda one: one)
def test_one_is_shown_with_settings_and_an_example_that_is_a_configuration(kind: str, name: str) -> None:
    text = printed(name, "--kind", kind)
    for setting, parameter in settings_of(TABLES[kind][name]).items():
        [row] = [line for line in text.splitlines() if line.split("  ")[0].strip() == setting]
        assert len(row.split("  ")) > 2, f"{setting} of {name} has no meaning in Args"
        assert parameter.annotation is not parameter.empty
    example = yaml.safe_load(text.partition("In a configuration:")[2])
    config = TrainConfig.model_validate(example)
    if kind == "callbacks":
        assert set(config.callbacks) == {name}
    else:
        assert getattr(config, kind).name == name


def test_an_example_is_written_as_it_is_typed() -> None:
    text = printed("multi_view")
    assert "views: [stft, cwt, wvd]" in text
    assert "\\" not in text


def test_a_metric_and_a_bearing_are_shown_too() -> None:
    assert "better when maximal" in printed("val/macro_f1")
    assert "bpfi 5.4152" in printed("6205")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="there is no component 'focl'; did you mean 'focal'"):
        printed("focl")
    with pytest.raises(ConfigError, match="--kind: there is no kind 'losses'; did you mean 'loss'"):
        printed("--kind", "losses")
