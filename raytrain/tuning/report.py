"""The end of a sweep as a person reads it: leaderboard, winner, its scores again, confusion, files, command."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raytrain.distributed.judge import Judgement
from raytrain.distributed.train import TrainResult
from raytrain.tuning.results import Best, SweepResult

__all__ = ["print_report", "print_training"]

_ROWS = 15
_ROOMY = 110


def print_report(result: SweepResult, console: Console) -> None:
    """Print everything about a sweep that a reader needs to judge its winner."""
    _print_leaky(console, leaky=result.leaky)
    if result.interrupted:
        console.print(
            "Interrupted: the trials that had ended, and the best epochs of the others, are kept.",
            style="yellow",
        )
    console.print(_summary(result), highlight=False)
    for note in result.notes:
        console.print(f"  split: {note}", style="dim", highlight=False, markup=False)
    console.print(_leaderboard(result, width=console.width))
    for baseline in result.baselines:
        if baseline.skipped:
            console.print(f"  {baseline.name}: not run: {baseline.skipped}", style="dim", highlight=False, markup=False)
    if result.best is None:
        console.print("No trial completed an epoch, so there is no best model.", style="bold red")
    else:
        _print_best(result, result.best, console)
    console.print(f"\n[bold]Files[/]   {result.directory}", highlight=False, soft_wrap=True)
    console.print(Text.assemble(("Repeat", "bold"), f"  {result.command}"), highlight=False, soft_wrap=True)
    console.print(
        Text.assemble(("Again", "bold"), f"   raytrain results {result.directory}"),
        highlight=False,
        soft_wrap=True,
    )


def print_training(result: TrainResult, console: Console) -> None:
    """Print how a single run ended."""
    _print_leaky(console, leaky=result.leaky)
    for note in result.notes:
        console.print(f"  split: {note}", style="dim", highlight=False, markup=False)
    validation, test = result.judgements["validation"], result.judgements["test"]
    console.print(f"\n[bold]Best epoch: {result.best_epoch} of {len(result.history)}[/]", highlight=False)
    console.print(f"  validation part: {_told(validation)}", highlight=False)
    console.print(f"  untouched test part: {_told(test)}", style="bold", highlight=False)
    console.print(_confusion(result.classes, test))
    console.print(f"\n[bold]Files[/]  {result.directory}", highlight=False, soft_wrap=True)


def _summary(result: SweepResult) -> str:
    counts = {
        status: sum(trial.status == status for trial in result.trials) for status in ("finished", "stopped", "failed")
    }
    epochs = sum(len(trial.curve) for trial in result.trials)
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return (
        f"\n[bold]{result.name}[/]: {len(result.trials)} trials by {result.algorithm} in {result.seconds:.0f} s "
        f"({told}; {epochs} epochs)"
    )


def _leaderboard(result: SweepResult, *, width: int) -> Table:
    frame = result.leaderboard()
    title = "Leaderboard: macro-F1 of windows, and of recordings (rec.) by vote" + (" (LEAKY)" if result.leaky else "")
    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("#", "model"):
        table.add_column(heading, no_wrap=True)
    roomy = width >= _ROOMY
    if roomy:
        table.add_column("settings", overflow="fold", ratio=1)
    columns = {
        "val": "val/macro_f1",
        "val\nrec.": "val/recording_macro_f1",
        "test": "test/macro_f1",
        "test\nrec.": "test/recording_macro_f1",
        "refit\ntest": "test_refit/macro_f1",
    }
    if result.metric not in columns.values():
        columns = {result.metric.removeprefix("val/").replace("_", "\n"): result.metric, **columns}
    if (
        result.best is not None
        and result.best.refit_test is None
        and not any(one.refit_test for one in result.baselines)
    ):
        del columns["refit\ntest"]
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    shown = frame[(frame["rank"] <= _ROWS) | (frame["kind"] == "baseline")] if len(frame) else frame
    for row in shown.to_dict("records"):
        style = _row_style(row, result)
        cells = [_number(row.get(key)) for key in columns.values()]
        settings = [str(row["settings"])] if roomy else []
        table.add_row(str(row["rank"]), _name(row), *settings, *cells, style=style)
    hints = ["* ended early"] if (frame["status"] == "stopped").any() else []
    hints += [f"{len(frame) - len(shown)} more in leaderboard.csv"] if len(frame) > len(shown) else []
    hints += ["test: trained on the training part; refit test: on training and validation parts"]
    table.caption, table.caption_justify = "; ".join(hints), "left"
    return table


def _row_style(row: dict[Any, Any], result: SweepResult) -> str:
    if result.best is not None and row["name"] == f"trial {result.best.trial}":
        return "bold green"
    return "cyan" if row["kind"] == "baseline" else ""


def _name(row: dict[Any, Any]) -> str:
    return f"{row['name']}*" if row["status"] == "stopped" else str(row["name"])


def _number(value: Any) -> str:  # noqa: ANN401 - a cell of a table
    return "" if value is None or pd.isna(value) else f"{value:.4f}"


def _print_best(result: SweepResult, best: Best, console: Console) -> None:
    console.print(f"\n[bold]Best: trial {best.trial}, epoch {best.epoch}[/]", highlight=False)
    for name, value in best.point.items():
        console.print(f"  {name}: {value}", highlight=False, markup=False)
    again = best.judgements["validation"].metrics[result.metric]
    if again == best.reported:
        console.print(
            f"  {result.metric} {again:.6f}, the same when its checkpoint is evaluated again", highlight=False
        )
    else:
        console.print(
            f"  {result.metric} was reported as {best.reported:.6f}; its checkpoint evaluated again gives {again:.6f}",
            style="yellow",
            highlight=False,
        )
    test = best.judgements["test"]
    console.print(f"  untouched test part: {_told(test)}", style="bold", highlight=False)
    if best.refit_test is not None:
        console.print(
            f"  trained once more on training and validation parts: {_told(best.refit_test)}", highlight=False
        )
    console.print(_against_baselines(result, test), highlight=False)
    console.print(_confusion(result.classes, test))


def _print_leaky(console: Console, *, leaky: bool) -> None:
    if leaky:
        console.print(
            "LEAKY SPLIT: windows of one recording are in training and test. These scores say nothing about new "
            "recordings (allow_leakage: true).",
            style="bold red",
        )


def _told(judgement: Judgement) -> str:
    metrics = {key.split("/", 1)[1]: value for key, value in judgement.metrics.items()}
    return (
        f"macro-F1 {metrics['macro_f1']:.4f}, accuracy {metrics['accuracy']:.4f}; by recording (vote) "
        f"macro-F1 {metrics['recording_macro_f1']:.4f}, accuracy {metrics['recording_accuracy']:.4f}"
    )


def _against_baselines(result: SweepResult, test: Judgement) -> str:
    """Answer the honest question of every sweep on the test part, each side trained on the training part only."""
    ran = [one for one in result.baselines if not one.skipped]
    if not ran:
        return "  no classical baseline was run, so nothing says whether a deep model is needed here"
    rival = max(ran, key=lambda one: one.test["test/macro_f1"])
    gap = test.metrics["test/macro_f1"] - rival.test["test/macro_f1"]
    verdict = "beats" if gap > 0 else "does not beat"
    return f"  the deep model {verdict} the best classical one on the test part ({rival.name}, {gap:+.4f} macro-F1)"


def _confusion(classes: Sequence[str], test: Judgement) -> Table:
    table = Table(
        title="Confusion on the test part (windows)", title_justify="left", header_style="bold", box=box.SIMPLE_HEAD
    )
    table.add_column("true \\ predicted")
    for name in (*classes, "recall"):
        table.add_column(name, justify="right")
    for index, name in enumerate(classes):
        recall = test.recall[index]
        cells = [
            Text(str(count), style="green" if column == index else ("red" if count else "dim"))
            for column, count in enumerate(test.confusion[index])
        ]
        table.add_row(name, *cells, "-" if math.isnan(recall) else f"{recall:.3f}")
    return table
