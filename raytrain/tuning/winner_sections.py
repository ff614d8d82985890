"""The sections of a sweep's page that are about its winner."""

from __future__ import annotations

from collections.abc import Iterator

from raytrain.tuning import figures
from raytrain.tuning.confirmation import Confirmation, on_test_part
from raytrain.tuning.confirmation_report import conclusions
from raytrain.tuning.markup import Section, paragraph, table
from raytrain.tuning.results import Best, SweepResult

__all__ = ["winner_sections"]


def winner_sections(result: SweepResult) -> Iterator[Section]:
    """Yield what there is to say of a winner: confusion, recordings, folds, and its confirmation over seeds."""
    if result.best is None:
        return
    yield _confusion(result, result.best)
    yield _recordings(result, result.best)
    if result.best.folds:
        yield _folds(result, result.best)
    if result.confirmation is not None:
        yield _confirmation(result, result.confirmation)


def _confusion(result: SweepResult, best: Best) -> Section:
    leaky = " (LEAKY)" if result.leaky else ""
    return Section(
        "confusion",
        f"Confusion on the test part{leaky}",
        f"The best checkpoint (trial {best.trial}, epoch {best.epoch}) on recordings that took no part "
        "in training or in choosing it."
        if not result.leaky
        else "The split is leaky: windows of the same recordings were trained on.",
        figures.confusion(result),
    )


def _recordings(result: SweepResult, best: Best) -> Section:
    leaky = " (LEAKY)" if result.leaky else ""
    tested = sorted(
        best.judgements["test"].recordings,
        key=lambda one: (one.voted == one.truth, one.right, one.recording),
    )
    rows = [
        {
            "recording": one.recording,
            "truth": one.truth,
            "voted": one.voted,
            "windows": one.windows,
            "right": one.right,
            "probability": one.probability,
        }
        for one in tested
    ]
    columns = {
        "recording": "recording",
        "truth": "true class",
        "voted": "voted class",
        "windows": "windows",
        "right": "share of windows right",
        "probability": "mean probability of the vote",
    }
    marks = ["wrong" if one.voted != one.truth else "" for one in tested]
    wrong = sum(map(bool, marks))
    folds = " Each recording was judged once by each fold's model." if best.folds else ""
    return Section(
        "recordings",
        f"Test recordings{leaky}",
        f"A recording's class is that of most of its windows. {wrong} of {len(rows)} are voted wrong.{folds}"
        if rows
        else "This run was made by a version that kept no results by recording.",
        figures.recordings(result),
        below=table(rows, columns=columns, marks=marks) if rows else "",
    )


def _folds(result: SweepResult, best: Best) -> Section:
    metric, tested = result.metric, on_test_part(result.metric)
    rows = [
        {
            "name": one.name,
            "train": one.train_segments,
            "validate": one.validation_segments,
            metric: one.validation[metric],
            tested: one.test[tested],
        }
        for one in best.folds
    ]
    together = [best.judgements[part].metrics for part in ("validation", "test")]
    rows.append({"name": "all folds", metric: together[0][metric], tested: together[1][tested]})
    columns = {"name": "validates", "train": "stretches that train", "validate": "stretches that validate"}
    return Section(
        "folds",
        "Folds",
        f"The winner (trial {best.trial}, epoch {best.epoch}) fold by fold: each fold's model on what "
        "validates there, and on the test part, which is the same for all.",
        above=table(
            rows, columns={**columns, metric: metric, tested: tested}, marks=[""] * (len(rows) - 1) + ["marked"]
        ),
    )


def _confirmation(result: SweepResult, found: Confirmation) -> Section:
    rows = [
        {
            "name": one.name,
            "tuned": one.tuned,
            "validation": f"{one.validation.mean:.4f} [{one.validation.low:.4f}, {one.validation.high:.4f}]",
            "test": f"{one.test.mean:.4f} [{one.test.low:.4f}, {one.test.high:.4f}]",
            "optimism": one.optimism,
        }
        for one in found.candidates
    ]
    columns = {"name": "model", "tuned": "in the sweep", "validation": "validation, mean [95 %]"}
    columns |= {"test": "test, mean [95 %]", "optimism": "sweep too high by"}
    marks = ["marked" if one.trial and one.trial == found.best else "" for one in found.candidates]
    return Section(
        "confirmation",
        "Confirmation over seeds",
        f"The best configurations trained again with {len(found.seeds)} seeds that the sweep did not use: each run, "
        "their mean and its 95 % interval. The sweep's own score, the stroke, is the best of many, so it tends to be "
        "too good.",
        figures.confirmation(result),
        below=table(rows, columns=columns, marks=marks) + "".join(map(paragraph, conclusions(found))),
    )
