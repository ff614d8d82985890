"""`raytrain components`: every part that a configuration can name, and what can be set of it."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["components"]


def components(
    name: Annotated[str | None, typer.Argument(help="One, e.g. focal; without it, all in a line each.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(help="Only one kind: model, loss, augmentation, tfr, ..."),
    ] = None,
) -> None:
    """List what a configuration can name: models, losses, augmentation, schedules, callbacks, metrics, bearings."""
    from raytrain.cli.component_tables import print_component, print_components
    from raytrain.cli.data_tables import make_console

    console = make_console()
    if name is None:
        print_components(console, kind=kind)
    else:
        print_component(console, name, kind=kind)
