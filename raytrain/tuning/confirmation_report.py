"""The confirmed winner and the folds as a person reads them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raytrain.tuning.confirmation import Candidate, Comparison, Confirmation, on_test_part
from raytrain.tuning.results import SweepResult
from raytrain.tuning.significance import Interval

__all__ = ["conclusions", "print_confirmation", "print_folds"]

_ROOMY = 100
"""Columns of a terminal from which four digits fit."""


def print_confirmation(result: SweepResult, console: Console) -> None:
    """Print what the best configurations are worth over seeds, and which differ; nothing where none was asked for."""
    confirmation = result.confirmation
    if confirmation is None:
        return
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("model", no_wrap=True)
    for heading in ("sweep", "validation\nmean [95 %]", "test\nmean [95 %]", "sweep too\nhigh by"):
        table.add_column(heading, justify="right", no_wrap=True)
    digits = 4 if console.width >= _ROOMY else 3
    for one in confirmation.candidates:
        style = "bold green" if one.trial and one.trial == confirmation.best else ("" if one.trial else "cyan")
        intervals = [_interval(part, digits) for part in (one.validation, one.test)]
        cells = (_number(one.tuned), *intervals, _optimism(one))
        table.add_row(one.name, *cells, style=style)
    console.print()
    heading = f"Trained again with {len(confirmation.seeds)} seeds"
    console.print(Text.assemble((heading, "bold"), f" that the sweep did not use, by {confirmation.metric}"))
    console.print(table)
    for line in conclusions(confirmation):
        console.print(f"  {line}", highlight=False, markup=False)


def print_folds(result: SweepResult, console: Console) -> None:
    """Print what the winner is worth in each fold; nothing where there are none."""
    if result.best is None or not result.best.folds:
        return
    metric, tested = result.metric, on_test_part(result.metric)
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("validates")
    for heading in ("stretches\ntrain", "stretches\nvalidate", metric, tested):
        table.add_column(heading, justify="right")
    for one in result.best.folds:
        counts = (str(one.train_segments), str(one.validation_segments))
        table.add_row(one.name, *counts, _number(one.validation[metric]), _number(one.test[tested]))
    together = [result.best.judgements[part].metrics for part in ("validation", "test")]
    table.add_row("all folds", "", "", _number(together[0][metric]), _number(together[1][tested]), style="bold")
    console.print()
    console.print(Text.assemble(("Folds", "bold"), f" of trial {result.best.trial}, epoch {result.best.epoch}"))
    console.print(table)
    told = "test: each fold's model on the same test part, and their mean; the refit learns from all that is not tested"
    console.print(f"  {told}", style="dim", highlight=False)


def conclusions(confirmation: Confirmation) -> Iterator[str]:
    """Yield what the runs show, a sentence or two each, and what they do not."""
    trials = [one for one in confirmation.candidates if one.trial]
    if confirmation.best is None:
        yield "No configuration came through with every seed, so none is confirmed; the sweep's winner stands."
    else:
        yield from _chosen(confirmation, trials)
    for one in confirmation.candidates:
        for run in one.failed:
            yield f"{one.name} failed with seed {run.seed}: {run.reason}"
    for comparison in confirmation.comparisons:
        yield _compared(comparison)
    if confirmation.comparisons:
        yield _power(confirmation)
    if len({run.validation.get(confirmation.metric) for one in trials for run in one.runs}) == 1:
        yield "All runs have the same score: the recordings are too easy to choose a configuration by it."
    yield (
        "Seeds change the training only (first weights, order of windows, dropout, augmentation). The recordings and "
        "their split are the same in all runs, so neither intervals nor p-values speak of other bearings: the test "
        f"part is {confirmation.test_recordings} recordings, always the same."
    )
    yield from confirmation.notes


def _chosen(confirmation: Confirmation, trials: list[Candidate]) -> Iterator[str]:
    best = trials[0]
    ahead = next(one for one in trials if one.trial == confirmation.ahead)
    if ahead.name != best.name:
        yield (
            f"{best.name.capitalize()} takes the place of {ahead.name}, which the sweep had ahead: its mean on "
            "validation is the better one. The test part had no say."
        )
    if not math.isnan(ahead.optimism):
        chosen = f"The sweep chose {ahead.name} for its {ahead.tuned:.4f}, the best of {confirmation.tried}"
        mean = f"the mean of seeds that it did not choose by, {ahead.validation.mean:.4f}"
        if ahead.optimism > 0:
            yield f"{chosen}; the best of many is too good, here by {ahead.optimism:.4f}, compared with {mean}."
        else:
            yield f"{chosen}; the best of many tends to be too good, but here {mean}, is no worse."


def _compared(comparison: Comparison) -> str:
    result = comparison.result
    text = f"{comparison.first} against {comparison.second} on {comparison.part}: "
    if math.isnan(result.difference.mean):
        return text + "not comparable, since a run failed."
    text += f"{result.difference.mean:+.4f} [{result.difference.low:+.4f}, {result.difference.high:+.4f}]"
    if result.difference.deviation == 0:
        if result.difference.mean == 0:
            return text + ", the same in every run."
        return (
            text + f", the same difference in every run, so there is no variance to test it by; {_flips(comparison)}."
        )
    text += f", t-test p {_p(comparison.adjusted_p)}, {_flips(comparison)}, effect {result.effect:+.1f} sd: "
    if not comparison.distinguishable:
        return text + "not more than seeds can explain."
    return text + f"{'better' if comparison.better else 'worse'} by more than seeds explain."


def _flips(comparison: Comparison) -> str:
    return f"sign-flip p {_p(comparison.result.sign_flip_p)}"


def _power(confirmation: Confirmation) -> str:
    count = len(confirmation.seeds)
    least = confirmation.comparisons[0].result.least_p
    text = f"With {count} seeds the exact sign-flip test cannot give less than p {_p(least)}"
    if least > 0.05:
        text += ", so below 0.05 only the t-test speaks, which takes differences to be normally distributed"
    return text + ". The p-values of t-tests are adjusted for the comparisons on each part (Holm)."


def _interval(interval: Interval, digits: int) -> str:
    if math.isnan(interval.mean):
        return "a run failed"
    if interval.deviation == 0:
        return f"{interval.mean:.{digits}f} in all"
    return f"{interval.mean:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _optimism(one: Candidate) -> str:
    return "" if math.isnan(one.optimism) or not one.trial else f"{one.optimism:+.4f}"


def _number(value: float) -> str:
    return f"{value:.4f}"


def _p(value: float) -> str:
    return "unknown" if math.isnan(value) else ("below 0.0001" if value < 1e-4 else f"{value:.2g}")
