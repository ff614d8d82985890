from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from raytrain.tuning.significance import holm, interval, paired_test, sign_flip_p

scores = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 6))


@pytest.mark.parametrize("count", [2, 3, 5, 12])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_interval_is_that_of_scipy(count: int, confidence: float) -> None:
    values = np.random.default_rng(count).normal(0.9, 0.02, count)
    found = interval(list(values), confidence=confidence)
    low, high = scipy.stats.t.interval(confidence, count - 1, loc=values.mean(), scale=scipy.stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert (found.mean, found.deviation, found.count) == pytest.approx((values.mean(), values.std(ddof=1), count))


def test_intervals_of_what_does_not_vary_and_of_what_is_not_there() -> None:
    same = interval([0.1 + 0.2] * 5)
    assert (same.low, same.high, same.deviation) == (0.1 + 0.2, 0.1 + 0.2, 0.0)
    one = interval([0.7])
    assert (one.mean, one.count) == (0.7, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert math.isnan(interval([]).mean)
    failed = interval([0.7, math.nan, 0.8])
    assert math.isnan(failed.mean)
    assert math.isnan(failed.low)


@given(st.lists(st.tuples(scores, scores), min_size=2, max_size=8))
def test_p_values_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    first, second = (list(side) for side in zip(*pairs, strict=True))
    found = paired_test(first, second)
    differences = [a - b for a, b in pairs]
    exact = scipy.stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=1000, alternative="two-sided"
    )
    assert found.sign_flip_p == pytest.approx(float(exact.pvalue), abs=1e-12)
    if np.std(differences) > 1e-9:
        expected = scipy.stats.ttest_rel(first, second).pvalue
        assert found.t_p == pytest.approx(float(expected), rel=1e-9, abs=1e-12)
        assert found.effect == pytest.approx(np.mean(differences) / np.std(differences, ddof=1))


def test_the_exact_test_cannot_say_more_than_its_number_of_pairs_allows() -> None:
    for count in (2, 5, 6, 10):
        found = paired_test([0.9] * count, list(np.linspace(0.1, 0.2, count)))
        assert found.sign_flip_p == found.least_p == 2 / 2**count


def test_many_pairs_are_tested_by_drawn_signs() -> None:
    differences = list(np.random.default_rng(3).normal(0.4, 1.0, 40))
    p = sign_flip_p(differences)
    assert p == pytest.approx(float(scipy.stats.ttest_1samp(differences, 0).pvalue), abs=0.01)
    assert sign_flip_p([1.0] * 40) > 0  # a drawn p-value is never zero
    assert sign_flip_p(differences) == p  # drawn from a generator of its own


def test_differences_that_do_not_vary_are_not_called_certain() -> None:
    constant = paired_test([0.9] * 5, [0.5] * 5)
    assert math.isnan(constant.t_p)
    assert math.isnan(constant.effect)
    assert constant.sign_flip_p == 2 / 2**5
    equal = paired_test([0.9] * 5, [0.9] * 5)
    assert (equal.t_p, equal.sign_flip_p) == (1.0, 1.0)


def test_a_failed_run_leaves_no_p_value() -> None:
    found = paired_test([0.9, math.nan, 0.8], [0.7, 0.6, 0.5])
    assert all(math.isnan(value) for value in (found.t_p, found.sign_flip_p, found.effect, found.difference.mean))


def test_runs_of_other_seeds_are_not_paired() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_test([0.9, 0.8], [0.7])


def test_the_order_of_the_two_only_changes_the_sign() -> None:
    first, second = [0.9, 0.8, 0.85, 0.7], [0.7, 0.75, 0.9, 0.6]
    one, other = paired_test(first, second), paired_test(second, first)
    assert (one.t_p, one.sign_flip_p) == (other.t_p, other.sign_flip_p)
    assert one.effect == -other.effect
    assert (one.difference.low, one.difference.high) == (-other.difference.high, -other.difference.low)


def test_holm_is_the_step_down_procedure() -> None:
    assert holm([0.01, 0.02, 0.5]) == pytest.approx([0.03, 0.04, 0.5])
    assert holm([0.04, 0.9, 0.03]) == pytest.approx([0.09, 0.9, 0.09])
    adjusted = holm([0.02, math.nan, 0.9])
    assert adjusted[0] == pytest.approx(0.04)
    assert math.isnan(adjusted[1])
    assert holm([]) == []


@pytest.mark.parametrize("count", [3, 5, 8])
def test_intervals_hold_the_true_mean_as_often_as_they_say(count: int) -> None:
    rng = np.random.default_rng(count)
    hits = 0
    for _ in range(4000):
        found = interval(list(rng.normal(0.9, 0.03, count)))
        hits += found.low <= 0.9 <= found.high
    assert hits / 4000 == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


@pytest.mark.parametrize("candidates", [2, 4])
@pytest.mark.parametrize("seeds", [5, 8])
def test_equal_candidates_are_told_apart_no_more_often_than_stated(candidates: int, seeds: int) -> None:
    """The two with the highest means are compared, as in a confirmation, so choosing them is part of what is tested."""
    rng = np.random.default_rng(10 * candidates + seeds)
    rounds, false = 4000, {"t": 0, "sign flip": 0}
    for _ in range(rounds):
        table = rng.normal(0.9, 0.02, (candidates, seeds))
        first, second = table[np.argsort(-table.mean(axis=1))[:2]]
        found = paired_test(list(first), list(second))
        false["t"] += found.t_p < 0.05
        false["sign flip"] += found.sign_flip_p <= 0.05
    most = 0.05 + 4 * math.sqrt(0.05 * 0.95 / rounds)
    assert false["t"] / rounds <= most
    assert false["sign flip"] / rounds <= most
    assert (false["sign flip"] == 0) == (seeds == 5)  # 2/32 is the least p of five pairs


def test_candidates_that_differ_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    found = [
        paired_test(list(rng.normal(0.95, 0.01, 6)), list(rng.normal(0.90, 0.01, 6))).sign_flip_p for _ in range(200)
    ]
    assert np.mean([p < 0.05 for p in found]) > 0.95
