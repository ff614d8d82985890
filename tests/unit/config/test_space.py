from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from raytrain.config.schema import TrainConfig
from raytrain.config.space import (
    BaselineConfig,
    Choice,
    Distribution,
    Grid,
    IntUniform,
    LogUniform,
    ResourceConfig,
    SchedulerConfig,
    SearchConfig,
    SpaceConfig,
    Uniform,
)

ANY: TypeAdapter[Any] = TypeAdapter(Distribution)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"type": "uniform", "low": -1, "high": 0.5}, Uniform),
        ({"type": "loguniform", "low": 1e-5, "high": 1e-1}, LogUniform),
        ({"type": "int", "low": 2, "high": 8, "step": 3}, IntUniform),
        ({"type": "int", "low": 1, "high": 512, "log": True}, IntUniform),
        ({"type": "int", "low": 3, "high": 3}, IntUniform),
        ({"type": "choice", "values": ["raw", "envelope"]}, Choice),
        ({"type": "choice", "values": [None, 1, 1.0, "1", True, [1, 2]]}, Choice),
        ({"type": "grid", "values": [0.1]}, Grid),
    ],
)
def test_the_type_chooses_the_distribution(settings: dict[str, Any], kind: type[Any]) -> None:
    made = ANY.validate_python(settings)
    assert type(made) is kind
    assert made.model_dump(exclude_unset=True) == settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"type": "uniform", "low": 2, "high": 1}, "low must be below high, got low=2, high=1"),
        ({"type": "uniform", "low": 1, "high": 1}, "low must be below high, got low=1, high=1"),
        ({"type": "uniform", "low": 0, "high": math.inf}, "low and high must be finite numbers"),
        ({"type": "uniform", "low": math.nan, "high": 1}, "low and high must be finite numbers"),
        ({"type": "loguniform", "low": 2, "high": 1}, "low must be below high, got low=2, high=1"),
        ({"type": "loguniform", "low": 0, "high": 1}, "loguniform needs low > 0, got 0"),
        ({"type": "loguniform", "low": -1, "high": 1}, "loguniform needs low > 0, got -1"),
        ({"type": "int", "low": 3, "high": 2}, "low must not exceed high, got low=3, high=2"),
        ({"type": "int", "low": 1, "high": 4, "step": 2}, "high - low must be a multiple of step, got (4 - 1) / 2"),
        ({"type": "int", "low": 1, "high": 5, "step": 2, "log": True}, "log: true needs step: 1"),
        ({"type": "int", "low": 0, "high": 5, "log": True}, "log: true needs low >= 1, got 0"),
        ({"type": "int", "low": 0, "high": 5, "step": 0}, "Input should be greater than or equal to 1"),
        (
            {"type": "int", "low": 0.5, "high": 5},
            "Input should be a valid integer, got a number with a fractional part",
        ),
        ({"type": "choice", "values": []}, "List should have at least 1 item after validation, not 0"),
        ({"type": "grid", "values": []}, "List should have at least 1 item after validation, not 0"),
        ({"type": "choice", "values": ["a", "b", "a"]}, "values must differ, repeated: 'a'"),
        ({"type": "grid", "values": [1, [2], 1, [2], 3]}, "values must differ, repeated: 1, [2]"),
        ({"type": "choice"}, "Field required"),
    ],
)
def test_an_impossible_distribution_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ANY.validate_python(settings)
    assert [problem["msg"].removeprefix("Value error, ") for problem in caught.value.errors()] == [message]


def test_conditions_keep_the_type_of_their_values() -> None:
    when = {"model.name": "wdcnn", "model.depth": [2, 3], "windows.hop": None, "a": True, "b": "2", "c": 0.5}
    kept = Uniform.model_validate({"type": "uniform", "low": 0, "high": 1, "when": when}).when
    assert kept == when
    assert [type(value) for value in kept.values()] == [type(value) for value in when.values()]


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (
            SearchConfig,
            {"algorithm": "bayes"},
            "Input should be 'grid', 'random', 'quasi_random', 'tpe', 'gp', 'cmaes', 'nsga2' or 'hyperopt'",
        ),
        (SearchConfig, {"trials": 0}, "Input should be greater than or equal to 1"),
        (SearchConfig, {"time_budget_s": 0}, "Input should be greater than 0"),
        (SchedulerConfig, {"name": "bohb"}, "Input should be 'asha', 'hyperband', 'median', 'pbt' or 'none'"),
        (SchedulerConfig, {"grace_epochs": 0}, "Input should be greater than or equal to 1"),
        (SchedulerConfig, {"reduction_factor": 1}, "Input should be greater than or equal to 2"),
        (ResourceConfig, {"workers_per_trial": 0}, "Input should be greater than or equal to 1"),
        (ResourceConfig, {"cpus_per_worker": 0}, "Input should be greater than 0"),
        (ResourceConfig, {"gpus_per_worker": -1}, "Input should be greater than or equal to 0"),
        (BaselineConfig, {"max_windows": 0}, "Input should be greater than or equal to 1"),
    ],
)
def test_settings_out_of_range_are_refused(model: type[Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(settings)
    assert [problem["msg"] for problem in caught.value.errors()] == [message]


LR: dict[str, Any] = {"optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1e-2}}


def test_a_space_is_a_name_and_parameters() -> None:
    space = SpaceConfig.model_validate({"name": "quick", "parameters": LR})
    assert space.fixed == TrainConfig()
    assert isinstance(space.parameters["optimizer.lr"], LogUniform)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", ".a", "ü"])
def test_a_space_is_named_as_a_folder_can_be(name: str) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        SpaceConfig.model_validate({"name": name, "parameters": LR})


def test_a_space_without_parameters_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        SpaceConfig.model_validate({"name": "a", "parameters": {}})


def test_a_metric_that_is_not_reported_is_refused_in_a_space_too() -> None:
    with pytest.raises(ValidationError, match=r"metric 'val/f1' is not reported; did you mean 'val/macro_f1'\?"):
        SpaceConfig.model_validate({"name": "a", "parameters": LR, "fixed": {"metric": "val/f1"}})
