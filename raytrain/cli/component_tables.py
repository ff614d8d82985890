"""What is written about components: a line for each of all, or all about one."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from raytrain.config.load import dump_settings
from raytrain.config.parts import TABLES, settings_of
from raytrain.config.schema import METRICS
from raytrain.errors import ConfigError, nearest
from raytrain.physics.catalogue import BEARINGS

__all__ = ["print_component", "print_components"]

_METRIC_LINES = {
    "val/loss": "Mean of the objective over windows.",
    "val/accuracy": "Share of windows whose class is found.",
    "val/balanced_accuracy": "Mean recall over classes, by windows.",
    "val/macro_f1": "Mean F1 over classes, by windows.",
    "val/expected_calibration_error": "How far the stated probabilities are from the shares that come true.",
    "val/recording_accuracy": "Share of recordings whose class wins the vote of their windows.",
    "val/recording_macro_f1": "Mean F1 over classes, by the votes of recordings.",
}
_KINDS = (*TABLES, "metric", "bearing")


def print_components(console: Console, *, kind: str | None) -> None:
    """Print a line for every component, of one kind or of all."""
    for one in _kinds(kind):
        table = Table(title=one, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("name", no_wrap=True)
        table.add_column("what it is", ratio=2)
        table.add_column("settings", ratio=3)
        for row in _rows(one):
            table.add_row(*row)
        console.print(table)
    console.print("raytrain components NAME says more of one.", style="dim")


def print_component(console: Console, name: str, *, kind: str | None) -> None:
    """Print all about the components called `name`.

    Raises:
        ConfigError: There is none.
    """
    kinds = [one for one in _kinds(kind) if name in _names(one)]
    if not kinds:
        known = sorted({known for one in _kinds(kind) for known in _names(one)})
        raise ConfigError(f"there is no component '{name}'; {nearest(name, known)}")
    for one in kinds:
        if one not in TABLES:
            console.print(f"{name} ({one}): " + " ".join(next(row for row in _rows(one) if row[0] == name)[1:]))
            continue
        part = TABLES[one][name]
        description, settings_text = _split_docstring(inspect.getdoc(part) or "")
        console.print(f"{name} ({one})\n", style="bold")
        console.print(f"{description}\n")
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for heading in ("setting", "type", "default", "meaning"):
            table.add_column(heading, no_wrap=heading == "setting")
        for setting, parameter in settings_of(part).items():
            meaning = settings_text.get(setting, "")
            table.add_row(setting, _type_text(parameter.annotation), _value_text(parameter.default), meaning)
        console.print(table if table.row_count else "It has no settings.")
        console.print(f"In a configuration:\n\n{_example(one, name, part)}")


def _kinds(kind: str | None) -> tuple[str, ...]:
    if kind is None:
        return _KINDS
    if kind not in _KINDS:
        raise ConfigError(f"--kind: there is no kind '{kind}'; {nearest(kind, _KINDS)}")
    return (kind,)


def _names(kind: str) -> Collection[str]:
    return {"metric": METRICS, "bearing": BEARINGS}.get(kind) or TABLES[kind]


def _rows(kind: str) -> Iterator[tuple[str, str, str]]:
    if kind == "metric":
        yield from ((name, _METRIC_LINES[name], f"better when {METRICS[name]}imal") for name in METRICS)
    elif kind == "bearing":
        for name, bearing in BEARINGS.items():
            orders = ", ".join(f"{key} {value:.4f}" for key, value in bearing.fault_orders().items())
            yield name, f"{bearing.rolling_elements} rolling elements; multiples of the shaft frequency:", orders
    else:
        for name, part in sorted(TABLES[kind].items()):
            settings = (f"{key}={_value_text(one.default)}" for key, one in settings_of(part).items())
            yield name, (inspect.getdoc(part) or "").partition("\n\n")[0].replace("\n", " "), ", ".join(settings)


def _split_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return what stands before `Args:` or a doctest, and the meaning of each argument."""
    sections = re.split(r"^(Args|Attributes|Raises|Returns|Yields):\n", text, flags=re.MULTILINE)
    description = re.split(r"^>>> ", sections[0], maxsplit=1, flags=re.MULTILINE)[0].strip()
    arguments = dict(zip(sections[1::2], sections[2::2], strict=True)).get("Args", "")
    found = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", arguments, flags=re.MULTILINE)
    return description, {name: re.sub(r"\s+", " ", meaning).strip() for name, meaning in found}


def _type_text(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    """Return an annotation as it is written in code.

    >>> _type_text(Literal["none", "balanced"] | None)
    'none, balanced or null'
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ", ".join(map(str, arguments))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_text(one) for one in arguments)
    if annotation is types.NoneType:
        return "null"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping"
    if origin is not None:
        return f"list of {', '.join(_type_text(one) for one in arguments if one is not Ellipsis)}"
    return {float: "number", int: "integer", bool: "true or false", str: "text"}.get(annotation, str(annotation))


def _value_text(value: Any) -> str:  # noqa: ANN401 - any default
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _example(kind: str, name: str, part: Callable[..., Any]) -> str:
    defaults = {key: one.default for key, one in settings_of(part).items()}
    content = {name: defaults} if kind == "callbacks" else {"name": name, **defaults}
    return dump_settings({kind: content})
