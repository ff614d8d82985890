"""The end of a sweep as a person reads it: leaderboard, winner, its scores again, confusion, files, command."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raytrain.distributed.judge import Judgement
from raytrain.distributed.train import TrainResult
from raytrain.engine.comparison import TeacherStudentComparison
from raytrain.tuning.conclusions import (
    LEAKY,
    best_baseline,
    count_by_status,
    describe_duration,
    failures_by_reason,
    honest_verdict,
    infeasible,
)
from raytrain.tuning.confirmation_report import print_confirmation, print_folds
from raytrain.tuning.pareto_report import print_pareto
from raytrain.tuning.results import Best, SweepResult

__all__ = ["print_report", "print_training"]

_ROWS = 15
_ROOMY = 110
_REASONS = 3
_SCORES = ("macro_f1", "accuracy", "recording_macro_f1", "recording_accuracy")


def print_report(result: SweepResult, console: Console) -> None:
    """Print everything about a sweep that a reader needs to judge its winner."""
    _print_leaky(console, leaky=result.leaky)
    if result.interrupted:
        console.print(
            "Interrupted: the trials that had ended, and the best epochs of the others, are kept.",
            style="yellow",
        )
    _print_summary(result, console)
    _print_lines(console, (f"split: {note}" for note in result.notes))
    _print_failures(result, console)
    _print_leaderboard(result, console)
    _print_lines(console, (f"{one.name}: not run: {one.skipped}" for one in result.baselines if one.skipped))
    if result.best is None:
        console.print(honest_verdict(result)[1], style="bold red")
    else:
        _print_best(result, result.best, console)
        print_folds(result, console)
        print_confirmation(result, console)
    print_pareto(result, console)
    _print_paths(
        console,
        {
            "Files": str(result.directory),
            "Repeat": result.command,
            "Again": shlex.join(["raytrain", "results", str(result.directory)]),
            "Figures": shlex.join(["raytrain", "report", str(result.directory)]),
        },
    )


def print_training(result: TrainResult, console: Console) -> None:
    """Print how a single run ended."""
    _print_leaky(console, leaky=result.leaky)
    _print_lines(console, (f"split: {note}" for note in result.notes))
    validation, test = result.judgements["validation"], result.judgements["test"]
    _print_heading(console, f"Best epoch: {result.best_epoch} of {len(result.history)}")
    console.print(_scores({"validation": validation.metrics, _test_part(leaky=result.leaky): test.metrics}, bold=1))
    _print_confusion(result.classes, test, console)
    if result.comparison is not None:
        _print_comparison(result.comparison, console)
    _print_paths(console, {"Files": str(result.directory)})


def _print_comparison(comparison: TeacherStudentComparison, console: Console) -> None:
    """Print what the student is worth beside its teacher, on the same windows."""
    _print_heading(console, f"Teacher and student on the {comparison.windows} test windows")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for heading in ("teacher", "student", "teacher / student"):
        table.add_column(heading, justify="right")
    teacher, student = comparison.teacher, comparison.student
    table.add_row("accuracy", f"{teacher.accuracy:.4f}", f"{student.accuracy:.4f}", "")
    table.add_row("macro-F1", f"{teacher.macro_f1:.4f}", f"{student.macro_f1:.4f}", "")
    parameters = f"{teacher.parameters:,}".replace(",", " "), f"{student.parameters:,}".replace(",", " ")
    table.add_row("parameters", *parameters, f"{comparison.parameter_ratio:.1f}")
    sizes = f"{teacher.state_bytes / 1000:.0f} kB", f"{student.state_bytes / 1000:.0f} kB"
    table.add_row("size", *sizes, f"{comparison.size_ratio:.1f}")
    for name, one, other, ratio in (
        ("CPU, a window alone", teacher.single_s, student.single_s, comparison.single_ratio),
        (f"CPU, in a batch of {comparison.batch_size}", teacher.batched_s, student.batched_s, comparison.batched_ratio),
    ):
        spread = f"{ratio.median:.1f} ({ratio.low:.1f} to {ratio.high:.1f})"
        table.add_row(name, f"{one.median * 1000:.3g} ms", f"{other.median * 1000:.3g} ms", spread)
    console.print(table)
    console.print(f"  both predict the same class for {comparison.agreement:.1%} of the windows", highlight=False)


def _print_summary(result: SweepResult, console: Console) -> None:
    epochs = sum(len(trial.curve) for trial in result.trials)
    told = ", ".join(f"{count} {status}" for status, count in count_by_status(result.trials).items())
    trials = f"{len(result.trials)} trial{'s' if len(result.trials) != 1 else ''}"
    _print_heading(console, result.name, f": {trials} by {result.algorithm} in {describe_duration(result.seconds)}")
    console.print(f"  {told}; epochs in all: {epochs}", highlight=False)


def _print_failures(result: SweepResult, console: Console) -> None:
    by_reason = failures_by_reason(result.trials)
    for reason, numbers in list(by_reason.items())[:_REASONS]:
        trials = f"trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
        console.print(f"  failed: {trials}: {reason}", style="red", highlight=False, markup=False)
    if len(by_reason) > _REASONS:
        console.print(f"  {len(by_reason) - _REASONS} more reasons in trials.csv", style="red", highlight=False)


def _print_leaderboard(result: SweepResult, console: Console) -> None:
    frame = result.leaderboard()
    if frame.empty:
        return
    columns = _columns(result, frame)
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("#", "model"):
        table.add_column(heading, no_wrap=True)
    roomy = console.width >= _ROOMY
    if roomy:
        table.add_column("settings", overflow="fold", ratio=1)
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    shown = frame[(frame["rank"] <= _ROWS) | (frame["kind"] == "baseline")]
    for row in shown.to_dict("records"):
        settings = [str(row["settings"])] if roomy else []
        cells = [_number(row[key]) for key in columns.values()]
        table.add_row(str(row["rank"]), _name(row), *settings, *cells, style=_row_style(row, result))
    leaky = " (LEAKY)" if result.leaky else ""
    _print_heading(console, f"Leaderboard{leaky}", f" by {result.metric}")
    console.print(table)
    hints = ["val, test: macro-F1 of windows; rec.: of recordings, by vote of their windows"]
    if "refit\ntest" in columns:
        hints += ["test: trained on the training part; refit: on training and validation parts"]
    broken = sorted(trial.number for trial in infeasible(result.trials))
    hints += [f"break a constraint, and cannot win: {', '.join(map(str, broken))}"] if broken else []
    hints += ["* ended early"] if (shown["status"] == "stopped").any() else []
    hints += [f"{len(frame) - len(shown)} more in leaderboard.csv"] if len(frame) > len(shown) else []
    _print_lines(console, hints)


def _columns(result: SweepResult, frame: pd.DataFrame) -> dict[str, str]:
    """Return the leaderboard's headings and the metrics below them, without those that nothing has."""
    columns = {
        "val": "val/macro_f1",
        "val\nrec.": "val/recording_macro_f1",
        "test": "test/macro_f1",
        "test\nrec.": "test/recording_macro_f1",
        "refit\ntest": "test_refit/macro_f1",
    }
    if result.metric not in columns.values():
        columns = {result.metric.replace("/", "\n").replace("_", "\n"): result.metric, **columns}
    return {heading: key for heading, key in columns.items() if key in frame}


def _row_style(row: Mapping[Any, Any], result: SweepResult) -> str:
    if result.best is not None and row["name"] == f"trial {result.best.trial}":
        return "bold green"
    return "cyan" if row["kind"] == "baseline" else ""


def _name(row: Mapping[Any, Any]) -> str:
    return f"{row['name']}*" if row["status"] == "stopped" else str(row["name"])


def _number(value: Any) -> str:  # noqa: ANN401 - a cell of a table
    return "" if pd.isna(value) else f"{value:.4f}"


def _print_best(result: SweepResult, best: Best, console: Console) -> None:
    _print_heading(console, f"Best: trial {best.trial}, epoch {best.epoch}")
    for name, value in best.point.items():
        console.print(f"  {name}: {value}", highlight=False, markup=False)
    again = best.judgements["validation"].metrics[result.metric]
    same = again == best.reported
    console.print(
        f"  {result.metric} {again:.6f}, the same when its checkpoint is evaluated again"
        if same
        else f"  {result.metric} was reported as {best.reported!r}; its checkpoint evaluated again gives {again!r}",
        style="" if same else "yellow",
        highlight=False,
    )
    _print_scores(result, best, console)
    _print_confusion(result.classes, best.judgements["test"], console)


def _print_scores(result: SweepResult, best: Best, console: Console) -> None:
    test = best.judgements["test"]
    scores = {
        "validation": best.judgements["validation"].metrics,
        _test_part(leaky=result.leaky): test.metrics,
    }
    if best.refit_test is not None:
        scores["test, refit"] = best.refit_test.metrics
    rival = best_baseline(result)
    if rival is not None:
        scores[f"test, {rival.name}"] = rival.test
    won, verdict = honest_verdict(result)
    console.print(_scores(scores, bold=1))
    if result.confirmation is None:  # which says more than a single run can
        console.print(verdict, style="green" if won else "yellow", highlight=False, markup=False)


def _test_part(*, leaky: bool) -> str:
    return "test (LEAKY)" if leaky else "test (untouched)"


def _print_leaky(console: Console, *, leaky: bool) -> None:
    if leaky:
        console.print(LEAKY, style="bold red")


def _scores(parts: Mapping[str, Mapping[str, float]], *, bold: int) -> Table:
    """Return a table of the metrics of each part; the row numbered `bold` is the one that counts."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("")
    for heading in ("macro-F1", "accuracy", "macro-F1\nrec.", "accuracy\nrec."):
        table.add_column(heading, justify="right")
    for row, (part, metrics) in enumerate(parts.items()):
        values = {key.split("/", 1)[1]: value for key, value in metrics.items()}
        table.add_row(part, *(_number(values[key]) for key in _SCORES), style="bold" if row == bold else "")
    return table


def _print_confusion(classes: Sequence[str], test: Judgement, console: Console) -> None:
    table = Table(header_style="bold", box=box.SIMPLE_HEAD)
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
    _print_heading(console, "Confusion on the test part", ", windows")
    console.print(table)


def _print_heading(console: Console, heading: str, rest: str = "") -> None:
    console.print()
    console.print(Text.assemble((heading, "bold"), rest))


def _print_lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(f"  {line}", style="dim", highlight=False, markup=False)


def _print_paths(console: Console, paths: Mapping[str, str]) -> None:
    console.print()
    for name, text in paths.items():
        console.print(Text.assemble((f"{name:<8}", "bold"), text), highlight=False, soft_wrap=True)
