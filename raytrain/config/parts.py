"""Every part that a configuration can name, and whether what it says of them can be met."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
from raytrain.tfr.build import IMAGES, TRANSFORMS

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
    if problems := [problem for part in _named_parts(config) for problem in part.problems()]:
        raise ConfigError("\n  ".join(problems))
    if problems := list(combination_problems(config)):
        raise ConfigError("\n  ".join(problems))
    check_model(config)


@dataclass(frozen=True, slots=True)
class _NamedPart:
    """A part that a configuration names: where, in which table, and what it says of it."""

    where: str
    kind: str
    name: str
    settings: Mapping[str, Any]

    def problems(self) -> Iterator[str]:
        table = TABLES[self.kind]
        if self.name not in table:
            where = self.kind if self.kind == "callbacks" else f"{self.where}.name"
            yield f"{where}: '{self.name}' is unknown; {nearest(self.name, table)}"
            return
        known = settings_of(table[self.name])
        for setting in [setting for setting in self.settings if setting not in known]:
            yield f"{self.where}.{setting}: '{self.name}' has no such setting; {nearest(str(setting), known)}"
        given = {setting: value for setting, value in self.settings.items() if setting in known}
        try:
            # As JSON, where strict takes a list for a tuple and 1 for 1.0 but not "1" for 1; the part gets what is set.
            _checker(self.kind, self.name, tuple(given)).model_validate_json(json.dumps(given, default=str))
        except ValidationError as error:
            for problem in error.errors():
                yield f"{self.where}.{'.'.join(map(str, problem['loc']))}: {problem['msg']} (got {problem['input']!r})"


def _named_parts(config: TrainConfig) -> Iterator[_NamedPart]:
    named = {field: part for field in TABLES if isinstance(part := getattr(config, field), Part)}
    yield from (_NamedPart(field, field, part.name, part.settings) for field, part in named.items())
    for name, settings in config.callbacks.items():
        yield _NamedPart(f"callbacks.{name}", "callbacks", name, settings)
    steps = config.augmentation.settings.get("steps") if config.augmentation.name == "compose" else None
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, Mapping) and isinstance(chosen := step.get("name"), str):
            settings = {setting: value for setting, value in step.items() if setting != "name"}
            yield _NamedPart("augmentation", "augmentation", chosen, settings)
    for view, settings in config.tfr.settings.items() if config.tfr.name == "views" else ():
        if view in IMAGES and isinstance(settings, Mapping):
            yield _NamedPart(f"tfr.{view}", "tfr", view, settings)


@lru_cache(maxsize=512)
def _checker(kind: str, name: str, given: tuple[str, ...]) -> type[BaseModel]:
    settings = settings_of(TABLES[kind][name])
    fields: dict[str, Any] = {one: (settings[one].annotation, ...) for one in given}
    return create_model(f"{name} settings", __config__=ConfigDict(strict=True), **fields)
