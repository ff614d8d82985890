from __future__ import annotations

import dataclasses
import re

import pytest

from raytrain.tuning.comparing import confirmation_of
from raytrain.tuning.confirmation import ConfirmingRun
from raytrain.tuning.results import SweepResult
from raytrain.tuning.summary_section import leaderboard_table, scores_table, summary


def told(content: str) -> dict[str, str]:
    """Return the numbers of a section by their ids."""
    return dict(re.findall(r'<b id="([^"]+)">([^<]*)</b>', content))


def cells(content: str) -> list[list[str]]:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", content)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def test_counts_are_those_of_the_sweep(sweep_result: SweepResult) -> None:
    assert told(summary(sweep_result)) == {
        "count-trials": "5",
        "count-finished": "1",
        "count-stopped": "2",
        "count-failed": "2",
        "count-epochs": "5",
        "duration": "1 min 23 s",
        "winner": "trial 1",
    }


def test_says_what_was_done_and_how_it_ended(sweep_result: SweepResult) -> None:
    content = summary(sweep_result)
    assert "<code>raytrain tune quick --trials 5</code>" in content
    assert "Trial 3 failed: CUDA out of memory" in content
    assert "Split: recordings are divided by recording" in content
    assert "envelope_lines: not run: bearing &#x27;my own&#x27; has no known geometry" in content
    assert "val/macro_f1 0.900000, the same when its checkpoint is evaluated again" in content
    assert 'id="verdict" class="won">The deep model beats the best classical one' in content
    assert "Interrupted" not in content
    assert 'id="leaky"' not in content


def test_a_score_that_does_not_repeat_is_told(sweep_result: SweepResult) -> None:
    assert sweep_result.best is not None
    other = dataclasses.replace(sweep_result, best=dataclasses.replace(sweep_result.best, reported=0.91))
    assert "was reported as 0.91; its checkpoint evaluated again gives 0.9" in summary(other)


def test_a_leaky_sweep_says_so_first_and_wins_nothing(sweep_result: SweepResult) -> None:
    leaky = dataclasses.replace(sweep_result, leaky=True, interrupted=True)
    content = summary(leaky)
    assert content.startswith('<div class="banner leaky" id="leaky">LEAKY SPLIT')
    assert 'id="verdict" class="lost"' in content
    assert "Interrupted" in content
    assert cells(scores_table(leaky))[2][0] == "test (LEAKY)"


def test_a_confirmation_speaks_in_place_of_a_single_run(sweep_result: SweepResult) -> None:
    runs = [ConfirmingRun(seed, 2, {"val/macro_f1": 0.9}, {"test/macro_f1": 0.8}) for seed in (1, 2)]
    tuned, key = {"trial 1": 0.9}, ("trial 1", 1)
    found = confirmation_of({key: runs}, tuned=tuned, metric="val/macro_f1", tried=5, test_recordings=6)
    content = summary(dataclasses.replace(sweep_result, confirmation=found))
    assert '<a href="#confirmation">confirmation</a>' in content
    assert "beats the best classical one" not in content


def test_without_a_winner_it_says_why(sweep_result: SweepResult) -> None:
    nothing = dataclasses.replace(sweep_result, best=None)
    assert "No trial completed an epoch with a finite val/macro_f1" in summary(nothing)
    assert "winner" not in told(summary(nothing))
    assert scores_table(nothing) == ""


def test_scores_stand_beside_those_of_the_best_classical_model(sweep_result: SweepResult) -> None:
    assert cells(scores_table(sweep_result))[1:] == [
        ["validation", "0.9000", "0.9100", "0.9300", "0.9400"],
        ["test (untouched)", "0.8000", "0.8100", "0.8300", "0.8400"],
        ["test, trained on training and validation parts", "0.8200", "0.8300", "0.8500", "0.8600"],
        ["test, random_forest", "0.7000", "0.7100", "0.7300", "0.7400"],
    ]


def test_leaderboard_is_that_of_the_result(sweep_result: SweepResult) -> None:
    head, *rows = cells(leaderboard_table(sweep_result))
    assert head == ["#", "model", "val", "val, recordings", "test", "test, recordings", "refit test", "settings"]
    assert [row[1] for row in rows] == ["random_forest", "trial 1", "trial 2*"]
    assert rows[1][2:7] == ["0.9000", "0.9300", "0.8000", "0.8300", "0.8200"]
    assert rows[2][4] == ""


@pytest.mark.parametrize(
    ("metric", "column"), [("val/loss", "val/loss"), ("val/recording_macro_f1", "val, recordings")]
)
def test_leaderboard_has_the_metric_once(metric: str, column: str, sweep_result: SweepResult) -> None:
    head = cells(leaderboard_table(dataclasses.replace(sweep_result, metric=metric)))[0]
    assert head.count(column) == 1
    assert len(head) == (9 if metric == "val/loss" else 8)


def test_a_leaderboard_of_nothing(sweep_result: SweepResult) -> None:
    nothing = dataclasses.replace(sweep_result, trials=sweep_result.trials[2:3], baselines=(), best=None)
    assert "Nothing has a value" in leaderboard_table(nothing)
