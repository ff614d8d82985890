"""Read configurations from YAML, override them by dotted fields, and report everything wrong with them at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from raytrain.errors import ConfigError, nearest

__all__ = ["apply_overrides", "dump_settings", "dump_yaml", "load_yaml", "parse_overrides", "validate"]

Model = TypeVar("Model", bound=BaseModel)

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Safe YAML in which 1e-3 is a number (YAML 1.1 asks for 1.0e-3) and a repeated key is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        # A merge key (`<<: *defaults`) stands for the keys of another mapping, which those given here override.
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.constructor.ConstructorError(
                None, None, f"key given twice: {', '.join(repeated)}", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
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
    content = _parsed(text, where=str(path))
    if not isinstance(content, dict):
        got = "nothing" if content is None else type(content).__name__
        raise ConfigError(f"{path}: expected a mapping of fields to values, got {got}")
    return content


def dump_yaml(config: BaseModel) -> str:
    """Return a configuration as YAML that `load_yaml` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def dump_settings(settings: Mapping[str, Any]) -> str:
    """Return plain settings as YAML, tuples as lists.

    >>> print(dump_settings({"optimizer": {"name": "sgd", "lr": 0.01}}), end="")
    optimizer: {name: sgd, lr: 0.01}
    """
    return yaml.safe_dump(json.loads(json.dumps(settings)), sort_keys=False, default_flow_style=None, width=100)


def parse_overrides(assignments: list[str]) -> dict[str, Any]:
    """Turn `["optimizer.lr=1e-3", "windows.length=4096"]` into a mapping of dotted field to value.

    >>> parse_overrides(["optimizer.lr=1e-3", "model.name=cnn1d", "max_grad_norm=null"])
    {'optimizer.lr': 0.001, 'model.name': 'cnn1d', 'max_grad_norm': None}
    """
    overrides: dict[str, Any] = {}
    for assignment in assignments:
        field, equals, value = assignment.partition("=")
        if not equals or not field.strip():
            raise ConfigError(f"--set {assignment}: expected field=value, e.g. optimizer.lr=1e-3")
        overrides[field.strip()] = _parsed(value, where=f"--set {assignment}")
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


def _parsed(text: str, *, where: str) -> Any:  # noqa: ANN401 - any YAML value
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        problem = " ".join(str(error).replace('"<unicode string>", ', "").split())
        raise ConfigError(f"{where}: is not valid YAML: {problem}") from error


def _copied(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, dict) else value


def _line(model: type[BaseModel], problem: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, a loose dict
    path, kinds = _trace(model, problem["loc"])
    field, got = ".".join(path) or "(whole)", problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return f"{field}: unknown field; {nearest(path[-1], kinds[0].model_fields)}"
        case "union_tag_not_found":
            return f"{field}: needs a type; {nearest('', _tags(kinds))}"
        case "union_tag_invalid":
            return f"{field}.type: '{got['type']}' is unknown; {nearest(str(got['type']), _tags(kinds))}"
        case "model_type" | "model_attributes_type":
            return f"{field}: expected a mapping of fields to values (got {got!r})"
    message = problem["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(got, Mapping | BaseModel) or problem["type"] == "missing" else f" (got {got!r})"
    return f"{field}: {message}{shown}"


def _trace(model: type[BaseModel], location: Sequence[str | int]) -> tuple[list[str], list[type[BaseModel]]]:
    """Return a location as the user wrote it, without pydantic's tags of unions, and the models it lies in.

    These are the models the value may be, or, where it is none, those of the value it is a field or an item of.
    """
    path: list[str] = []
    kinds = [model]
    for step in location:
        tagged = [kind for kind in kinds if _tag(kind) == step]
        if tagged:
            kinds = tagged
            continue
        path.append(str(step))
        fields = [kind.model_fields[step] for kind in kinds if isinstance(step, str) and step in kind.model_fields]
        kinds = [inner for field in fields for inner in _models(field.annotation)] or kinds
    return path, kinds


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type expression
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _tag(kind: type[BaseModel]) -> str | None:
    field = kind.model_fields.get("type")
    return get_args(field.annotation)[0] if field is not None else None


def _tags(kinds: Sequence[type[BaseModel]]) -> list[str]:
    return [tag for kind in kinds if (tag := _tag(kind)) is not None]
