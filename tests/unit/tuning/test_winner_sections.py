from __future__ import annotations

import dataclasses
import re

from raytrain.tuning.comparing import confirmation_of
from raytrain.tuning.confirmation import ConfirmingRun
from raytrain.tuning.fold_verdict import FoldScore
from raytrain.tuning.markup import Section
from raytrain.tuning.results import SweepResult
from raytrain.tuning.winner_sections import winner_sections


def by_anchor(result: SweepResult) -> dict[str, Section]:
    return {one.anchor: one for one in winner_sections(result)}


def test_there_is_nothing_without_a_winner(sweep_result: SweepResult) -> None:
    assert list(by_anchor(sweep_result)) == ["confusion", "recordings"]
    assert by_anchor(dataclasses.replace(sweep_result, best=None)) == {}


def test_recordings_are_listed_the_wrong_ones_first(sweep_result: SweepResult) -> None:
    section = by_anchor(sweep_result)["recordings"]
    assert "1 of 6 are voted wrong" in section.explanation
    names = re.findall(r"<tr[^>]*><td>(\w\d)</td>", section.below)
    assert names == ["o1", "b1", "b2", "o2", "i1", "i2"]
    assert '<tr class="wrong"><td>o1</td><td>outer</td><td>ball</td>' in section.below


def test_a_run_that_kept_no_recordings_says_so(sweep_result: SweepResult) -> None:
    assert sweep_result.best is not None
    sweep_result.best.judgements["test"].recordings.clear()
    section = by_anchor(sweep_result)["recordings"]
    assert "kept no results by recording" in section.explanation
    assert section.below == ""


def test_a_leaky_sweep_is_marked_where_it_was_tested(sweep_result: SweepResult) -> None:
    sections = by_anchor(dataclasses.replace(sweep_result, leaky=True))
    assert "(LEAKY)" in sections["confusion"].title
    assert "(LEAKY)" in sections["recordings"].title
    assert "leaky" in sections["confusion"].explanation


def test_folds_are_told_one_by_one_and_together(sweep_result: SweepResult) -> None:
    assert sweep_result.best is not None
    scores = {"val/macro_f1": 0.7}, {"test/macro_f1": 0.6}
    folds = (FoldScore("0 hp", 12, 4, *scores), FoldScore("<1 hp>", 11, 5, *scores))
    result = dataclasses.replace(sweep_result, best=dataclasses.replace(sweep_result.best, folds=folds))
    assert "once by each fold" in by_anchor(result)["recordings"].explanation
    rows = re.findall(r"<tr[^>]*>(<td.*?)</tr>", by_anchor(result)["folds"].above)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    assert cells == [
        ["0 hp", "12", "4", "0.7000", "0.6000"],
        ["&lt;1 hp&gt;", "11", "5", "0.7000", "0.6000"],
        ["all folds", "", "", "0.9000", "0.8000"],
    ]


def test_a_confirmation_is_told_in_numbers_and_sentences(sweep_result: SweepResult) -> None:
    values = {("trial 1", 1): (0.90, 0.92, 0.94), ("<forest>", 0): (0.80, 0.82, 0.84)}
    runs = {
        key: [
            ConfirmingRun(seed, 2, {"val/macro_f1": value}, {"test/macro_f1": value - 0.1})
            for seed, value in enumerate(scores, start=1)
        ]
        for key, scores in values.items()
    }
    tuned = {"trial 1": 0.97, "<forest>": 0.81}
    found = confirmation_of(
        runs, tuned=tuned, metric="val/macro_f1", tried=24, test_recordings=9, notes=["seeds & <notes>"]
    )
    section = by_anchor(dataclasses.replace(sweep_result, confirmation=found))["confirmation"]
    assert "3 seeds that the sweep did not use" in section.explanation
    assert '<tr class="marked"><td>trial 1</td><td class="number">0.9700</td>' in section.below
    assert "<td>0.9200 [0.8703, 0.9697]</td><td>0.8200 [0.7703, 0.8697]</td>" in section.below
    assert "the best of 24; the best of many is too good, here by 0.0500" in section.below
    assert "trial 1 against &lt;forest&gt; on test" in section.below
    assert "<p>seeds &amp; &lt;notes&gt;</p>" in section.below
    assert "<forest>" not in section.below
