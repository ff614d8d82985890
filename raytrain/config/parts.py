"""Every part that a configuration can name, and whether what it says of them can be met."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.build import AUGMENTATIONS, create_augmentation
from raytrain.callbacks.build import CALLBACKS
from raytrain.config.schema import Part, TrainConfig
from raytrain.errors import ConfigError, nearest
from raytrain.losses.build import LOSSES
from raytrain.models.build import MODELS
from raytrain.models.build import create_model as create_network
from raytrain.optim.build import OPTIMIZERS, SCHEDULES
from raytrain.tfr.build import TRANSFORMS, create_transform

__all__ = ["TABLES", "augmentation_steps", "check_parts", "settings_of"]


def _no_transform() -> None:
    """No transform: the model sees the signal itself."""


TABLES: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "model": MODELS,
    "loss": LOSSES,
    "augmentation": AUGMENTATIONS,
    "tfr": {"none": _no_transform, **TRANSFORMS},
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "callbacks": CALLBACKS,
}
"""Field of `TrainConfig` -> name of a part -> what makes it."""

_UNMIXED = ("physics_informed", "supcon")
"""Losses that need one class per sample."""


def settings_of(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return what can be set of a part: its parameters with a default; those without are given by the run."""
    parameters = inspect.signature(part, eval_str=True).parameters
    return {name: one for name, one in parameters.items() if one.default is not one.empty}


def augmentation_steps(config: TrainConfig) -> list[Augmentation]:
    """Return the augmentations of a run, in order.

    Raises:
        ConfigError: A setting of one is impossible.
    """
    whole = create_augmentation(config.augmentation.name, settings=config.augmentation.settings)
    return list(getattr(whole, "steps", [whole]))


def check_parts(config: TrainConfig) -> None:
    """Check the name of each part and its settings against the part's own signature, and that the parts fit together.

    Raises:
        ConfigError: One report of every unknown name, unknown setting and value of the wrong type; or of parts that
            cannot work together; or what a part itself refuses.
    """
    if problems := [problem for field, part in _named_parts(config) for problem in _part_problems(field, part)]:
        raise ConfigError("\n  ".join(problems))
    if problems := list(_combination_problems(config)):
        raise ConfigError("\n  ".join(problems))
    _check_model(config)


def _named_parts(config: TrainConfig) -> Iterator[tuple[str, Part]]:
    yield from ((field, part) for field in TABLES if isinstance(part := getattr(config, field), Part))
    yield from (("callbacks", Part(name=name, **settings)) for name, settings in config.callbacks.items())
    steps = config.augmentation.settings.get("steps") if config.augmentation.name == "compose" else None
    if isinstance(steps, list):
        named = (step for step in steps if isinstance(step, Mapping) and isinstance(step.get("name"), str))
        yield from (("augmentation", Part.model_validate(step)) for step in named)


def _part_problems(field: str, part: Part) -> Iterator[str]:
    table = TABLES[field]
    if part.name not in table:
        where = field if field == "callbacks" else f"{field}.name"
        yield f"{where}: '{part.name}' is unknown; {nearest(part.name, table)}"
        return
    prefix = f"callbacks.{part.name}" if field == "callbacks" else field
    settings = settings_of(table[part.name])
    for name in [name for name in part.settings if name not in settings]:
        yield f"{prefix}.{name}: '{part.name}' has no such setting; {nearest(name, settings)}"
    given = {name: value for name, value in part.settings.items() if name in settings}
    try:
        # As JSON, where strict takes a list for a tuple and 1 for 1.0 but not "1" for 1: the part gets what was given.
        _checker(field, part.name, tuple(given)).model_validate_json(json.dumps(given, default=str))
    except ValidationError as error:
        for problem in error.errors():
            yield f"{prefix}.{'.'.join(map(str, problem['loc']))}: {problem['msg']} (got {problem['input']!r})"


@lru_cache(maxsize=512)
def _checker(field: str, name: str, given: tuple[str, ...]) -> type[BaseModel]:
    settings = settings_of(TABLES[field][name])
    fields: dict[str, Any] = {one: (settings[one].annotation, ...) for one in given}
    return create_model(f"{name} settings", __config__=ConfigDict(strict=True), **fields)


def _combination_problems(config: TrainConfig) -> Iterator[str]:
    imaged = config.tfr.name != "none"
    domain = MODELS[config.model.name].input_domain
    if (domain == "image") != imaged:
        fitting = ", ".join(name for name, one in MODELS.items() if one.input_domain != domain)
        remedy = "tfr: {name: none}" if imaged else "name a transform in tfr"
        taker = f"'{config.model.name}' takes {domain}s"
        yield f"model.name: {taker}, and tfr is '{config.tfr.name}'; {remedy}, or use {fitting}"
    if imaged and config.loss.name == "physics_informed":
        yield f"loss.name: 'physics_informed' looks at signals, and tfr '{config.tfr.name}' makes images; use tfr none"
    for step in augmentation_steps(config):
        name = type(step).__name__
        if step.domain == "image" and not imaged:
            yield f"augmentation: {name} is for time-frequency images; name a transform in tfr"
        if step.mixes_labels and config.loss.name in _UNMIXED:
            yield f"augmentation: {name} mixes classes, and loss '{config.loss.name}' needs one class per sample"


def _check_model(config: TrainConfig) -> None:
    """Let the model itself refuse impossible settings and windows; on the meta device it holds no memory."""
    with torch.device("meta"):
        model: Any = create_network(config.model.name, in_channels=1, num_classes=2, settings=config.model.settings)
    length, taker = config.windows.length, f"model '{config.model.name}' with these settings"
    if config.tfr.name == "none":
        shortest = model.minimum_length
        if length < shortest:
            raise ConfigError(f"windows.length: {length} samples are too few for {taker}, which needs {shortest}")
        return
    rows, columns = _image_shape(config)
    least = (model.minimum_frequencies, model.minimum_times)
    if rows < least[0] or columns < least[1]:
        raise ConfigError(
            f"windows.length: the image of {length} samples has {rows} frequencies and {columns} times, too few for "
            f"{taker}, which needs {least[0]} and {least[1]}; change tfr, or windows.length"
        )


def _image_shape(config: TrainConfig) -> tuple[int, int]:
    """Return rows and columns of the images, which no rate or limit in Hz changes."""
    settings = {name: value for name, value in config.tfr.settings.items() if not name.endswith("_hz")}
    return create_transform(config.tfr.name, sample_rate_hz=1.0, settings=settings).output_shape(config.windows.length)
