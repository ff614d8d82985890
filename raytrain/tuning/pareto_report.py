"""The Pareto front of a sweep with several objectives as a person reads it."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raytrain.config.space import OBJECTIVES
from raytrain.tuning.results import SweepResult
from raytrain.tuning.space import describe_point
from raytrain.tuning.standings import pareto_standings

__all__ = ["print_pareto"]

_ROWS = 15


def print_pareto(result: SweepResult, console: Console) -> None:
    """Print the trials that no other beats in everything, best metric first; nothing where there is one objective."""
    objectives = list(dict.fromkeys(name for trial in result.trials for name in trial.objectives))
    standings = pareto_standings(result.trials, metric=result.metric, objectives=objectives) if objectives else []
    sign = -1.0 if OBJECTIVES[result.metric] == "max" else 1.0
    front = sorted((one for one in standings if one.on_front), key=lambda one: sign * one.values[0])
    if not front:
        return
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("trial", justify="right", no_wrap=True)
    named = (result.metric, *objectives)
    for name in named:
        table.add_column(name.replace("/", "\n"), justify="right", no_wrap=True)
    table.add_column("settings", overflow="fold")
    winner = None if result.best is None else result.best.trial
    for one in front[:_ROWS]:
        style = "bold green" if one.record.number == winner else ""
        cells = map(_number, one.values)
        table.add_row(str(one.record.number), *cells, Text(describe_point(one.record.point)), style=style)
    console.print()
    counts = f": {len(front)} of {len(standings)} trials, which none beats in everything"
    console.print(Text.assemble(("Pareto front", "bold"), counts))
    console.print(table)
    more = f"; {len(front) - _ROWS} more in trials.csv" if len(front) > _ROWS else ""
    wanted = ", ".join(f"{'more' if OBJECTIVES[name] == 'max' else 'less'} {name}" for name in named)
    console.print(f"  better: {wanted}{more}", style="dim", highlight=False, markup=False)


def _number(value: float) -> str:
    """Return a score with four places, a count whole.

    >>> _number(0.98765), _number(54070.0)
    ('0.9877', '54 070')
    """
    return f"{value:,.0f}".replace(",", " ") if float(value).is_integer() and abs(value) > 1 else f"{value:.4f}"
