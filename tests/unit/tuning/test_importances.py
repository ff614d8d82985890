from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from raytrain.tuning.asked import Asked
from raytrain.tuning.importances import LEAST_TRIALS, parameter_importances
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult
from raytrain.tuning.space import Point

METRIC = "val/macro_f1"


def trial(number: int, point: Point, value: float) -> TrialRecord:
    return TrialRecord(str(number), number, point, status="finished", best={METRIC: value, "val/loss": -value})


def random_trials(count: int) -> tuple[TrialRecord, ...]:
    """Return trials whose value depends on `rate` and, where the model is `a`, on `depth`; never on `noise`."""
    generator = np.random.default_rng(0)
    trials = []
    for number in range(1, count + 1):
        point: Point = {
            "rate": float(10 ** generator.uniform(-4, -1)),
            "noise": float(generator.uniform()),
            "model": ("a", "b")[int(generator.integers(2))],
        }
        if point["model"] == "a":
            point["depth"] = int(generator.integers(1, 5))
        value = -abs(np.log10(point["rate"]) + 2) + (0.3 if point.get("depth") == 4 else 0.0)
        trials.append(trial(number, point, float(value)))
    return tuple(trials)


def test_what_matters_exceeds_chance_and_what_does_not_stays_below(sweep_result: SweepResult) -> None:
    found = parameter_importances(dataclasses.replace(sweep_result, trials=random_trials(120)), Asked())
    assert (found.trials, found.good, found.reason) == (120, 12, "")
    assert set(found.shares) == {"rate", "noise", "model", "depth"}
    assert sum(found.shares.values()) == pytest.approx(1)
    assert next(iter(found.shares)) == "rate"
    assert found.shares["rate"] > found.chance["rate"]
    assert found.shares["depth"] > found.chance["depth"]
    assert found.shares["noise"] < found.chance["noise"]


def test_less_is_better_where_the_metric_is_a_loss(sweep_result: SweepResult) -> None:
    trials = random_trials(60)
    by_score = parameter_importances(dataclasses.replace(sweep_result, trials=trials), Asked())
    by_loss = parameter_importances(dataclasses.replace(sweep_result, trials=trials, metric="val/loss"), Asked())
    assert by_loss.shares == by_score.shares


def test_repeats_under_its_seed(sweep_result: SweepResult) -> None:
    result = dataclasses.replace(sweep_result, trials=random_trials(30))
    assert parameter_importances(result, Asked(), seed=3) == parameter_importances(result, Asked(), seed=3)


def test_too_few_trials_are_said_to_be(sweep_result: SweepResult) -> None:
    found = parameter_importances(sweep_result, Asked())
    assert (found.shares, found.chance, found.trials) == ({}, {}, 2)
    assert found.reason == f"too few trials: 2 have a value, and at least {LEAST_TRIALS} are needed"
    just_enough = dataclasses.replace(sweep_result, trials=random_trials(LEAST_TRIALS))
    assert parameter_importances(just_enough, Asked()).reason == ""


def test_failed_trials_do_not_count(sweep_result: SweepResult) -> None:
    trials = random_trials(LEAST_TRIALS)
    trials[0].status = "failed"
    found = parameter_importances(dataclasses.replace(sweep_result, trials=trials), Asked())
    assert found.trials == LEAST_TRIALS - 1
    assert "too few" in found.reason


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        ([trial(number, {"x": float(number)}, 0.5) for number in range(1, 21)], "all trials are worth the same"),
        ([trial(number, {"x": 1.0}, number / 20) for number in range(1, 21)], "no parameter varies"),
        (
            [trial(number, {"x": float(number)}, float(number == 1)) for number in range(1, 21)],
            "good trials have the same parameters as all trials",
        ),
    ],
)
def test_where_nothing_can_be_said_the_reason_is(
    trials: list[TrialRecord], reason: str, sweep_result: SweepResult
) -> None:
    found = parameter_importances(dataclasses.replace(sweep_result, trials=tuple(trials)), Asked())
    assert (found.shares, found.reason) == ({}, reason)
