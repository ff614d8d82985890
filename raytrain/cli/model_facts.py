"""What there is to say about the size of a model."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from raytrain.config.parts import settings_of
from raytrain.engine.flops import count_flops, count_flops_by_layer
from raytrain.errors import ConfigError
from raytrain.models.build import MODELS, create_model
from raytrain.models.classifier import Classifier, Inputs
from raytrain.tfr.build import IMAGES
from raytrain.tfr.short_time_fourier import Stft

__all__ = ["describe", "example_inputs"]

_RATE_HZ = 12_000.0  # of CWRU; no size depends on it
_CONDITIONS = 8


def example_inputs(model: Classifier, *, channels: int, length: int) -> Inputs:
    """Return zeros in the shape of one window of `length` samples as `model` takes it, by the transforms' defaults."""
    signal = torch.zeros(1, channels, length)
    if model.input_domain == "signal_and_conditions":
        return {"signal": signal, "conditions": torch.zeros(1, _CONDITIONS)}
    if model.input_domain == "image":
        return torch.zeros(1, channels, *Stft(_RATE_HZ).output_shape(length))
    if model.input_domain == "views":
        views: Mapping[str, float] = model.view_weights  # type: ignore[assignment]
        return {name: torch.zeros(1, channels, *IMAGES[name](_RATE_HZ).output_shape(length)) for name in views}
    return signal


def describe(name: str, *, length: int, channels: int, classes: int, layers: bool = False) -> dict[str, Any]:
    """Return the facts of the model `name` at its default settings, as JSON has them.

    `flops` is null, and `problem` says why, where a window of `length` samples is too short for the model.

    Raises:
        ConfigError: No model has this name.
    """
    model = create_model(name, in_channels=channels, num_classes=classes, settings={})
    facts: dict[str, Any] = {
        "name": name,
        "parameters": _parameters(model),
        "flops": None,
        "problem": None,
        "input_domain": model.input_domain,
        "minimum": _minimum(model),
        "any_length": model.any_length,
        "length_rule": model.length_rule,
        "window": {"length": length, "channels": channels, "classes": classes},
    }
    try:
        inputs = example_inputs(model, channels=channels, length=length)
        facts["flops"] = count_flops(model, inputs)
    except ConfigError as error:
        return facts | {"problem": str(error)}
    parts = {model.input_domain: inputs} if isinstance(inputs, Tensor) else inputs
    facts["inputs"] = {part: list(one.shape[1:]) for part, one in parts.items()}
    if layers:
        facts["layers"] = _layers(model, inputs)
        facts["settings"] = {key: one.default for key, one in settings_of(MODELS[name]).items()}
    return facts


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _minimum(model: Classifier) -> dict[str, int]:
    names = {"minimum_length": "samples", "minimum_frequencies": "frequencies", "minimum_times": "times"}
    return {unit: int(getattr(model, name)) for name, unit in names.items() if hasattr(model, name)}


def _blocks(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the parts a model is made of: its layers, and of a container other than the classifier what it contains."""
    for name, child in model.named_children():
        if isinstance(child, (nn.Sequential, nn.ModuleList, nn.ModuleDict)) and name != "classifier":
            yield from ((f"{name}.{inner}", one) for inner, one in child.named_children())
        else:
            yield name, child


def _layers(model: nn.Module, inputs: Inputs) -> list[dict[str, Any]]:
    counts = count_flops_by_layer(model, inputs)
    shapes = _output_shapes(model, inputs)
    return [
        {
            "layer": name,
            "made_of": _made_of(block),
            "output": shapes.get(name),
            "parameters": _parameters(block),
            # A block that is not called itself computes what its layers do.
            "flops": counts[name] or sum(counts[f"{name}.{leaf}"] for leaf in _leaves(block)),
        }
        for name, block in _blocks(model)
    ]


def _leaves(block: nn.Module) -> Iterator[str]:
    return (name for name, layer in block.named_modules() if name and not list(layer.children()))


def _output_shapes(model: nn.Module, inputs: Inputs) -> dict[str, list[int]]:
    """Return the shape after the batch of what each block that was called puts out."""
    shapes: dict[str, list[int]] = {}
    shadow = copy.deepcopy(model).to("meta").eval()

    def note(name: str, output: Any) -> None:  # noqa: ANN401 - a tensor, or several of which the first counts
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor):
            shapes[name] = list(first.shape[1:])

    for name, block in _blocks(shadow):
        block.register_forward_hook(lambda _, __, output, name=name: note(name, output))
    with torch.no_grad():
        shadow(inputs.to("meta") if isinstance(inputs, Tensor) else {k: one.to("meta") for k, one in inputs.items()})
    return shapes


def _made_of(block: nn.Module) -> str:
    """Return the kinds of layers in a block, in order, repetitions as a number.

    >>> _made_of(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.ReLU()))
    '2 Linear, ReLU'
    """
    if not isinstance(block, nn.Sequential):
        return type(block).__name__.lstrip("_")
    kinds: list[tuple[str, int]] = []
    for layer in block:
        kind = f"({_made_of(layer)})" if isinstance(layer, nn.Sequential) else _made_of(layer)
        if kinds and kinds[-1][0] == kind:
            kinds[-1] = (kind, kinds[-1][1] + 1)
        else:
            kinds.append((kind, 1))
    return ", ".join(kind if number == 1 else f"{number} {kind}" for kind, number in kinds)
