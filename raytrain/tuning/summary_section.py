"""The first section of a sweep's page: what was done, how it ended, who won, and whether that was worth it."""

from __future__ import annotations

import html
from typing import Any

from raytrain.tuning.conclusions import (
    LEAKY,
    best_baseline,
    count_by_status,
    describe_duration,
    failures_by_reason,
    honest_verdict,
)
from raytrain.tuning.markup import details, paragraph, table, tiles
from raytrain.tuning.results import Best, SweepResult

__all__ = ["leaderboard_table", "scores_table", "summary"]

_ROWS = 15
_SCORES = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "recording_macro_f1": "macro-F1, recordings",
    "recording_accuracy": "accuracy, recordings",
}


def summary(result: SweepResult) -> str:
    """Return what was done, the counts, the notes, the failures, the winner and the verdict."""
    counts = count_by_status(result.trials)
    return "".join(
        [
            f'<div class="banner leaky" id="leaky">{html.escape(LEAKY)}</div>' if result.leaky else "",
            paragraph(f"Searched by {result.algorithm}, judged by {result.metric}."),
            tiles(
                [
                    ("count-trials", str(len(result.trials)), "trials" if len(result.trials) != 1 else "trial"),
                    *((f"count-{status}", str(count), status) for status, count in counts.items()),
                    ("count-epochs", str(sum(len(one.curve) for one in result.trials)), "epochs"),
                    ("duration", describe_duration(result.seconds), "from start to end"),
                ]
            ),
            f"<p>Repeat with <code>{html.escape(result.command)}</code></p>",
            *(paragraph(f"Split: {note}", kind="explanation") for note in result.notes),
            paragraph("Interrupted: the trials that had ended, and the best epochs of the others, are kept.")
            if result.interrupted
            else "",
            *(_failed(reason, numbers) for reason, numbers in failures_by_reason(result.trials).items()),
            *(paragraph(f"{one.name}: not run: {one.skipped}") for one in result.baselines if one.skipped),
            _winner(result, result.best) if result.best is not None else "",
            _verdict(result),
        ]
    )


def _failed(reason: str, numbers: list[int]) -> str:
    trials = f"Trial{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
    return paragraph(f"{trials} failed: {reason}", kind="lost")


def _verdict(result: SweepResult) -> str:
    if result.confirmation is not None:
        return (
            '<p id="verdict">What the winner is worth over seeds, and against whom, says its '
            '<a href="#confirmation">confirmation</a>: more than a single run can.</p>'
        )
    won, sentence = honest_verdict(result)
    leaky = " The split is leaky, so this says nothing about new recordings." if result.leaky else ""
    return (
        f'<p id="verdict" class="{"won" if won and not result.leaky else "lost"}">{html.escape(sentence + leaky)}</p>'
    )


def _winner(result: SweepResult, best: Best) -> str:
    again = best.judgements["validation"].metrics[result.metric]
    repeats = (
        f"{again:.6f}, the same when its checkpoint is evaluated again"
        if again == best.reported
        else f"was reported as {best.reported!r}; its checkpoint evaluated again gives {again!r}"
    )
    settings = [{"name": name, "value": str(value)} for name, value in best.point.items()]
    return (
        f'<p>The best is <b id="winner">trial {best.trial}</b> at epoch {best.epoch}: '
        f"{html.escape(f'{result.metric} {repeats}')}.</p>"
        + details("its parameters", table(settings, columns={"name": "parameter", "value": "value"}))
    )


def scores_table(result: SweepResult) -> str:
    """Return the winner's scores beside those of the best classical model; nothing where there is no winner."""
    if result.best is None:
        return ""
    test = "test (LEAKY)" if result.leaky else "test (untouched)"
    parts = {
        "validation": result.best.judgements["validation"].metrics,
        test: result.best.judgements["test"].metrics,
    }
    if result.best.refit_test is not None:
        parts["test, trained on training and validation parts"] = result.best.refit_test.metrics
    rival = best_baseline(result)
    if rival is not None:
        parts[f"test, {rival.name}"] = rival.test
    rows = [
        {"part": part, **{key.split("/", 1)[1]: value for key, value in metrics.items()}}
        for part, metrics in parts.items()
    ]
    return table(rows, columns={"part": "", **_SCORES}, marks=["marked" if part == test else "" for part in parts])


def leaderboard_table(result: SweepResult) -> str:
    """Return the best trials and all baselines, best validation first."""
    frame = result.leaderboard()
    if frame.empty:
        return paragraph("Nothing has a value.")
    columns = {
        "rank": "#",
        "name": "model",
        result.metric: result.metric,
        "val/macro_f1": "val",
        "val/recording_macro_f1": "val, recordings",
        "test/macro_f1": "test",
        "test/recording_macro_f1": "test, recordings",
        "test_refit/macro_f1": "refit test",
        "settings": "settings",
    }
    if result.metric in list(columns)[3:]:
        columns = {key: heading for key, heading in columns.items() if key != result.metric or heading != key}
    shown = frame[(frame["rank"] <= _ROWS) | (frame["kind"] == "baseline")]
    rows: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in shown.to_dict("records")]
    winner = "" if result.best is None else f"trial {result.best.trial}"
    for row in rows:
        row["name"] += "*" if row["status"] == "stopped" else ""
    marks = ["marked" if row["name"].rstrip("*") == winner else "" for row in rows]
    more = f" {len(frame) - len(shown)} more are in leaderboard.csv." if len(frame) > len(shown) else ""
    return table(
        rows, columns={key: heading for key, heading in columns.items() if key in frame}, marks=marks
    ) + paragraph(
        "val, test: macro-F1 of windows; recordings: of recordings, by vote of their windows. Trained on the training "
        f"part, for the refit on training and validation parts. * ended early.{more}",
        kind="explanation",
    )
