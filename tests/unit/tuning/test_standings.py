from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from raytrain.tuning.records import TrialRecord
from raytrain.tuning.standings import pareto_standings

METRIC, COST = "val/macro_f1", "model/parameters"


def trial(number: int, value: float | None, cost: float, *, violation: float = 0.0) -> TrialRecord:
    best = None if value is None else {METRIC: value}
    return TrialRecord(
        str(number), number, {}, status="finished", best=best, objectives={COST: cost}, violations={COST: violation}
    )


def front(*trials: TrialRecord) -> list[int]:
    standings = pareto_standings(trials, metric=METRIC, objectives=[COST])
    return [one.record.number for one in standings if one.on_front]


def test_more_of_the_metric_and_less_of_the_cost_is_better() -> None:
    assert front(trial(1, 0.9, 100), trial(2, 0.8, 50), trial(3, 0.8, 60), trial(4, 0.7, 50)) == [1, 2]


def test_equal_trials_do_not_beat_each_other() -> None:
    assert front(trial(1, 0.9, 100), trial(2, 0.9, 100)) == [1, 2]


def test_what_breaks_a_constraint_is_on_no_front_and_beats_none() -> None:
    assert front(trial(1, 0.9, 10, violation=1.0), trial(2, 0.5, 50)) == [2]


def test_trials_without_a_value_are_left_out() -> None:
    trials = [trial(1, None, 10), trial(2, 0.5, math.nan), trial(3, 0.5, 9)]
    assert [one.record.number for one in pareto_standings(trials, metric=METRIC, objectives=[COST])] == [3]
    assert pareto_standings(trials, metric=METRIC, objectives=["model/latency_ms"]) == []


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_each_trial_off_the_front_is_beaten_by_one_on_it(points: list[tuple[int, int]]) -> None:
    standings = pareto_standings(
        [trial(index, value, cost) for index, (value, cost) in enumerate(points)], metric=METRIC, objectives=[COST]
    )
    on_front = {one.values for one in standings if one.on_front}
    for one in standings:
        beaten = any(v >= one.values[0] and c <= one.values[1] and (v, c) != one.values for v, c in on_front)
        assert beaten != one.on_front
