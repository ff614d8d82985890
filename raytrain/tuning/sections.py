"""The sections of the page of a sweep, each from its result."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator

from raytrain.tuning import figures
from raytrain.tuning.asked import Asked, read_asked
from raytrain.tuning.conclusions import describe_duration
from raytrain.tuning.costs import costs_of
from raytrain.tuning.figure_style import is_winner
from raytrain.tuning.markup import Section, details, paragraph, table, tiles
from raytrain.tuning.results import SweepResult
from raytrain.tuning.space import describe_point
from raytrain.tuning.standings import pareto_standings
from raytrain.tuning.summary_section import leaderboard_table, scores_table, summary
from raytrain.tuning.winner_sections import winner_sections

__all__ = ["sections_of"]


def sections_of(result: SweepResult) -> list[Section]:
    """Return the sections of a sweep's page; those about a winner or objectives only where there are such."""
    asked = read_asked(result.directory)
    return [
        Section("summary", "Summary", above=summary(result) + scores_table(result)),
        Section("leaderboard", "Leaderboard", above=leaderboard_table(result)),
        *_course(result),
        *_parameters(result),
        *_objectives(result, asked),
        *winner_sections(result),
        _cost(result, asked),
        _trials(result),
        _manifest(result, asked),
    ]


def _course(result: SweepResult) -> Iterator[Section]:
    yield Section(
        "history",
        "Optimisation history",
        f"What each trial was worth by {result.metric} at its best epoch, in the order of starting. A trial that was "
        "stopped early counts by what it had reached.",
        figures.history(result),
    )
    yield Section(
        "curves",
        "Learning curves",
        f"{result.metric} after each epoch of every trial; the colour says how the trial ended.",
        figures.learning_curves(result),
    )


def _parameters(result: SweepResult) -> Iterator[Section]:
    yield Section(
        "importances",
        "Parameter importances",
        "By how much the parameters of the good trials differ from those of all trials (PED-ANOVA), as shares. The "
        "stroke is what shuffled results reach by chance: a grey bar does not exceed it, and says nothing.",
        figures.importances(result),
    )
    yield Section(
        "parallel",
        "Parallel coordinates",
        f"Each line is a trial, from its parameters to its {result.metric} at the right.",
        figures.parallel_coordinates(result),
    )
    yield Section(
        "slices",
        "Slices",
        f"{result.metric} over each parameter by itself. The search prefers good regions, so where there are few "
        "points, little is known.",
        figures.slices(result),
    )


def _objectives(result: SweepResult, asked: Asked) -> Iterator[Section]:
    if not asked.objectives:
        return
    standings = pareto_standings(result.trials, metric=result.metric, objectives=asked.objectives)
    front = sorted((one for one in standings if one.on_front), key=lambda one: one.values[1:])
    names = (result.metric, *asked.objectives)
    rows = [
        {
            "trial": one.record.number,
            **dict(zip(names, one.values, strict=True)),
            "settings": describe_point(one.record.point),
        }
        for one in front
    ]
    columns = {key: key for key in ("trial", *names, "settings")}
    marks = ["marked" if is_winner(result, one.record) else "" for one in front]
    yield Section(
        "pareto",
        "Pareto front",
        "The trials that no other beats in everything at once; the choice among them is yours.",
        figures.pareto_front(result),
        below=table(rows, columns=columns, marks=marks),
    )


def _cost(result: SweepResult, asked: Asked) -> Section:
    costs = costs_of(result, asked)
    hours, share = costs.hours_saved, costs.share_saved
    values = [
        ("cost-hours", describe_duration(costs.trial_hours * 3600), "of trials, added up"),
        ("cost-epochs", str(costs.epochs_run), "epochs run"),
        ("cost-pruned", str(costs.trials_pruned), "trials stopped early"),
    ]
    if costs.epochs_saved is not None and share is not None and hours is not None:
        values += [
            ("cost-saved", str(costs.epochs_saved), "epochs saved"),
            ("cost-share", f"{share:.0%}", "of the epochs of full trials"),
            ("cost-saved-hours", f"about {describe_duration(hours * 3600)}", "saved"),
        ]
    if costs.epochs_failed:
        values.append(("cost-failed", str(costs.epochs_failed), "epochs of failed trials"))
    return Section(
        "cost",
        "Cost",
        "Epochs run, against those of the same trials had none been stopped by the scheduler. Time saved takes an "
        "epoch to be as long as the mean of those run. Judging, baselines and refit are not in it.",
        figures.cost(result),
        above=tiles(values),
    )


def _trials(result: SweepResult) -> Section:
    rows = [
        {
            "trial": record.number,
            "status": record.status,
            "epochs": len(record.curve),
            "value": record.value(result.metric),
            "settings": describe_point(record.point),
            "reason": record.reason,
        }
        for record in result.trials
    ]
    columns = {"trial": "trial", "status": "status", "epochs": "epochs", "value": result.metric}
    columns |= {"settings": "settings", "reason": "why it ended"}
    marks = ["marked" if is_winner(result, record) else "" for record in result.trials]
    content = table(rows, columns=columns, marks=marks) if rows else paragraph("No trial was started.")
    return Section("trials", "All trials", above=details(f"{len(rows)} trials", content))


def _manifest(result: SweepResult, asked: Asked) -> Section:
    if not asked.manifest:
        return Section("manifest", "Manifest", above=paragraph(f"{result.directory} keeps no manifest.json."))
    text = json.dumps(asked.manifest, indent=2, ensure_ascii=False)
    return Section(
        "manifest",
        "Manifest",
        "Data hash, configuration with its seeds, versions and machine: what repeats the sweep.",
        above=details("manifest.json", f"<pre>{html.escape(text)}</pre>"),
    )
