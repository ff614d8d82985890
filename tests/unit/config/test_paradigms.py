from __future__ import annotations

import pickle
from typing import Any

import pytest
import yaml

from raytrain.config.load import dump_yaml, validate
from raytrain.config.paradigms import PARADIGMS, expanded, plain
from raytrain.config.schema import Part, TrainConfig
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.space import train_config


def config(settings: dict[str, Any]) -> TrainConfig:
    return validate(TrainConfig, settings, where="run")


def test_without_a_paradigm_nothing_is_preset() -> None:
    assert config({}) == TrainConfig()
    assert expanded({"paradigm": {"name": "standard"}, "epochs": 2}) == {"paradigm": {"name": "standard"}, "epochs": 2}


def test_a_paradigm_presets_what_is_not_given() -> None:
    run = config({"paradigm": {"name": "pinn", "lambda_freq": 0.5}, "physics": {"lambda_temporal": 0.2}})
    assert run.physics.name == "consistency"
    assert run.physics.settings["lambda_freq"] == 0.5
    assert run.physics.settings["lambda_temporal"] == 0.2
    assert "lambda_sommerfeld" not in run.physics.settings  # the part's own default, which follows from the machine
    assert run.neighbours == 2
    assert config({"paradigm": {"name": "pinn"}, "neighbours": 5}).neighbours == 5


@pytest.mark.parametrize("name", sorted(PARADIGMS))
def test_every_setting_of_a_paradigm_reaches_a_field(name: str) -> None:
    import inspect

    markers = {setting: object() for setting in inspect.signature(PARADIGMS[name]).parameters}
    fields = PARADIGMS[name](**markers)
    for setting, mark in markers.items():
        reached = [field for field, value in fields.items() if value is mark]
        assert len(reached) == 1, setting
        assert reached[0].split(".")[0] in TrainConfig.model_fields


@pytest.mark.parametrize("name", sorted(PARADIGMS))
def test_what_is_written_reads_back_the_same(name: str) -> None:
    run = config({"paradigm": {"name": name}, "optimizer": {"lr": 0.1}})
    assert validate(TrainConfig, yaml.safe_load(dump_yaml(run)), where="run") == run


def test_another_part_leaves_nothing_of_the_paradigms_own() -> None:
    run = config({"paradigm": {"name": "spectrogram"}, "augmentation": {"name": "mixup"}, "tfr": {"name": "cwt"}})
    assert run.augmentation == Part(name="mixup")
    assert run.tfr == Part(name="cwt")
    assert run.model.name == "cnn2d"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"paradigm": {"name": "pinn", "lambda_freq": 0.5}, "physics": {"lambda_freq": 0.2}},
            "paradigm.lambda_freq is 0.5 and physics.lambda_freq is 0.2; give one of them, or the same",
        ),
        (
            {"paradigm": {"name": "mixed_precision", "precision": "bf16"}, "precision": "fp32"},
            "paradigm.precision is 'bf16' and precision is 'fp32'; give one of them, or the same",
        ),
        (
            {"paradigm": {"name": "spectrogram", "time_mask_param": 3}, "augmentation": {"name": "mixup"}},
            "paradigm.time_mask_param is of augmentation 'spec_augment', and augmentation.name is 'mixup'; omit one",
        ),
    ],
)
def test_a_contradiction_is_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        config(settings)
    assert message in str(error.value)


def test_what_was_given_is_kept_apart_from_what_follows_from_it() -> None:
    given = {"paradigm": {"name": "pinn"}, "optimizer": {"lr": 0.1}}
    run = config(given)
    assert run.given == given
    assert pickle.loads(pickle.dumps(run)).given == given  # noqa: S301 - our own
    run.given["paradigm"] = {"name": "cnn"}
    assert run.given == given
    assert TrainConfig(model=Part.model_validate({"name": "cnn1d", "depth": 3})).given == {
        "model": {"name": "cnn1d", "depth": 3}
    }


def test_a_space_made_in_python_is_taken_as_it_was_given() -> None:
    space = SpaceConfig.model_validate(
        {
            "name": "mine",
            "fixed": {"paradigm": {"name": "pinn"}, "epochs": 2},
            "parameters": {"paradigm.lambda_freq": {"type": "uniform", "low": 0.1, "high": 1.0}},
        }
    )
    assert plain(space)["fixed"] == {"paradigm": {"name": "pinn"}, "epochs": 2}
    run = train_config(space, {"paradigm.lambda_freq": 0.25})
    assert run.physics.settings["lambda_freq"] == 0.25
