from __future__ import annotations

import dataclasses

import pytest

from raytrain.tuning.conclusions import best_baseline, count_by_status, failures_by_reason, honest_verdict, infeasible
from raytrain.tuning.results import SweepResult


def test_counts_are_those_of_the_trials(sweep_result: SweepResult) -> None:
    assert count_by_status(sweep_result.trials) == {"finished": 1, "stopped": 2, "failed": 2}
    assert count_by_status(()) == {}


def test_failures_of_one_reason_stand_together(sweep_result: SweepResult) -> None:
    again = dataclasses.replace(sweep_result.trials[2], number=6)
    found = failures_by_reason((*sweep_result.trials, again))
    assert found == {"CUDA out of memory": [3, 6], "never a finite number": [4]}


def test_the_rival_is_the_baseline_that_tests_best(sweep_result: SweepResult) -> None:
    (forest, skipped) = sweep_result.baselines
    better = dataclasses.replace(forest, name="logistic_regression", test={"test/macro_f1": 0.75})
    found = best_baseline(dataclasses.replace(sweep_result, baselines=(forest, better, skipped)))
    assert found == better
    assert best_baseline(dataclasses.replace(sweep_result, baselines=(skipped,))) is None


@pytest.mark.parametrize(
    ("score", "won", "said"),
    [(0.7, True, "beats the best classical one on the test part (random_forest, +0.1000 macro-F1)"),
     (0.8, False, "does not beat the best classical one on the test part (random_forest, +0.0000 macro-F1)"),
     (0.9, False, "does not beat the best classical one on the test part (random_forest, -0.1000 macro-F1)")],
)  # fmt: skip
def test_the_verdict_compares_test_scores(score: float, won: bool, said: str, sweep_result: SweepResult) -> None:
    forest = dataclasses.replace(sweep_result.baselines[0], test={"test/macro_f1": score})
    verdict = honest_verdict(dataclasses.replace(sweep_result, baselines=(forest,)))
    assert verdict == (won, f"The deep model {said}.")


def test_nothing_is_beaten_without_a_winner_or_a_rival(sweep_result: SweepResult) -> None:
    won, sentence = honest_verdict(dataclasses.replace(sweep_result, baselines=()))
    assert (won, sentence.startswith("No classical baseline was run")) == (False, True)
    won, sentence = honest_verdict(dataclasses.replace(sweep_result, best=None))
    assert (won, sentence.startswith("No trial completed an epoch")) == (False, True)


def test_without_a_feasible_trial_the_nearest_is_told(sweep_result: SweepResult) -> None:
    first, second, *rest = sweep_result.trials
    first.violations = {"model/parameters": 4070.0, "val/loss": -0.5}
    second.violations = {"model/parameters": 12.5, "val/loss": 0.25}
    rest[0].violations = {"model/parameters": 1.0}
    result = dataclasses.replace(sweep_result, best=None)
    assert infeasible(result.trials) == [second, first], "a trial without a value is not among them"
    won, sentence = honest_verdict(result)
    assert not won
    assert sentence.startswith("No trial keeps to search.constraints, so there is no best model; trial 2 comes nearest")
    assert "breaks model/parameters by 12.5, val/loss by 0.25. Loosen a bound" in sentence
