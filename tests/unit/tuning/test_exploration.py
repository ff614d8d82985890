from __future__ import annotations

import math
from typing import Any

import pytest

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.exploration import FACTORS, Explorer, check_population, mutable_parameters
from raytrain.tuning.space import Point

PARAMETERS: dict[str, Any] = {
    "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1e-1},
    "optimizer.name": {"type": "choice", "values": ["adamw", "sgd"]},
    "optimizer.momentum": {"type": "uniform", "low": 0.5, "high": 0.99, "when": {"optimizer.name": "sgd"}},
    "optimizer.betas": {"type": "choice", "values": [[0.9, 0.9], [0.9, 0.99], [0.9, 0.999]]},
    "model.name": {"type": "choice", "values": ["wdcnn", "cnn1d"]},
    "model.dropout": {"type": "uniform", "low": 0.0, "high": 0.5},
    "model.width": {"type": "int", "low": 4, "high": 8},
    "batch_size": {"type": "int", "low": 16, "high": 64, "step": 16},
    "windows.length": {"type": "choice", "values": [512, 1024]},
    "loss.name": {"type": "choice", "values": ["focal", "cross_entropy"]},
    "loss.gamma": {"type": "uniform", "low": 0.5, "high": 4.0, "when": {"loss.name": "focal"}},
    "loss.class_weights": {"type": "choice", "values": ["balanced", "none"]},
    "schedule.warmup_fraction": {"type": "uniform", "low": 0.0, "high": 0.2},
    "augmentation.sigma": {"type": "grid", "values": [0.01, 0.02, 0.05]},
    "augmentation.per_channel": {"type": "choice", "values": [True, False]},
    "physics.lambda_frequency": {"type": "choice", "values": [0.0, 0.1]},
    "physics.lambda_temporal": {"type": "choice", "values": [0.1, 0.2]},
    "epochs": {"type": "int", "low": 4, "high": 8},
    "max_grad_norm": {"type": "choice", "values": [None, 0.5, 1.0]},
}
POINT: Point = {
    "optimizer.lr": 0.01,
    "optimizer.name": "sgd",
    "optimizer.momentum": 0.9,
    "optimizer.betas": [0.9, 0.99],
    "model.name": "wdcnn",
    "model.dropout": 0.2,
    "batch_size": 32,
    "loss.name": "cross_entropy",
    "augmentation.sigma": 0.05,
    "max_grad_norm": None,
}


def space(parameters: dict[str, Any], *, trials: int = 4, resample: float = 0.0, name: str = "pbt") -> SpaceConfig:
    settings = {
        "name": "tiny",
        "parameters": parameters,
        "search": {"trials": trials},
        "scheduler": {"name": name, "resample_probability": resample},
    }
    return validate(SpaceConfig, settings, where="test")


def test_what_can_change_in_the_middle_of_a_run() -> None:
    assert mutable_parameters(space(PARAMETERS)) == (
        "optimizer.lr",
        "optimizer.momentum",
        "optimizer.betas",
        "model.dropout",
        "batch_size",
        "loss.gamma",
        "augmentation.sigma",
        "physics.lambda_temporal",
        "max_grad_norm",
    )


def test_what_another_parameter_depends_on_cannot_change() -> None:
    depending = {"type": "uniform", "low": 0.0, "high": 0.1, "when": {"batch_size": 16}}
    found = mutable_parameters(space(PARAMETERS | {"optimizer.weight_decay": depending}))
    assert set(found) == {*mutable_parameters(space(PARAMETERS)), "optimizer.weight_decay"} - {"batch_size"}


def test_numbers_are_multiplied_and_values_go_to_their_neighbours() -> None:
    explorer = Explorer(space(PARAMETERS), seed=0)
    found = [explorer.explore(POINT) for _ in range(60)]
    assert {point["optimizer.lr"] for point in found} == {0.01 * factor for factor in FACTORS}
    assert {point["optimizer.momentum"] for point in found} == {0.9 * 0.8, 0.99}  # kept in its range
    assert {point["batch_size"] for point in found} == {16, 48}  # a step at least
    assert {tuple(point["optimizer.betas"]) for point in found} == {(0.9, 0.9), (0.9, 0.999)}
    assert {point["augmentation.sigma"] for point in found} == {0.02, 0.05}  # the last one has one neighbour
    assert {point["max_grad_norm"] for point in found} == {None, 0.5}
    for point in found:
        assert {name: point[name] for name in ("optimizer.name", "model.name", "loss.name")} == {
            "optimizer.name": "sgd",
            "model.name": "wdcnn",
            "loss.name": "cross_entropy",
        }
        assert list(point) == list(POINT)
    assert len({point["optimizer.lr"] * 1000 + point["batch_size"] for point in found}) == 4  # each on its own


def test_settings_are_drawn_anew_as_often_as_asked() -> None:
    explorer = Explorer(space(PARAMETERS, resample=0.25), seed=1)
    rates = [explorer.explore(POINT)["optimizer.lr"] for _ in range(400)]
    anew = [rate for rate in rates if rate not in {0.01 * factor for factor in FACTORS}]
    assert 0.25 * 400 - 4 * math.sqrt(75) < len(anew) < 0.25 * 400 + 4 * math.sqrt(75)
    assert min(anew) < 0.0005
    assert max(anew) > 0.02
    assert all(1e-4 <= rate <= 1e-1 for rate in anew)
    always = [Explorer(space(PARAMETERS, resample=1.0), seed=seed).explore(POINT) for seed in range(5)]
    assert len({point["optimizer.momentum"] for point in always}) == 5  # drawn though it has a condition


def test_the_seed_decides() -> None:
    def found(seed: int) -> list[Point]:
        explorer = Explorer(space(PARAMETERS, resample=0.5), seed=seed)
        return [explorer.explore(POINT) for _ in range(5)] + [{"chosen": explorer.choose(1000)}]

    assert found(3) == found(3)
    assert found(3) != found(4)


def test_a_population_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"none of model\.width, windows\.length can; add e\.g\. optimizer\.lr"):
        check_population(space({name: PARAMETERS[name] for name in ("model.width", "windows.length")}))
    with pytest.raises(ConfigError, match=r"search\.trials: pbt needs a population of at least 4, got 3"):
        check_population(space(PARAMETERS, trials=3))
    check_population(space({"model.width": PARAMETERS["model.width"]}, trials=1, name="asha"))
