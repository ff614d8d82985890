"""Tables of models and of their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from raytrain.cli.component_tables import print_component

__all__ = ["print_model", "print_models"]

_FOOTNOTE = (
    "FLOPs: floating-point operations for one window, a multiplication and an addition being two: convolutions, matrix "
    "products, recurrent layers, attention and Fourier transforms of the model; not normalisation, activation and "
    "pooling, and not the time-frequency transform before an image model."
)
_TAKES = {
    "signal": "signal",
    "image": "image (tfr)",
    "views": "images (tfr: views)",
    "signal_and_conditions": "signal, conditions",
}


def print_models(console: Console, every: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each of the models that `describe` told of."""
    window = every[0]["window"]
    table = _table(_title("Models", window))
    table.add_column("model", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("FLOPs", justify="right", no_wrap=True)
    table.add_column("takes", no_wrap=True)
    table.add_column("at least", justify="right", no_wrap=True)
    table.add_column("length", overflow="fold")
    for facts in every:
        table.add_row(
            facts["name"],
            _grouped(facts["parameters"]),
            "too short" if facts["flops"] is None else _millions(facts["flops"]),
            _TAKES[facts["input_domain"]],
            _minimum(facts["minimum"]),
            _length_rule(facts),
        )
    console.print(table)
    console.print(f"{_FOOTNOTE}\nraytrain models NAME shows the layers of one.", style="dim")


def print_model(console: Console, facts: Mapping[str, Any]) -> None:
    """Print all about one model: what it is, its settings, its size and its layers."""
    print_component(console, facts["name"], kind="model")
    if facts["problem"]:
        console.print(f"No layers to show: {facts['problem']}", style="yellow")
        return
    table = _table(_title("Layers", facts["window"]))
    table.add_column("layer", no_wrap=True)
    table.add_column("made of", overflow="fold")
    for heading in ("output", "parameters", "FLOPs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in facts["layers"]:
        size = " x ".join(map(str, layer["output"] or ())) or "-"
        table.add_row(layer["layer"], layer["made_of"], size, _grouped(layer["parameters"]), _millions(layer["flops"]))
    table.add_section()
    table.add_row("all", "", "", _grouped(facts["parameters"]), _millions(facts["flops"]), style="bold")
    console.print(table)
    taken = "; ".join(f"{name} {' x '.join(map(str, size))}" for name, size in facts["inputs"].items())
    console.print(f"It takes {taken} of each window; minimum: {_minimum(facts['minimum'])}; {_length_rule(facts)}.")
    console.print(_FOOTNOTE, style="dim")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)


def _title(what: str, window: Mapping[str, int]) -> str:
    channels = f"{window['channels']} channel" + ("s" if window["channels"] > 1 else "")
    return f"{what}, for a window of {window['length']} samples, {channels}, {window['classes']} classes, at defaults"


def _minimum(minimum: Mapping[str, int]) -> str:
    if "samples" in minimum:
        return f"{minimum['samples']} samples"
    return f"{minimum['frequencies']} x {minimum['times']} image"


def _length_rule(facts: Mapping[str, Any]) -> str:
    length = "any length" if facts["any_length"] else "as trained"
    return f"{length}, {facts['length_rule']}" if facts["length_rule"] else length


def _grouped(number: int) -> str:
    """Return a number with its thousands apart.

    >>> _grouped(1234567)
    '1 234 567'
    """
    return f"{number:,}".replace(",", " ")


def _millions(number: int) -> str:
    """Return a number in millions, to three digits where it has them.

    >>> _millions(22_006_272), _millions(3_071_440), _millions(850)
    ('22.0 M', '3.07 M', '0.00085 M')
    """
    return f"{number / 1e6:#.3g} M" if number >= 1000 else f"{number / 1e6:.2g} M"
