"""Options that `tune` and `train` share, and what they override in a configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

from raytrain.cli.options import parse_where
from raytrain.errors import ConfigError

__all__ = [
    "AddressOption",
    "AllowLeakageOption",
    "BlockClassOption",
    "ChannelOption",
    "DataOption",
    "DatasetOption",
    "NameOption",
    "RunsDirOption",
    "SetOption",
    "SplitOption",
    "SplitTestOption",
    "SplitTrainOption",
    "SplitValidationOption",
    "TargetOption",
    "WhereOption",
    "data_overrides",
    "seconds",
]

_DATA, _OUTPUT = "Data", "Run"

DataOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="A folder of recordings with a manifest.csv, or embedded: rolling, journal.",
        rich_help_panel=_DATA,
    ),
]
DatasetOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Only recordings of this data set; repeatable.", rich_help_panel=_DATA),
]
WhereOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="Only recordings with field=value[,value], e.g. severity=7,14,21; repeatable.",
        rich_help_panel=_DATA,
    ),
]
ChannelOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Only this channel; repeatable. Those all recordings share when absent.", rich_help_panel=_DATA),
]
TargetOption: TypeAlias = Annotated[
    Literal["fault_type", "label"] | None, typer.Option(help="What is predicted.", rich_help_panel=_DATA)
]
SplitOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="by-recording, by-block, by-load, by-severity, by-bearing, by-dataset (or random: leaks).",
        rich_help_panel=_DATA,
    ),
]
SplitTrainOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--train", help="Groups to train on, e.g. 7,14; all others when absent.", rich_help_panel=_DATA),
]
SplitValidationOption: TypeAlias = Annotated[
    str | None, typer.Option("--validation", help="Groups to validate on.", rich_help_panel=_DATA)
]
SplitTestOption: TypeAlias = Annotated[
    str | None, typer.Option("--test", help="Groups to test on, e.g. 21.", rich_help_panel=_DATA)
]
BlockClassOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="A class with too few groups that may be cut by time instead; repeatable.", rich_help_panel=_DATA
    ),
]
AllowLeakageOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--allow-leakage", help="Permit --split random, and mark all results as leaky.", rich_help_panel=_DATA
    ),
]
AddressOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="host:port of an existing Ray cluster; RAY_ADDRESS or a local one when absent.",
        rich_help_panel=_OUTPUT,
    ),
]
SetOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Override any field of the YAML; repeatable.",
        rich_help_panel=_OUTPUT,
    ),
]
NameOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Name of the run; made from the time when absent.", rich_help_panel=_OUTPUT)
]
RunsDirOption: TypeAlias = Annotated[Path, typer.Option(help="Where runs are kept.", rich_help_panel=_OUTPUT)]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def data_overrides(
    *,
    source: str | None,
    dataset: list[str] | None,
    where: list[str] | None,
    channel: list[str] | None,
    target: str | None,
    rule: str | None,
    train: str | None,
    validation: str | None,
    test: str | None,
    block_class: list[str] | None,
    allow_leakage: bool,
) -> dict[str, Any]:
    """Return the dotted fields of a run that the options given replace.

    Recordings and split belong together: naming another source drops the YAML's selection and split settings.
    """
    replaced: dict[str, Any] = {} if source is None else {"data": {"source": source}}
    values = {
        "data.dataset": dataset,
        "data.where": parse_where(where) if where else None,
        "data.channels": channel,
        "data.target": target,
        "data.split.rule": rule,
        "data.split.train": _groups("--train", train),
        "data.split.validation": _groups("--validation", validation),
        "data.split.test": _groups("--test", test),
        "data.split.block_classes": block_class,
        "data.split.allow_leakage": allow_leakage or None,
    }
    return replaced | {field: value for field, value in values.items() if value is not None}


def seconds(duration: str) -> float:
    """Read a duration such as 90s, 20m or 1.5h.

    Raises:
        ConfigError: It is none.

    >>> seconds("20m"), seconds("1.5h"), seconds("45")
    (1200.0, 5400.0, 45.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)", duration.strip())
    if match is None:
        raise ConfigError(f"--time-budget {duration}: expected a number with s, m or h, for example 90s, 20m, 2h")
    return float(match[1]) * _UNITS[match[2]]


def _groups(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    groups = [group.strip() for group in text.split(",") if group.strip()]
    if not groups:
        raise ConfigError(f"{option} {text!r}: expected groups separated by commas, for example 7,14")
    return groups
