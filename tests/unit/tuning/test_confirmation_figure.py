from __future__ import annotations

import dataclasses

import pytest

from raytrain.tuning.comparing import confirmation_of
from raytrain.tuning.confirmation import ConfirmingRun
from raytrain.tuning.confirmation_figure import confirmation
from raytrain.tuning.results import SweepResult


def run(seed: int, value: float, *, reason: str = "") -> ConfirmingRun:
    if reason:
        return ConfirmingRun(seed, 0, {}, {}, reason=reason)
    return ConfirmingRun(seed, 2, {"val/macro_f1": value}, {"test/macro_f1": value - 0.1})


@pytest.fixture
def confirmed(sweep_result: SweepResult) -> SweepResult:
    """Two trials, of which the first is confirmed and the other failed once, and a classical model."""
    found = confirmation_of(
        {
            ("trial 1", 1): [run(1, 0.90), run(2, 0.94)],
            ("trial 3", 3): [run(1, 0.85), run(2, 0.0, reason="val/loss is nan")],
            ("<forest>", 0): [run(1, 0.80), run(2, 0.82)],
        },
        tuned={"trial 1": 0.97, "trial 3": 0.96, "<forest>": 0.81},
        metric="val/macro_f1",
        tried=5,
        test_recordings=6,
    )
    return dataclasses.replace(sweep_result, confirmation=found)


def test_runs_means_and_intervals_are_those_found(confirmed: SweepResult) -> None:
    traces = {(trace.xaxis, trace.name): trace for trace in confirmation(confirmed).data}
    assert traces["x", "trial 1, runs"].x == (0.90, 0.94)
    assert traces["x2", "trial 1, runs"].x == pytest.approx((0.80, 0.84))
    assert traces["x", "trial 3, runs"].x == (0.85,)  # the failed one has no score
    assert confirmed.confirmation is not None
    first = next(one for one in confirmed.confirmation.candidates if one.name == "trial 1")
    mean = traces["x2", "trial 1, mean"]
    assert (mean.x, mean.y) == ((first.test.mean,), ("trial 1",))
    assert mean.x[0] + mean.error_x.array[0] == pytest.approx(first.test.high)
    assert mean.x[0] - mean.error_x.arrayminus[0] == pytest.approx(first.test.low)
    known = dict(zip(traces["x", "in the sweep"].y, traces["x", "in the sweep"].x, strict=True))
    assert known == {"trial 1": 0.97, "trial 3": 0.96, "&lt;forest&gt;": 0.81}


def test_the_confirmed_trial_stands_out(confirmed: SweepResult) -> None:
    colours = {trace.name: trace.marker.color for trace in confirmation(confirmed).data if trace.name.endswith("mean")}
    assert len(set(colours.values())) == 3


def test_a_sweep_that_was_not_confirmed_says_so(sweep_result: SweepResult) -> None:
    assert "was not asked to confirm" in confirmation(sweep_result).layout.annotations[0].text
