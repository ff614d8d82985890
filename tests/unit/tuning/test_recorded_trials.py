from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from raytrain.errors import RunError
from raytrain.tuning.recorded_trials import reopen_trial, report_value, zombies


@pytest.fixture(params=[1, 2], ids=["one objective", "two objectives"])
def study(request: pytest.FixtureRequest) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(study_name="quick", directions=["maximize"] * request.param)


def values(study: optuna.Study) -> list[float]:
    return [0.5] * len(study.directions)


def test_zombies_are_what_nobody_ended(study: optuna.Study) -> None:
    study.enqueue_trial({"x": 1})
    study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
    for state in (TrialState.PRUNED, TrialState.FAIL):
        study.add_trial(optuna.trial.create_trial(state=state))
    assert [(trial.number, trial.state.name) for trial in zombies(study)] == [(0, "WAITING"), (1, "RUNNING")]


def test_a_running_trial_goes_on(study: optuna.Study) -> None:
    study.ask()
    number = study.ask().number
    trial = reopen_trial(study, number)
    report_value(trial, 1, 0.25)
    study.tell(trial, values(study))
    assert [one.state.name for one in study.trials] == ["RUNNING", "COMPLETE"]
    assert study.trials[1].intermediate_values == {1: 0.25}


def test_a_trial_that_ended_does_not_go_on(study: optuna.Study) -> None:
    study.tell(study.ask(), values(study))
    with pytest.raises(RunError, match="trial 0 of study 'quick' is COMPLETE; only one that is RUNNING"):
        reopen_trial(study, 0)
    for number in (1, -1):
        with pytest.raises(RunError, match=r"does not exist \(1 do\)"):
            reopen_trial(study, number)


def test_an_epoch_that_runs_again_replaces_what_was_reported(study: optuna.Study) -> None:
    trial = study.ask()
    for epoch, value in ((1, 0.1), (2, 0.2), (2, 0.3), (3, 0.4)):
        report_value(trial, epoch, value)
    study.tell(trial, state=TrialState.PRUNED)
    assert study.trials[0].intermediate_values == {1: 0.1, 2: 0.3, 3: 0.4}
