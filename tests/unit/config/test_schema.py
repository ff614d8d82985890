from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from raytrain.config.schema import (
    METRICS,
    DataConfig,
    EarlyStoppingConfig,
    Part,
    SplitConfig,
    TrainConfig,
    WindowConfig,
)
from raytrain.metrics.reported import reported_metrics


def refusal(model: type[Any], settings: dict[str, Any]) -> str:
    """Return what the one problem of `settings` is."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(settings)
    (problem,) = caught.value.errors()
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"


def test_metrics_are_those_an_evaluation_reports() -> None:
    tracker = reported_metrics(2, 1)
    targets = torch.tensor([0, 1])
    tracker.update(torch.eye(2), targets, recordings=torch.zeros(2, dtype=torch.int64), loss=torch.tensor(0.5))
    assert tracker.compute("val").keys() == METRICS.keys()


@pytest.mark.parametrize("metric", METRICS)
def test_less_is_better_for_losses_and_errors_only(metric: str) -> None:
    assert TrainConfig(metric=metric).direction == ("min" if metric.endswith(("loss", "error")) else "max")


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (
            TrainConfig,
            {"metric": "val/macro_f"},
            ": metric 'val/macro_f' is not reported; did you mean 'val/macro_f1'?",
        ),
        (TrainConfig, {"metric": "f1"}, f": metric 'f1' is not reported; valid: {', '.join(sorted(METRICS))}"),
        (TrainConfig, {"mode": "min"}, ": val/macro_f1 is better when it is max, not min; omit mode"),
        (
            TrainConfig,
            {"metric": "val/loss", "mode": "max"},
            ": val/loss is better when it is min, not max; omit mode",
        ),
        (TrainConfig, {"mode": "best"}, "mode: Input should be 'max' or 'min'"),
        (TrainConfig, {"batch_size": 0}, "batch_size: Input should be greater than or equal to 1"),
        (TrainConfig, {"max_grad_norm": 0}, "max_grad_norm: Input should be greater than 0"),
        (TrainConfig, {"seed": -1}, "seed: Input should be greater than or equal to 0"),
        (TrainConfig, {"model": {"name": None}}, "model.name: Input should be a valid string"),
        (EarlyStoppingConfig, {"patience": 0}, "patience: Input should be greater than or equal to 1"),
        (EarlyStoppingConfig, {"min_delta": -0.1}, "min_delta: Input should be greater than or equal to 0"),
        (WindowConfig, {"length": 15}, "length: Input should be greater than or equal to 16"),
        (WindowConfig, {"hop": 0}, "hop: Input should be greater than or equal to 1"),
        (WindowConfig, {"envelope_band_hz": [1, 2]}, ": envelope_band_hz needs input: envelope"),
        (
            WindowConfig,
            {"input": "envelope", "envelope_band_hz": [4000, 500]},
            ": envelope_band_hz must satisfy 0 < low < high, got [4000.0, 500.0]",
        ),
        (
            WindowConfig,
            {"input": "envelope", "envelope_band_hz": [0, 500]},
            ": envelope_band_hz must satisfy 0 < low < high, got [0.0, 500.0]",
        ),
        (
            SplitConfig,
            {"validation_fraction": 0.5, "test_fraction": 0.5},
            ": validation_fraction + test_fraction must be below 1, or nothing is left to train on",
        ),
        (SplitConfig, {"test_fraction": 1}, "test_fraction: Input should be less than 1"),
        (SplitConfig, {"gap_s": -1}, "gap_s: Input should be greater than or equal to 0"),
        (DataConfig, {"target": "severity"}, "target: Input should be 'fault_type' or 'label'"),
        (DataConfig, {"soruce": "x"}, "soruce: Extra inputs are not permitted"),
    ],
)
def test_what_breaks_a_rule_is_refused(model: type[Any], settings: dict[str, Any], message: str) -> None:
    assert refusal(model, settings) == message


@pytest.mark.parametrize("mode", [None, "max"])
def test_a_mode_that_agrees_may_be_given(mode: str | None) -> None:
    assert TrainConfig.model_validate({"metric": "val/accuracy", "mode": mode}).direction == "max"


def test_a_part_without_a_name_is_the_default_one_with_other_settings() -> None:
    config = TrainConfig.model_validate({"model": {"dropout": 0.3}, "optimizer": {"name": "sgd", "lr": 1}})
    assert (config.model.name, config.model.settings) == ("wdcnn", {"dropout": 0.3})
    assert (config.optimizer.name, config.optimizer.settings) == ("sgd", {"lr": 1})
    assert (config.loss.name, config.loss.settings) == ("cross_entropy", {})


def test_settings_of_a_part_keep_their_type() -> None:
    settings = {"a": 1, "b": 1.0, "c": "1", "d": True, "e": [1, 2], "f": None}
    kept = Part.model_validate({"name": "x", **settings}).settings
    assert kept == settings
    assert [type(value) for value in kept.values()] == [type(value) for value in settings.values()]


@pytest.mark.parametrize(
    ("length", "hop", "samples"), [(2048, None, 1024), (17, None, 8), (2048, 3, 3), (16, 100, 100)]
)
def test_the_hop_is_half_the_length_unless_given(length: int, hop: int | None, samples: int) -> None:
    assert WindowConfig(length=length, hop=hop).hop_samples == samples


def test_configurations_cannot_be_changed() -> None:
    config = TrainConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.epochs = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        config.data.split.seed = 3  # type: ignore[misc]


def test_defaults_of_one_run_are_not_shared_with_another() -> None:
    DataConfig().where["load"] = [1]
    DataConfig().options["seed"] = 1
    assert DataConfig().where == {}
    assert TrainConfig().data.options == {}


def test_every_field_is_explained_where_its_name_does_not() -> None:
    schema = TrainConfig.model_json_schema()
    named = {"data", "windows", "model", "loss", "optimizer", "schedule", "epochs", "precision", "device"}
    unexplained = {name for name, one in schema["properties"].items() if "description" not in one and "$ref" not in one}
    assert unexplained <= named | {"early_stopping", "seed"}
    assert "description" in schema["$defs"]["SplitConfig"]["properties"]["rule"]


def test_it_survives_json() -> None:
    config = TrainConfig.model_validate(
        {"windows": {"input": "envelope", "envelope_band_hz": [1, 2]}, "optimizer": {"lr": 0.1}}
    )
    assert TrainConfig.model_validate(json.loads(config.model_dump_json())) == config


def test_importing_it_is_light() -> None:
    code = (
        "import sys, raytrain.config.load, raytrain.config.space; print({'torch', 'numpy', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
