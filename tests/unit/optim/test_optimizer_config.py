"""The presets, as values and as entries of the table."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from raytrain.errors import ConfigError
from raytrain.optim import OptimizerConfig, create_optimizer, create_scheduler

PRESETS: dict[str, tuple[OptimizerConfig, type[torch.optim.Optimizer], dict[str, Any]]] = {
    "default": (
        OptimizerConfig.default(),
        torch.optim.AdamW,
        {"lr": 1e-3, "weight_decay": 1e-4, "betas": (0.9, 0.999)},
    ),
    "fast_convergence": (
        OptimizerConfig.fast_convergence(),
        torch.optim.AdamW,
        {"lr": 3e-3, "weight_decay": 1e-4, "betas": (0.9, 0.99)},
    ),
    "strong_regularization": (
        OptimizerConfig.strong_regularization(),
        torch.optim.AdamW,
        {"lr": 5e-4, "weight_decay": 5e-2, "betas": (0.9, 0.999)},
    ),
    "sgd_baseline": (
        OptimizerConfig.sgd_baseline(),
        torch.optim.SGD,
        {"lr": 1e-2, "weight_decay": 5e-4, "momentum": 0.9, "nesterov": True},
    ),
}


def settings_of(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_is_what_it_says_and_the_same_in_the_table(name: str) -> None:
    config, algorithm, settings = PRESETS[name]
    model = nn.Linear(2, 2)
    decayed, kept = (optimizer := config.create(model)).param_groups
    assert type(optimizer) is algorithm
    assert {key: decayed[key] for key in settings} == settings
    assert kept["weight_decay"] == 0.0
    named = create_optimizer(name, model)
    assert (type(named), settings_of(named)) == (algorithm, settings_of(optimizer))


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_presets_rate_and_decay_can_be_tuned(name: str) -> None:
    _, algorithm, settings = PRESETS[name]
    optimizer = create_optimizer(name, nn.Linear(2, 2).parameters(), lr=0.5, weight_decay=0.25)
    (group,) = optimizer.param_groups
    assert type(optimizer) is algorithm
    assert {key: group[key] for key in settings} == settings | {"lr": 0.5, "weight_decay": 0.25}


def test_a_config_of_ones_own() -> None:
    config = OptimizerConfig("rmsprop", lr=0.1, weight_decay=0.0, settings={"alpha": 0.5})
    (group,) = config.create(nn.Linear(2, 2, bias=False)).param_groups
    assert (group["lr"], group["weight_decay"], group["alpha"]) == (0.1, 0.0, 0.5)


def test_rate_and_decay_may_stand_among_the_settings_but_not_twice() -> None:
    (group,) = create_optimizer("sgd", [torch.zeros(1)], weight_decay=0.5, settings={"lr": 0.25}).param_groups
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.5)
    with pytest.raises(ConfigError, match=r"optimizer.lr is given twice"):
        create_optimizer("sgd", [torch.zeros(1)], lr=0.5, settings={"lr": 0.25})


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"optimizer.name: there is no optimizer 'adamv'; did you mean 'adam'\?"):
        create_optimizer("adamv", nn.Linear(2, 2))
    optimizer = create_optimizer("adamw", nn.Linear(2, 2))
    with pytest.raises(ConfigError, match=r"schedule.name: there is no schedule 'platau'; did you mean 'plateau'\?"):
        create_scheduler("platau", optimizer, epochs=3)
