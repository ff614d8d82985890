"""The `raytrain` command. Subcommands import what they need when they run, so that help is instant."""

from __future__ import annotations

import errno
import sys
from typing import Annotated, NoReturn

import typer

from raytrain.cli.components import components
from raytrain.cli.data import data_app
from raytrain.cli.gallery import gallery
from raytrain.cli.models import models
from raytrain.cli.report import report
from raytrain.cli.results import results
from raytrain.cli.train import train
from raytrain.cli.tune import tune
from raytrain.errors import RaytrainError

__all__ = ["app", "main"]

_TYPER_INTERRUPTED = 130  # typer's own exit code for Ctrl-C

app = typer.Typer(
    help="Train and tune deep models that diagnose bearing faults from vibration, honestly.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")
app.command()(tune)
app.command()(train)
app.command()(results)
app.command()(report)
app.command()(components)
app.command()(models)
app.command()(gallery)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"raytrain {version('raytrain')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - acted on by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    _State.debug = debug


class _State:
    debug = False


def main() -> NoReturn:
    """Run the command; exit with 0, 2 for a request that cannot be met as asked, 1 for a failure."""
    try:
        app(standalone_mode=True)
    except RaytrainError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _fail(_system_error(error), 1)
    except SystemExit as ended:
        if ended.code != _TYPER_INTERRUPTED:
            raise
        _fail("interrupted; nothing more is written", 1)
    sys.exit(0)


def _system_error(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"disk full{where}: free some space, or choose another --runs-dir; what was written before is kept"
    return f"{error.strerror or error}{where}; `raytrain --debug ...` shows where this happened"


def _fail(message: str, code: int) -> NoReturn:
    if _State.debug:
        raise  # noqa: PLE0704 - within main's handlers
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(message, err=True)
    sys.exit(code)
