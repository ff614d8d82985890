"""Which parameters weight decay acts on."""

from __future__ import annotations

from typing import Any

from torch import nn

from raytrain.errors import ConfigError

__all__ = ["get_parameter_groups"]

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
