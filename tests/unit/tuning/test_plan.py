from __future__ import annotations

from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from raytrain.config.space import SpaceConfig
from raytrain.tuning.plan import planned_trials


def space(trials: int, **one: Any) -> SpaceConfig:  # noqa: ANN401 - any setting of a parameter
    settings = {"name": "trying", "parameters": {"model.depth": one}, "search": {"trials": trials}}
    return SpaceConfig.model_validate(settings)


@pytest.mark.parametrize(("trials", "planned"), [(2, 2), (3, 3), (9, 3)])
def test_no_more_trials_than_points(trials: int, planned: int) -> None:
    assert planned_trials(space(trials, type="int", low=2, high=4)) == planned


def test_a_continuous_space_has_as_many_as_asked_for() -> None:
    assert planned_trials(space(9, type="uniform", low=2, high=4)) == 9


def test_points_that_a_forced_change_left_outside_take_no_place() -> None:
    known = [create_trial(state=TrialState.FAIL, user_attrs={"point": {"model.depth": depth}}) for depth in (2, 3)]
    shifted = space(9, type="int", low=3, high=5)
    assert planned_trials(shifted, known) == 4, "2 is outside; 3 is done; 4 and 5 are to come"
    assert planned_trials(space(3, type="int", low=3, high=5), known) == 3
