"""Read configurations from YAML, override them by dotted fields, and report everything wrong with them at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from raytrain.errors import ConfigError, nearest

__all__ = ["apply_overrides", "dump_yaml", "load_yaml", "parse_overrides", "validate"]

Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number (YAML 1.1 asks for 1.0e-3) and a repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.constructor.ConstructorError(
                None, None, f"key given twice: {', '.join(repeated)}", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping a YAML file holds.

    Raises:
        ConfigError: The file is absent, is not YAML, or is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    return _mapping(text, where=str(path))


def dump_yaml(config: BaseModel) -> str:
    """Return a configuration as YAML that `load_yaml` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def parse_overrides(assignments: list[str]) -> dict[str, Any]:
    """Turn `["optimizer.lr=1e-3", "windows.length=4096"]` into a mapping of dotted field to value.

    >>> parse_overrides(["optimizer.lr=1e-3", "model.name=cnn1d", "max_grad_norm=null"])
    {'optimizer.lr': 0.001, 'model.name': 'cnn1d', 'max_grad_norm': None}
    """
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        field, equals, value = assignment.partition("=")
        if not equals or not field:
            raise ConfigError(f"--set {assignment}: expected field=value, e.g. optimizer.lr=1e-3")
        overrides |= _mapping(f"{field.strip()}: {value}", where=f"--set {assignment}")
    return overrides


def apply_overrides(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested `settings` with dotted fields replaced.

    >>> apply_overrides({"optimizer": {"name": "adamw"}}, {"optimizer.lr": 0.1, "epochs": 3})
    {'optimizer': {'name': 'adamw', 'lr': 0.1}, 'epochs': 3}
    """
    result = {key: _copied(value) for key, value in settings.items()}
    for field, value in overrides.items():
        *path, last = field.split(".")
        level = result
        for key in path:
            if level.get(key) is None:
                level[key] = {}
            level = level[key]
            if not isinstance(level, dict):
                raise ConfigError(f"{field}: '{key}' is a single value and has no field below it")
        level[last] = _copied(value)
    return result


def validate(model: type[Model], settings: Mapping[str, Any], *, where: str) -> Model:
    """Return `settings` as `model`.

    Raises:
        ConfigError: One report of every field that breaks a rule, with the nearest valid name of unknown ones.
    """
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        lines = [_line(model, problem) for problem in error.errors()]
        count = f"{len(lines)} problems" if len(lines) > 1 else "1 problem"
        raise ConfigError(f"{where}: {count}\n" + "\n".join(f"  {line}" for line in lines)) from error


def _mapping(text: str, *, where: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected a mapping of fields to values, got {type(content).__name__}")
    return content


def _copied(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, dict) else value


def _line(model: type[BaseModel], problem: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, a loose dict
    location = [str(part) for part in problem["loc"]]
    field = ".".join(location) or "(whole)"
    if problem["type"] == "extra_forbidden":
        owner = _owner(model, list(problem["loc"][:-1]))
        hint = nearest(location[-1], owner.model_fields) if owner else ""
        return f"{field}: unknown field; {hint}"
    message = problem["msg"].removeprefix("Value error, ")
    got = problem["input"]
    shown = "" if isinstance(got, Mapping | BaseModel) or problem["type"] == "missing" else f" (got {got!r})"
    return f"{field}: {message}{shown}"


def _owner(model: type[BaseModel], location: list[Any]) -> type[BaseModel] | None:
    """Return the model whose field list the last step of `location` is checked against."""
    for step in location:
        if step in model.model_fields:
            candidates = list(_models(model.model_fields[step].annotation))
            if not candidates:
                return None
            model = candidates[0]
            variants = candidates
        else:
            # A key of a mapping, or the tag pydantic adds for a discriminated union.
            model = next((kind for kind in variants if _tag(kind) == step), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type expression
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _tag(kind: type[BaseModel]) -> str | None:
    field = kind.model_fields.get("type")
    return get_args(field.annotation)[0] if field is not None else None
