from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_points import begin_trial, record_point, recorded_point, suggest_point
from raytrain.tuning.space import Point

PARAMETERS: dict[str, Any] = {
    "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1.0},
    "optimizer.weight_decay": {"type": "uniform", "low": 0, "high": 0.1},
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
    "model.depth": {"type": "int", "low": 2, "high": 8, "step": 2, "when": {"model.name": "cnn1d"}},
    "windows.length": {"type": "int", "low": 256, "high": 4096, "log": True},
    "windows.envelope_band_hz": {"type": "grid", "values": [None, [500, 2000]]},
}
POINT: Point = {
    "optimizer.lr": 0.0123456789,
    "optimizer.weight_decay": 0.1,
    "model.name": "cnn1d",
    "windows.length": 1000,
    "windows.envelope_band_hz": [500, 2000],
    "model.depth": 8,
}


@pytest.fixture
def space() -> SpaceConfig:
    return validate(SpaceConfig, {"name": "trying", "parameters": PARAMETERS}, where="search space")


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study()


def test_a_begun_trial_runs_with_all_that_is_known(space: SpaceConfig, study: optuna.Study) -> None:
    trial = begin_trial(study, space, POINT, {"host": "here", "seed": 3})
    [recorded] = study.trials
    assert recorded.state is TrialState.RUNNING
    assert recorded.datetime_start is not None
    assert recorded.user_attrs == {"host": "here", "seed": 3}
    assert (trial.number, trial.params) == (0, recorded.params)
    assert recorded.params == POINT | {"windows.envelope_band_hz": "[500, 2000]"}
    assert recorded_point(space, recorded) == POINT


def test_a_begun_trial_is_what_suggesting_would_have_made(space: SpaceConfig, study: optuna.Study) -> None:
    """Else a sampler would not learn from it, and Optuna would warn of another distribution."""
    asked = study.ask()
    point = suggest_point(asked, space)
    begin_trial(study, space, point, {})
    first, second = study.trials
    assert first.distributions == second.distributions
    assert first.params == second.params


def test_a_trial_begins_in_one_operation(
    space: SpaceConfig, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = study._storage
    writes = [name for name in dir(storage) if name.startswith(("set_", "create_", "delete_"))]
    called: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        before = getattr(storage, name)

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes
            called.append(name)
            return before(*arguments, **named)

        return call

    for name in writes:
        monkeypatch.setattr(storage, name, counted(name))
    begin_trial(study, space, POINT, {"host": "here"})
    assert called == ["create_new_trial"]


def test_a_point_outside_the_space_is_refused(space: SpaceConfig, study: optuna.Study) -> None:
    with pytest.raises(ValueError, match="transformer"):
        begin_trial(study, space, POINT | {"model.name": "transformer"}, {})
    with pytest.raises(ValueError, match=r"2\.0"):
        begin_trial(study, space, POINT | {"optimizer.lr": 2.0}, {})
    assert study.trials == []


def test_a_sampler_learns_from_recorded_points(space: SpaceConfig) -> None:
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    for rate in (0.5, 0.6, 0.7, 0.8, 0.9, 0.5, 0.6, 0.7, 0.8, 0.9, *[0.001] * 3):
        trial = record_point(study, space, POINT | {"optimizer.lr": rate})
        study.tell(trial, rate)
    asked = [study.ask().suggest_float("optimizer.lr", 1e-4, 1.0, log=True) for _ in range(10)]
    assert sum(value < 0.02 for value in asked) > 5


def test_what_the_space_does_not_know_is_no_point_of_it(space: SpaceConfig, study: optuna.Study) -> None:
    study.ask().suggest_float("x", 0, 1)
    with pytest.raises(KeyError):
        recorded_point(space, study.trials[0])
    study.ask().suggest_categorical("model.name", ["transformer"])
    with pytest.raises(ValueError, match="transformer"):
        recorded_point(space, study.trials[1])
