"""`raytrain models`: the size of every model, what it computes per window, and what inputs it takes."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["models"]


def models(
    name: Annotated[str | None, typer.Argument(help="One, e.g. wdcnn; without it, all in a line each.")] = None,
    length: Annotated[int, typer.Option(min=1, help="Samples of the window that is computed.")] = 2048,
    channels: Annotated[int, typer.Option(min=1, help="Channels of the signal.")] = 1,
    classes: Annotated[int, typer.Option(min=2, help="Classes told apart.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """List the models: parameters, operations per window, inputs; or one of them by its layers."""
    import json
    from functools import partial

    from raytrain.cli.data_tables import make_console
    from raytrain.cli.model_facts import describe
    from raytrain.cli.model_tables import print_model, print_models
    from raytrain.models.build import MODELS

    told = partial(describe, length=length, channels=channels, classes=classes)
    if name is not None:
        facts = told(name, layers=True)
        if as_json:
            typer.echo(json.dumps(facts, indent=2))
        else:
            print_model(make_console(), facts)
        return
    every = [told(one) for one in sorted(MODELS)]
    if as_json:
        typer.echo(json.dumps(every, indent=2))
    else:
        print_models(make_console(), every)
