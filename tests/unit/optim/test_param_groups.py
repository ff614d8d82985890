from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.build import MODELS, create_model
from raytrain.optim.param_groups import get_parameter_groups


def groups_of(model: nn.Module) -> tuple[set[str], set[str]]:
    """Return the names of the decayed parameters and of those that are not."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    decayed: set[str] = set()
    kept: set[str] = set()
    for group in get_parameter_groups(model, lr=0.1, weight_decay=0.01):
        assert group["lr"] == 0.1
        (decayed if group["weight_decay"] == 0.01 else kept).update(names[p] for p in group["params"])
    return decayed, kept


def test_biases_norms_and_vectors_are_not_decayed() -> None:
    model = nn.Sequential(
        nn.Conv1d(1, 4, 3),
        nn.BatchNorm1d(4),
        nn.Linear(4, 4),
        nn.LayerNorm([2, 4]),
        nn.RMSNorm([2, 4]),
        nn.PReLU(),
    )
    decayed, kept = groups_of(model)
    assert decayed == {"0.weight", "2.weight"}
    assert kept == {"0.bias", "1.weight", "1.bias", "2.bias", "3.weight", "3.bias", "4.weight", "5.weight"}


def test_biases_of_two_or_more_dimensions_are_not_decayed() -> None:
    decayed, kept = groups_of(nn.MultiheadAttention(4, 2, add_bias_kv=True))
    assert decayed == {"in_proj_weight", "out_proj.weight"}
    assert kept == {"in_proj_bias", "out_proj.bias", "bias_k", "bias_v"}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_parameter_of_a_model_is_in_exactly_one_group(name: str) -> None:
    model = create_model(name, in_channels=1, num_classes=3, settings={})
    groups = get_parameter_groups(model, lr=0.1, weight_decay=0.01)
    placed: list[Tensor] = [parameter for group in groups for parameter in group["params"]]
    assert sorted(map(id, placed)) == sorted(map(id, model.parameters()))
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]


def test_shared_parameters_are_placed_once() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    groups = get_parameter_groups(nn.Sequential(first, second), lr=0.1, weight_decay=0.01)
    assert [len(group["params"]) for group in groups] == [1, 2]


def test_frozen_parameters_are_left_out_and_empty_groups_with_them() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    model[1].bias.requires_grad_(False)
    (group,) = get_parameter_groups(model, lr=0.1, weight_decay=0.01)
    assert [parameter is model[1].weight for parameter in group["params"]] == [True]


@pytest.mark.parametrize("model", [nn.ReLU(), nn.Linear(2, 2).requires_grad_(False)])
def test_a_model_with_nothing_to_train_is_refused(model: nn.Module) -> None:
    with pytest.raises(ConfigError, match="no trainable parameter"):
        get_parameter_groups(model, lr=0.1, weight_decay=0.01)


def test_only_decayed_parameters_shrink_without_a_gradient() -> None:
    model = nn.Linear(3, 3)
    weight, bias = model.weight.detach().clone(), model.bias.detach().clone()
    optimizer = torch.optim.AdamW(get_parameter_groups(model, lr=0.5, weight_decay=0.1))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(model.weight, weight * (1 - 0.5 * 0.1))
    assert torch.equal(model.bias, bias)
