from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from raytrain.tuning.comparing import confirmation_of
from raytrain.tuning.confirmation import Confirmation, ConfirmingRun
from raytrain.tuning.confirmation_report import conclusions, print_confirmation, print_folds
from raytrain.tuning.fold_verdict import FoldScore
from raytrain.tuning.report import print_report
from raytrain.tuning.results import SweepResult, load_result

GOOD = [0.90, 0.91, 0.89, 0.92, 0.88]
BETTER = [0.93, 0.95, 0.92, 0.96, 0.94]


def runs(values: list[float], *, failed: int | None = None) -> list[ConfirmingRun]:
    return [
        ConfirmingRun(seed, 0, {}, {}, reason="val/loss is nan")
        if seed == failed
        else ConfirmingRun(seed, 2, {"val/macro_f1": value}, {"test/macro_f1": value - 0.1})
        for seed, value in enumerate(values, start=1)
    ]


def confirmation(
    some: dict[tuple[str, int], list[ConfirmingRun]], tuned: dict[str, float] | None = None
) -> Confirmation:
    scores = tuned or {name: 0.97 for name, _ in some}
    return confirmation_of(some, tuned=scores, metric="val/macro_f1", tried=24, test_recordings=9, notes=["a note"])


def text(found: Confirmation) -> str:
    return "\n".join(conclusions(found))


def printed(result: SweepResult, *, width: int = 140) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    print_confirmation(result, console)
    print_folds(result, console)
    return stream.getvalue()


def test_a_winner_that_changes_and_its_selection_bias_are_told() -> None:
    told = text(
        confirmation({("trial 1", 1): runs(GOOD), ("trial 4", 4): runs(BETTER)}, {"trial 1": 0.97, "trial 4": 0.96})
    )
    assert "Trial 4 takes the place of trial 1, which the sweep had ahead" in told
    assert "The test part had no say." in told
    assert (
        "The sweep chose trial 1 for its 0.9700, the best of 24; the best of many is too good, here by 0.0700" in told
    )
    assert "trial 4 against trial 1 on validation: +0.0400 [" in told
    assert "better by more than seeds explain" in told
    assert told.endswith("a note")


def test_what_few_seeds_cannot_say_is_told() -> None:
    told = text(confirmation({("trial 1", 1): runs(GOOD), ("trial 4", 4): runs([v - 0.001 for v in BETTER[::-1]])}))
    assert "With 5 seeds the exact sign-flip test cannot give less than p 0.062" in told
    assert "only the t-test speaks, which takes differences to be normally distributed" in told
    assert "neither intervals nor p-values speak of other bearings: the test part is 9 recordings" in told


def test_a_difference_within_what_seeds_do_is_not_called_one() -> None:
    told = text(confirmation({("trial 1", 1): runs(GOOD), ("random_forest", 0): runs(GOOD[1:] + GOOD[:1])}))
    assert "not more than seeds can explain" in told
    assert "more than seeds explain" not in told.replace("not more than seeds can explain", "")
    worse = text(confirmation({("trial 1", 1): runs(GOOD), ("random_forest", 0): runs(BETTER)}))
    assert "trial 1 against random_forest on test: -0.0400" in worse
    assert "worse by more than seeds explain" in worse


def test_scores_that_do_not_vary_are_told_as_such() -> None:
    told = text(
        confirmation(
            {("trial 1", 1): runs([1.0] * 5), ("trial 2", 2): runs([1.0] * 5)}, {"trial 1": 1.0, "trial 2": 1.0}
        )
    )
    assert "the same in every run" in told
    assert "too easy to choose a configuration by it" in told
    assert "tends to be too good, but here the mean" in told
    constant = text(confirmation({("trial 1", 1): runs([0.9] * 5), ("logistic_regression", 0): runs([0.8] * 5)}))
    assert "the same difference in every run, so there is no variance to test it by" in constant


def test_failed_runs_are_told() -> None:
    told = text(confirmation({("trial 1", 1): runs(GOOD, failed=3)}))
    assert "No configuration came through with every seed" in told
    assert "trial 1 failed with seed 3: val/loss is nan" in told


def test_the_table_shows_each_candidate_and_is_kept_with_the_result(sweep_result: SweepResult) -> None:
    found = confirmation({("trial 1", 1): runs(GOOD), ("logistic_regression", 0): runs([0.8] * 5)})
    dataclasses.replace(sweep_result, confirmation=found).save()
    loaded = load_result(sweep_result.directory)
    assert loaded.confirmation == found
    shown = printed(loaded)
    assert "Trained again with 5 seeds that the sweep did not use, by val/macro_f1" in shown
    assert "0.9000 [0.8804, 0.9196]" in shown
    assert "0.8000 in all" in shown
    assert "+0.0700" in shown
    stream = io.StringIO()
    print_report(loaded, Console(file=stream, width=140))
    assert "Trained again with 5 seeds" in stream.getvalue()
    assert "The deep model beats" not in stream.getvalue()  # the confirmation says it better


def test_nothing_is_shown_where_nothing_was_asked_for(sweep_result: SweepResult) -> None:
    assert printed(sweep_result) == ""


def test_folds_are_shown_one_by_one_and_kept_with_the_result(sweep_result: SweepResult) -> None:
    assert sweep_result.best is not None
    folds = tuple(
        FoldScore(name, 6, 3, {"val/macro_f1": value}, {"test/macro_f1": value - 0.2})
        for name, value in (("7 mil", 0.95), ("14 mil", 0.85))
    )
    with_folds = dataclasses.replace(sweep_result, best=dataclasses.replace(sweep_result.best, folds=folds))
    with_folds.save()
    loaded = load_result(with_folds.directory)
    assert loaded.best is not None
    assert loaded.best.folds == folds
    shown = printed(loaded)
    rows = [line.split() for line in shown.splitlines()]
    assert ["7", "mil", "6", "3", "0.9500", "0.7500"] in rows
    assert ["14", "mil", "6", "3", "0.8500", "0.6500"] in rows
    assert ["all", "folds", "0.9000", "0.8000"] in rows


def test_the_report_fits_a_narrow_terminal(sweep_result: SweepResult) -> None:
    found = confirmation({("trial 1", 1): runs(GOOD), ("logistic_regression", 0): runs([0.8] * 5)})
    shown = printed(dataclasses.replace(sweep_result, confirmation=found), width=96)
    assert max(len(line) for line in shown.splitlines()) <= 96
    assert "0.900 [0.880, 0.920]" in shown
