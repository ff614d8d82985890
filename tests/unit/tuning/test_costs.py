from __future__ import annotations

import dataclasses

import pytest

from raytrain.tuning.asked import Asked, read_asked
from raytrain.tuning.costs import costs_of, epochs_saved
from raytrain.tuning.results import SweepResult


@pytest.fixture
def pruned(planned_result: SweepResult) -> SweepResult:
    """Trials 2 and 5 were stopped by the scheduler, after one epoch and before the first, of nine."""
    for index in (1, 4):
        planned_result.trials[index].reason = "by the scheduler"
    return planned_result


def test_pruning_saves_what_full_trials_would_still_have_run(pruned: SweepResult) -> None:
    asked = read_asked(pruned.directory)
    assert [epochs_saved(record, asked) for record in pruned.trials] == [0, 8, 0, 0, 9]
    costs = costs_of(pruned, asked)
    assert (costs.epochs_run, costs.epochs_saved, costs.trials_pruned, costs.epochs_failed) == (5, 17, 2, 1)
    assert costs.trial_hours == pytest.approx((4.5 + 1.5 + 1.5) / 3600)  # the last epoch's seconds of trials 1, 2, 4
    assert costs.share_saved == pytest.approx(17 / 22)
    assert costs.hours_saved == pytest.approx(17 * 7.5 / 5 / 3600)


def test_a_trial_that_plans_its_own_epochs_saves_of_those(pruned: SweepResult) -> None:
    record = dataclasses.replace(pruned.trials[1], point={"epochs": 4})
    assert epochs_saved(record, read_asked(pruned.directory)) == 3


def test_trials_that_time_or_a_person_ended_save_nothing(pruned: SweepResult) -> None:
    pruned.trials[1].reason, pruned.trials[4].reason = "by the time budget", "by Ctrl-C"
    costs = costs_of(pruned, read_asked(pruned.directory))
    assert (costs.epochs_saved, costs.trials_pruned, costs.share_saved) == (0, 0, 0)


def test_without_a_plan_nothing_is_said_of_savings(pruned: SweepResult) -> None:
    pruned.trials[1].point.pop("epochs")
    costs = costs_of(pruned, Asked())
    assert (costs.epochs_saved, costs.hours_saved, costs.share_saved) == (None, None, None)


def test_a_sweep_without_an_epoch_costs_nothing(pruned: SweepResult) -> None:
    costs = costs_of(dataclasses.replace(pruned, trials=()), read_asked(pruned.directory))
    assert (costs.trial_hours, costs.epochs_run, costs.epochs_saved) == (0, 0, 0)
    assert (costs.hours_saved, costs.share_saved) == (None, None)
