from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import scipy.stats

from raytrain.engine.manifest import finite
from raytrain.tuning.comparing import confirmation_of
from raytrain.tuning.confirmation import Candidate, Confirmation, ConfirmingRun, confirmation_from
from raytrain.tuning.significance import holm

SEEDS = (1, 2, 3, 4, 5)


def run(seed: int, validation: float, test: float) -> ConfirmingRun:
    return ConfirmingRun(seed, 3, {"val/macro_f1": validation}, {"test/macro_f1": test})


def runs(validation: list[float], test: list[float] | None = None) -> list[ConfirmingRun]:
    return [run(*one) for one in zip(SEEDS, validation, test or validation, strict=True)]


def confirmed(
    some: dict[tuple[str, int], list[ConfirmingRun]],
    tuned: dict[str, float] | None = None,
    *,
    metric: str = "val/macro_f1",
    notes: tuple[str, ...] = (),
) -> Confirmation:
    tuned = tuned or {name: 0.9 for name, _ in some}
    return confirmation_of(some, tuned=tuned, metric=metric, tried=16, test_recordings=12, notes=notes)


GOOD, BETTER = [0.90, 0.91, 0.89, 0.92, 0.88], [0.93, 0.95, 0.92, 0.96, 0.94]
FOREST = [0.80, 0.81, 0.80, 0.79, 0.82]


def named(confirmation: Confirmation, name: str) -> Candidate:
    return next(one for one in confirmation.candidates if one.name == name)


def test_the_best_is_that_of_the_best_mean_on_validation_whatever_the_test_part_says() -> None:
    result = confirmed(
        {("trial 3", 3): runs(GOOD, test=[0.99] * 5), ("trial 7", 7): runs(BETTER, test=[0.5] * 5)},
        {"trial 3": 0.97, "trial 7": 0.96},
    )
    assert (result.ahead, result.best) == (3, 7)
    assert [one.name for one in result.candidates] == ["trial 7", "trial 3"]
    [on_validation, on_test] = result.comparisons
    assert (on_validation.first, on_validation.second, on_validation.part) == ("trial 7", "trial 3", "validation")
    assert on_validation.better
    assert not on_test.better
    assert result.seeds == SEEDS


def test_of_a_metric_that_should_be_low_the_lowest_mean_wins() -> None:
    low = [ConfirmingRun(s, 1, {"val/loss": 0.1 + s / 100}, {"test/loss": 0.2}) for s in SEEDS]
    high = [ConfirmingRun(s, 1, {"val/loss": 0.3 + s / 90}, {"test/loss": 0.1}) for s in SEEDS]
    tuned = {"trial 1": 0.05, "trial 2": 0.12}
    result = confirmed({("trial 1", 1): high, ("trial 2", 2): low}, tuned, metric="val/loss")
    assert result.best == 2
    assert result.comparisons[0].better
    assert named(result, "trial 1").optimism == pytest.approx(0.3 + 3 / 90 - 0.05)


def test_optimism_is_the_sweeps_score_less_the_mean_of_the_seeds() -> None:
    result = confirmed({("trial 3", 3): runs(GOOD)}, {"trial 3": 0.97})
    assert named(result, "trial 3").optimism == pytest.approx(0.97 - 0.90)
    assert result.comparisons == ()


def test_numbers_are_those_of_scipy() -> None:
    result = confirmed(
        {("trial 3", 3): runs(GOOD), ("trial 7", 7): runs(BETTER), ("random_forest", 0): runs(FOREST)},
    )
    assert [(one.second, one.part) for one in result.comparisons] == [
        ("trial 3", "validation"),
        ("random_forest", "validation"),
        ("trial 3", "test"),
        ("random_forest", "test"),
    ]
    p_values = [scipy.stats.ttest_rel(BETTER, other).pvalue for other in (GOOD, FOREST)]
    assert [one.result.t_p for one in result.comparisons[:2]] == pytest.approx(p_values)
    assert [one.adjusted_p for one in result.comparisons[:2]] == pytest.approx(holm(p_values))
    ends = scipy.stats.t.interval(0.95, 4, loc=np.mean(BETTER), scale=scipy.stats.sem(BETTER))
    best = named(result, "trial 7").validation
    assert (best.low, best.high) == pytest.approx(ends)
    assert all(one.distinguishable for one in result.comparisons)


def test_the_rival_is_the_classical_model_of_the_best_validation() -> None:
    some = {
        ("trial 1", 1): runs(GOOD),
        ("envelope_lines", 0): runs([0.7] * 5, test=[0.99] * 5),
        ("random_forest", 0): runs(FOREST, test=[0.1] * 5),
    }
    assert [one.second for one in confirmed(some).comparisons] == ["random_forest", "random_forest"]


def test_a_candidate_that_failed_with_a_seed_is_not_the_best() -> None:
    broken = [*runs(BETTER)[:4], ConfirmingRun(5, 0, {}, {}, reason="val/loss is nan in epoch 2")]
    result = confirmed({("trial 7", 7): broken, ("trial 3", 3): runs(GOOD)})
    assert result.best == 3
    assert math.isnan(named(result, "trial 7").validation.mean)
    assert [one.seed for one in named(result, "trial 7").failed] == [5]
    assert not any(one.distinguishable for one in result.comparisons)
    assert confirmed({("trial 7", 7): broken}).best is None


def test_what_never_varies_is_not_called_significant() -> None:
    same = confirmed({("trial 1", 1): runs([0.9] * 5), ("trial 2", 2): runs([0.9] * 5)})
    assert same.best == 1  # equal ones stay in the sweep's order
    assert not any(one.distinguishable for one in same.comparisons)
    constant = confirmed({("trial 1", 1): runs([0.9] * 5), ("logistic_regression", 0): runs([0.8] * 5)})
    assert not any(one.distinguishable for one in constant.comparisons)


def test_equal_candidates_are_told_apart_no_more_often_than_stated() -> None:
    """Choosing the best and its runner-up among four, and a classical model besides, is part of what is tested."""
    rng = np.random.default_rng(11)
    rounds, false = 800, {"validation": 0, "test": 0}
    for _ in range(rounds):
        table = rng.normal(0.9, 0.02, (5, 2, 5))
        some = {(f"trial {i}", i): runs(list(v), list(t)) for i, (v, t) in enumerate(table[:4], start=1)}
        some["random_forest", 0] = runs(list(table[4, 0]), list(table[4, 1]))
        for part in false:
            comparisons = [one for one in confirmed(some).comparisons if one.part == part]
            false[part] += any(one.distinguishable for one in comparisons if one.second.startswith("trial"))
    most = 0.05 + 4 * math.sqrt(0.05 * 0.95 / rounds)
    assert false["validation"] / rounds <= most
    assert false["test"] / rounds <= most


def test_what_is_written_is_read() -> None:
    broken = [*runs(BETTER)[:4], ConfirmingRun(5, 0, {}, {}, reason="it diverged")]
    some = {("trial 7", 7): broken, ("trial 3", 3): runs(GOOD), ("logistic_regression", 0): runs([0.8] * 5)}
    result = confirmed(some, notes=("one",))
    content = json.loads(json.dumps(finite(dataclasses.asdict(result)), allow_nan=False))
    again = confirmation_from(content)
    assert repr(again) == repr(result)  # NaN and all
    frame = again.dataframe()
    assert frame.shape[0] == 15
    assert frame.groupby("candidate")["val/macro_f1"].mean()["trial 3"] == pytest.approx(0.9)
