"""Which parameters an optimizer gets, and which of them weight decay acts on."""

from __future__ import annotations

import math
from typing import Any

from torch import nn
from torch.optim.optimizer import ParamsT

from raytrain.errors import ConfigError
from raytrain.optim.rules import require

__all__ = ["get_parameter_groups", "optimized_parameters"]

_NORMS = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001 - the one base of all batch and instance norms
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def get_parameter_groups(model: nn.Module, *, lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Divide a model's trainable parameters into one optimizer group with weight decay and one without.

    Biases, the parameters of normalisation layers and every parameter of fewer than two dimensions are not
    decayed: they set offsets and scales, and pulling those to zero does not regularise (Loshchilov & Hutter
    2019 decay weights). Frozen parameters are in no group; each other one is in exactly one, shared ones too.
    A group that would be empty is left out.

    Args:
        model: The model whose parameters are divided.
        lr: Learning rate of both groups.
        weight_decay: Weight decay of the first group; the second has 0.

    Raises:
        ConfigError: The model has no trainable parameter.

    >>> decayed, kept = get_parameter_groups(nn.Linear(4, 3), lr=1e-3, weight_decay=1e-2)
    >>> decayed["weight_decay"], [tuple(weight.shape) for weight in decayed["params"]]
    (0.01, [(3, 4)])
    >>> kept["weight_decay"], [tuple(bias.shape) for bias in kept["params"]]
    (0.0, [(3,)])
    """
    exempt = {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if isinstance(module, _NORMS) or "bias" in name or parameter.ndim < 2
    }
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trainable:
        raise ConfigError("the model has no trainable parameter; all are frozen or there are none")
    groups = [
        {
            "params": [parameter for parameter in trainable if id(parameter) not in exempt],
            "lr": lr,
            "weight_decay": weight_decay,
        },
        {
            "params": [parameter for parameter in trainable if id(parameter) in exempt],
            "lr": lr,
            "weight_decay": 0.0,
        },
    ]
    return [group for group in groups if group["params"]]


def optimized_parameters(params: nn.Module | ParamsT, *, lr: float, weight_decay: float) -> ParamsT:
    """Return what every optimizer here is created over: a model's decay groups, or what is given, as it is.

    Args:
        params: A model, or an iterable of parameters or groups as torch's optimizers take it.
        lr: Learning rate.
        weight_decay: Weight decay.

    Raises:
        ConfigError: There is nothing to optimise, or a value is impossible.

    >>> len(list(optimized_parameters(nn.Linear(4, 3).parameters(), lr=1e-3, weight_decay=0.0)))
    2
    """
    require("optimizer.lr", lr, "finite and above 0", holds=math.isfinite(lr) and lr > 0)
    require(
        "optimizer.weight_decay",
        weight_decay,
        "finite and at least 0",
        holds=math.isfinite(weight_decay) and weight_decay >= 0,
    )
    if isinstance(params, nn.Module):
        return get_parameter_groups(params, lr=lr, weight_decay=weight_decay)
    given = list(params)
    if not given:
        raise ConfigError("the optimizer was given no parameters")
    return given  # type: ignore[return-value]  # a list of what each member of the union iterates over
