from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from raytrain.config.load import validate
from raytrain.config.space import LogUniform, SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.optuna_points import begin_trial
from raytrain.tuning.recorded_study import continue_study, create_study, load_study, space_differences
from raytrain.tuning.storage import close_study, open_storage
from raytrain.tuning.storage_location import StudyLocation, locate

Remembered = Callable[[optuna.Study], optuna.Study]


def make_space(metric: str = "val/macro_f1", objectives: tuple[str, ...] = (), trials: int = 16) -> SpaceConfig:
    settings: dict[str, Any] = {
        "name": "trying",
        "fixed": {"metric": metric},
        "parameters": {"optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1.0}},
        "search": {"algorithm": "random", "trials": trials, "objectives": list(objectives)},
        "scheduler": {"name": "none" if objectives else "asha"},
    }
    return validate(SpaceConfig, settings, where="search space")


@pytest.fixture(params=["journal", "sqlite"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> StudyLocation:
    return locate(request.param, tmp_path, "quick")


@pytest.fixture
def closing() -> Iterator[Remembered]:
    opened: list[optuna.Study] = []

    def remember(study: optuna.Study) -> optuna.Study:
        opened.append(study)
        return study

    yield remember
    for study in opened:
        close_study(study)


@pytest.mark.parametrize(
    ("metric", "objectives", "directions"),
    [
        ("val/macro_f1", (), ["MAXIMIZE"]),
        ("val/loss", (), ["MINIMIZE"]),
        ("val/macro_f1", ("model/parameters", "val/balanced_accuracy"), ["MAXIMIZE", "MINIMIZE", "MAXIMIZE"]),
    ],
)
def test_a_study_says_what_it_is_of(
    metric: str, objectives: tuple[str, ...], directions: list[str], location: StudyLocation, closing: Remembered
) -> None:
    space = make_space(metric, objectives)
    closing(create_study(space, location))
    study = closing(load_study(location))
    assert study.study_name == "quick"
    assert [one.name for one in study.directions] == directions
    assert study.metric_names == [metric, *objectives]
    assert study.user_attrs == {
        "raytrain_version": importlib.metadata.version("raytrain"),
        "raytrain_metric": metric,
        "raytrain_objectives": list(objectives),
        "raytrain_space": space.model_dump(mode="json"),
    }
    assert space_differences(study, space) == []


def test_a_study_of_that_name_is_not_taken_over(location: StudyLocation, closing: Remembered) -> None:
    closing(create_study(make_space(), location))
    with pytest.raises(ConfigError, match=r"the study 'quick' exists in .* of the same space; choose another --name"):
        create_study(make_space(), location)
    with pytest.raises(ConfigError, match=r"of another space \(search\.trials: 16 -> 20\); choose another --name"):
        create_study(make_space(trials=20), location)
    with pytest.raises(ConfigError, match=r"of another space \(.*; .*; .* and \d more\)"):
        create_study(make_space("val/loss", ("model/parameters",), trials=20), location)


def test_a_study_that_is_not_there_is_named_with_those_that_are(location: StudyLocation, closing: Remembered) -> None:
    closing(create_study(make_space(), location))
    with pytest.raises(ConfigError, match=r"there is no study 'slow' in .*; studies there: quick"):
        load_study(StudyLocation(location.url, "slow"))


def test_a_study_of_another_program_is_refused(location: StudyLocation, closing: Remembered) -> None:
    closing(optuna.create_study(study_name="quick", storage=open_storage(location)))
    with pytest.raises(ConfigError, match="does not say what space it is of"):
        load_study(location)


def test_a_run_goes_on_with_its_study(location: StudyLocation, closing: Remembered) -> None:
    study = closing(create_study(make_space(), location))
    study.tell(study.ask(), 0.5)
    again = closing(continue_study(make_space(trials=20), location))
    assert [trial.value for trial in again.trials] == [0.5]
    assert space_differences(again, make_space(trials=20)) == ["search.trials: 16 -> 20"]
    again.tell(again.ask(), 0.6)
    assert len(closing(load_study(location)).trials) == 2


def test_a_run_that_came_to_no_study_gets_one(location: StudyLocation, closing: Remembered) -> None:
    study = closing(continue_study(make_space(), location))
    assert study.metric_names == ["val/macro_f1"]
    assert closing(load_study(location)).trials == []


@pytest.mark.parametrize("last", ["set_metric_names", "set_user_attr"])
def test_a_kill_while_the_study_was_made_loses_nothing(
    last: str, location: StudyLocation, closing: Remembered, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, last, die)
        with pytest.raises(Killed):
            create_study(make_space(), location)
    closing(continue_study(make_space(), location))
    assert space_differences(closing(load_study(location)), make_space()) == []


@pytest.mark.parametrize("other", [make_space("val/loss"), make_space(objectives=("model/parameters",))])
def test_a_study_keeps_its_objectives(other: SpaceConfig, location: StudyLocation, closing: Remembered) -> None:
    closing(create_study(make_space(), location))
    with pytest.raises(ConfigError, match=r"search\.objectives: the study 'quick' is of val/macro_f1, and goes on"):
        continue_study(other, location)


def test_a_study_keeps_what_a_choice_is_made_from(location: StudyLocation, closing: Remembered) -> None:
    def space(**one: Any) -> SpaceConfig:  # noqa: ANN401
        settings = {"name": "trying", "parameters": {"batch_size": one}}
        return validate(SpaceConfig, settings, where="search space")

    before = space(type="choice", values=[8, 16])
    study = closing(create_study(before, location))
    study.tell(begin_trial(study, before, {"batch_size": 8}, {}), 0.5)
    for other in (space(type="choice", values=[8, 32]), space(type="int", low=8, high=16)):
        with pytest.raises(
            ConfigError, match=r"parameters\.batch_size: the study 'quick' holds trials with other values"
        ):
            continue_study(other, location)
    closing(continue_study(space(type="grid", values=[8, 16]), location))


def test_a_range_may_change(location: StudyLocation, closing: Remembered) -> None:
    before = make_space()
    study = closing(create_study(before, location))
    study.tell(begin_trial(study, before, {"optimizer.lr": 0.5}, {}), 0.5)
    lower = before.model_copy(
        update={"parameters": {"optimizer.lr": LogUniform(type="loguniform", low=1e-5, high=0.1)}}
    )
    again = closing(continue_study(lower, location))
    begin_trial(again, lower, {"optimizer.lr": 2e-5}, {})
    assert [trial.params["optimizer.lr"] for trial in again.trials] == [0.5, 2e-5]


def test_differences_name_each_setting(location: StudyLocation, closing: Remembered) -> None:
    study = closing(create_study(make_space(), location))
    other = make_space(objectives=("model/parameters",))
    assert space_differences(study, other) == [
        "scheduler.name: asha -> none",
        "search.objectives: [] -> ['model/parameters']",
    ]
