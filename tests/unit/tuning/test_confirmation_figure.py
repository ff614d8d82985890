from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from raytrain.tuning import sections
from raytrain.tuning.confirmation_figure import confirmation

METRIC, TEST = "val/macro_f1", "test/macro_f1"


@dataclass(frozen=True)
class Interval:
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Run:
    seed: int
    validation: Mapping[str, float]
    test: Mapping[str, float]


@dataclass(frozen=True)
class Candidate:
    name: str
    trial: int
    tuned: float
    runs: tuple[Run, ...]
    validation: Interval
    test: Interval
    optimism: float = 0.01


@dataclass(frozen=True)
class Confirmation:
    metric: str
    seeds: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    best: int | None
    notes: tuple[str, ...] = ()


@pytest.fixture
def found() -> Confirmation:
    """Two trials, of which the second is confirmed and the first failed once, and a classical model."""
    interval, test = Interval(0.8, 0.75, 0.85), Interval(0.7, 0.6, 0.8)
    runs = tuple(Run(seed, {METRIC: 0.8 + seed / 100}, {TEST: 0.7 + seed / 100}) for seed in (1, 2))
    broken = (*runs[:1], Run(2, {}, {}))
    return Confirmation(
        METRIC,
        (1, 2),
        (
            Candidate("trial 3", 3, 0.9, broken, interval, test),
            Candidate("trial 1", 1, 0.85, runs, interval, test),
            Candidate("<forest>", 0, 0.8, runs, interval, test),
        ),
        best=1,
    )


def test_runs_means_and_intervals_are_those_found(found: Confirmation) -> None:
    traces = {(trace.xaxis, trace.name): trace for trace in confirmation(found).data}
    assert traces["x", "trial 1, runs"].x == pytest.approx((0.81, 0.82))
    assert traces["x2", "trial 1, runs"].x == pytest.approx((0.71, 0.72))
    assert traces["x", "trial 3, runs"].x == (0.81,)  # the failed one has no score
    mean = traces["x2", "trial 1, mean"]
    assert (mean.x, mean.y) == ((0.7,), ("trial 1",))
    assert (mean.error_x.array[0], mean.error_x.arrayminus[0]) == pytest.approx((0.1, 0.1))
    assert traces["x", "in the sweep"].x == (0.9, 0.85, 0.8)


def test_the_confirmed_trial_stands_out(found: Confirmation) -> None:
    colours = {trace.name: trace.marker.color for trace in confirmation(found).data if trace.name.endswith("mean")}
    assert len(set(colours.values())) == 3
    assert "&lt;forest&gt;, mean" in colours


def test_the_page_has_the_numbers_as_a_table(found: Confirmation) -> None:
    (section,) = sections._confirmation(found)
    assert "2 seeds that the sweep did not use" in section.explanation
    assert '<tr class="marked"><td>trial 1</td><td class="number">0.8500</td>' in section.below
    assert "<td>0.8000 [0.7500, 0.8500]</td><td>0.7000 [0.6000, 0.8000]</td>" in section.below
    assert "&lt;forest&gt;" in section.below
    assert list(sections._confirmation(None)) == []
