"""Every part that a configuration can name, and whether what it says of them can be met."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from raytrain.augment.build import AUGMENTATIONS, RESIZES
from raytrain.callbacks.build import CALLBACKS
from raytrain.config.combinations import check_model, combination_problems
from raytrain.config.paradigms import PARADIGMS
from raytrain.config.schema import Part, TrainConfig
from raytrain.errors import ConfigError, nearest
from raytrain.losses.build import DISTILLATIONS, LOSSES, PHYSICS
from raytrain.models.build import MODELS
from raytrain.optim.build import OPTIMIZERS, SCHEDULES
from raytrain.tfr.build import TRANSFORMS

__all__ = ["TABLES", "check_parts", "settings_of"]


def _no_transform() -> None:
    """No transform: the model sees the signal itself."""


def _no_physics() -> None:
    """No physics: the loss alone."""


def _no_teacher() -> None:
    """No teacher: the loss alone."""


def _no_resize() -> None:
    """No resizing: windows have the same length throughout."""


TABLES: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "paradigm": PARADIGMS,
    "model": MODELS,
    "loss": LOSSES,
    "physics": {"none": _no_physics, **PHYSICS},
    "distillation": {"none": _no_teacher, **DISTILLATIONS},
    "augmentation": AUGMENTATIONS,
    "resize": {"none": _no_resize, **RESIZES},
    "tfr": {"none": _no_transform, **TRANSFORMS},
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "callbacks": CALLBACKS,
}
"""Field of `TrainConfig` -> name of a part -> what makes it."""


def settings_of(part: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return what can be set of a part: its parameters with a default; those without are given by the run."""
    parameters = inspect.signature(part, eval_str=True).parameters
    return {name: one for name, one in parameters.items() if one.default is not one.empty}


def check_parts(config: TrainConfig) -> None:
    """Check the name of each part and its settings against the part's own signature, and that the parts fit together.

    Raises:
        ConfigError: One report of every unknown name, unknown setting and value of the wrong type; or of parts that
            cannot work together; or what a part itself refuses.
    """
    if problems := [problem for field, part in _named_parts(config) for problem in _part_problems(field, part)]:
        raise ConfigError("\n  ".join(problems))
    if problems := list(combination_problems(config)):
        raise ConfigError("\n  ".join(problems))
    check_model(config)


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
