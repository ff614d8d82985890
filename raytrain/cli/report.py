"""`raytrain report`: a sweep explained in one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a sweep, such as runs/quick-20260101-120000.")],
    output: Annotated[
        Path | None, typer.Option(help="The file to write; report.html in the run's folder when absent.")
    ] = None,
) -> None:
    """Write one HTML file that explains a sweep: it needs no network, and opens in any browser.

    Also of a sweep that still runs or was killed, as far as it got.
    """
    from raytrain.tuning.study import Study

    study = Study.from_run(run)
    path = study.report(output)
    if study.note:
        typer.secho(study.note, fg="yellow", err=True)
    typer.echo(path)
