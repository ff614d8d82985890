"""`raytrain results`: the report of an earlier sweep again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["results"]


def results(
    run: Annotated[Path, typer.Argument(help="The folder of a sweep, such as runs/quick-20260101-120000.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print result.json instead.")] = False,
) -> None:
    """Print the leaderboard and the winner of an earlier sweep again."""
    from raytrain.cli.data_tables import make_console
    from raytrain.tuning.report import print_report
    from raytrain.tuning.results import RESULT_FILE, load_result

    result = load_result(run)
    if as_json:
        typer.echo((run / RESULT_FILE).read_text(encoding="utf-8"), nl=False)
    else:
        print_report(result, make_console())
