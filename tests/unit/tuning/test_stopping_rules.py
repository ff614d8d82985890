"""The rules against independent implementations of what their papers say, and against Ray's own code."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule

from raytrain.tuning.stopping_rules import HyperBand, MedianStopping, StoppingRule, SuccessiveHalving, milestones

Result = tuple[int, int, float]

EPOCHS = 12


@st.composite
def streams(draw: st.DrawFn, *, ties: bool = True) -> list[Result]:
    """Draw results of up to nine trials in any interleaving, each trial's epochs in their order."""
    turns = draw(st.lists(st.integers(0, 8), max_size=80))
    values = st.integers(-4, 4) if ties else st.integers(-(2**20), 2**20)
    numbers = draw(st.lists(values, min_size=len(turns), max_size=len(turns), unique=not ties))
    epochs: Counter[int] = Counter()
    results = []
    for trial, number in zip(turns, numbers, strict=True):
        if epochs[trial] < EPOCHS:
            epochs[trial] += 1
            results.append((trial, epochs[trial], number / 64))
    return results


def decisions(rule: StoppingRule, results: Sequence[Result]) -> list[bool]:
    """Return the decision on each result; a trial that was stopped has no more."""
    stopped: set[int] = set()
    made = []
    for trial, epoch, value in results:
        if trial not in stopped:
            made.append(rule.stops(trial, epoch, value))
            stopped |= {trial} if made[-1] else set()
    return made


def halving_by_the_paper(results: Sequence[Result], *, grace: int, reduction: int, epochs: int = EPOCHS) -> list[bool]:
    """Decide anew from the whole history each time, in fractions: is the arrival in the top 1/reduction of before?"""
    rungs = [grace * reduction**k for k in range(20) if grace * reduction**k < epochs]
    history: list[Result] = []
    stopped: set[int] = set()
    made = []
    for trial, epoch, value in results:
        if trial in stopped:
            continue
        before = sorted(Fraction(other_value) for _, at, other_value in history if at == epoch)
        history.append((trial, epoch, value))
        stop = False
        if epoch in rungs and before:
            place = Fraction(len(before) - 1) * (1 - Fraction(1, reduction))
            low = before[int(place)]
            high = before[min(int(place) + 1, len(before) - 1)]
            stop = Fraction(value) < low + (high - low) * (place - int(place))
        made.append(stop)
        stopped |= {trial} if stop else set()
    return made


def decisions_of_ray(scheduler: Any, results: Sequence[Result]) -> list[bool]:  # noqa: ANN401
    """Return what a scheduler of Ray decides; trials end when it says so."""
    trials = {number: _RayTrial(str(number)) for number, _, _ in results}
    controller = SimpleNamespace(get_live_trials=list)
    for trial in trials.values():
        scheduler.on_trial_add(controller, trial)
    stopped: set[int] = set()
    made = []
    for number, epoch, value in results:
        if number not in stopped:
            decision = scheduler.on_trial_result(controller, trials[number], {"epoch": epoch, "value": value})
            made.append(decision == "STOP")
            stopped |= {number} if made[-1] else set()
    return made


@dataclass(frozen=True)
class _RayTrial:
    trial_id: str


@given(streams(), st.integers(1, 4), st.integers(2, 4))
def test_halving_decides_as_the_brute_force_does(results: list[Result], grace: int, reduction: int) -> None:
    rule = SuccessiveHalving(grace=grace, reduction=reduction, epochs=EPOCHS)
    assert decisions(rule, results) == halving_by_the_paper(results, grace=grace, reduction=reduction)


@given(streams(ties=False), st.integers(1, 4), st.integers(2, 4), st.sampled_from(["min", "max"]))
def test_halving_decides_as_rays_does(results: list[Result], grace: int, reduction: int, mode: str) -> None:
    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric="value",
        mode=mode,
        max_t=1000,
        grace_period=grace,
        reduction_factor=reduction,
    )
    sign = 1 if mode == "max" else -1
    ours = decisions(
        SuccessiveHalving(grace=grace, reduction=reduction, epochs=1000), [(*one[:2], sign * one[2]) for one in results]
    )
    assert ours == decisions_of_ray(scheduler, results)


def test_a_tie_with_the_cutoff_goes_on_where_rays_rounding_stops_it() -> None:
    arrivals = [(trial, 1, trial / 64) for trial in range(10)]
    tie = (10, 1, 6 / 64)  # of ten values the upper third begins at the seventh
    ray = ASHAScheduler(time_attr="epoch", metric="value", mode="max", max_t=9, grace_period=1, reduction_factor=3)
    assert decisions_of_ray(ray, [*arrivals, tie])[-1]
    assert not decisions(SuccessiveHalving(grace=1, reduction=3, epochs=9), [*arrivals, tie])[-1]
    assert decisions(SuccessiveHalving(grace=1, reduction=3, epochs=9), [*arrivals, (10, 1, 5.9 / 64)])[-1]


def test_the_brute_force_stops_and_lets_go_on() -> None:
    """So that agreeing with it means something."""
    results = [(trial, epoch, trial / 8) for trial in (3, 1, 2, 4) for epoch in (1, 2, 3)]
    assert halving_by_the_paper(results, grace=1, reduction=2) == [False] * 3 + [True, False, True] + [False] * 3


@pytest.mark.parametrize(
    ("grace", "reduction", "epochs", "expected"),
    [(1, 3, 27, [1, 3, 9]), (2, 4, 33, [2, 8, 32]), (5, 2, 5, []), (1, 2, 2, [1])],
)
def test_milestones(grace: int, reduction: int, epochs: int, expected: list[int]) -> None:
    assert list(milestones(grace, reduction, epochs)) == expected


@given(streams(), st.integers(1, 2), st.integers(2, 4))
def test_hyperband_is_halving_within_each_bracket(results: list[Result], grace: int, reduction: int) -> None:
    together = HyperBand(grace=grace, reduction=reduction, epochs=EPOCHS)
    starts = [*milestones(grace, reduction, EPOCHS), EPOCHS]
    for bracket, start in enumerate(starts):
        own = [one for one in results if together.bracket(one[0]) == bracket]
        rule = HyperBand(grace=grace, reduction=reduction, epochs=EPOCHS)
        assert decisions(rule, own) == halving_by_the_paper(own, grace=start, reduction=reduction)


def test_hyperbands_brackets_have_its_numbers_and_are_interleaved() -> None:
    rule = HyperBand(grace=1, reduction=3, epochs=81)
    assert rule.sizes == [81, 34, 15, 8, 5]  # Li et al. 2018, table 1
    order = [rule.bracket(trial) for trial in range(sum(rule.sizes))]
    assert [order.count(bracket) for bracket in range(5)] == rule.sizes
    for trials, (bracket, size) in itertools.product((10, 50, 100), enumerate(rule.sizes)):
        assert abs(order[:trials].count(bracket) - trials * size / sum(rule.sizes)) <= 1.5
    assert rule.bracket(sum(rule.sizes)) == rule.bracket(0)


def test_a_sweep_of_few_epochs_has_one_bracket_that_stops_nothing() -> None:
    rule = HyperBand(grace=2, reduction=3, epochs=2)
    assert rule.sizes == [1]
    assert not any(rule.stops(trial, epoch, -trial) for trial in range(5) for epoch in (1, 2))


def median_by_the_paper(results: Sequence[Result], *, grace: int, least: int) -> list[bool]:
    """Decide anew from the whole history each time."""
    history: list[Result] = []
    stopped: set[int] = set()
    made = []
    for trial, epoch, value in results:
        if trial in stopped:
            continue
        history.append((trial, epoch, value))
        averages = []
        for other in {one[0] for one in history} - {trial}:
            reported = {at: other_value for number, at, other_value in history if number == other}
            if epoch in reported and epoch >= grace:  # it has come as far; epochs come one by one
                averages.append(statistics.mean(reported[at] for at in range(grace, epoch + 1)))
        best = max(other_value for number, _, other_value in history if number == trial)
        stop = len(averages) >= least and best < statistics.median(averages)
        made.append(stop)
        stopped |= {trial} if stop else set()
    return made


@given(streams(), st.integers(1, 3), st.integers(1, 3))
def test_median_decides_as_the_brute_force_does(results: list[Result], grace: int, least: int) -> None:
    rule = MedianStopping(grace=grace, least=least)
    assert decisions(rule, results) == median_by_the_paper(results, grace=grace, least=least)


@given(streams(), st.integers(1, 3))
def test_median_decides_as_rays_does(results: list[Result], grace: int) -> None:
    scheduler = MedianStoppingRule(
        time_attr="epoch", metric="value", mode="max", grace_period=grace, min_samples_required=3
    )
    ours = decisions(MedianStopping(grace=grace), results)
    assert ours == decisions_of_ray(scheduler, results)
