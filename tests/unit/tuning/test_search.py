"""What a driver finds after a crash, and how it makes study and records agree before any trial goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.schedulers import TrialScheduler

from raytrain.config.load import apply_overrides
from raytrain.config.space import SpaceConfig
from raytrain.errors import RunError
from raytrain.tuning import search
from raytrain.tuning.plan import Plan
from raytrain.tuning.recorded_study import create_study
from raytrain.tuning.recorder import Recorder
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.schedulers import create_scheduler
from raytrain.tuning.search import run_trials
from raytrain.tuning.searcher import StudySearcher
from raytrain.tuning.storage_location import StudyLocation, locate

METRIC = "val/macro_f1"
SETTINGS: dict[str, Any] = {
    "name": "trying",
    "fixed": {"epochs": 4},
    "parameters": {"optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 0.1}},
    "search": {"algorithm": "random", "trials": 4},
    "scheduler": {"name": "asha", "grace_epochs": 1, "reduction_factor": 2},
}


class Driver:
    """A driver that tells study and records of trials one after another, and may die between the two."""

    def __init__(self, space: SpaceConfig, directory: Path) -> None:
        self.space = space
        self.directory = directory
        self.location: StudyLocation = locate(None, directory, "trying")
        self.study = create_study(space, self.location)
        self.searcher = StudySearcher(space, self.study, folder=directory / "trials", planned=space.search.trials)
        self.recorder = Recorder(space, directory)

    def start(self) -> Any:  # noqa: ANN401 - stands for a trial of Tune
        """Return a new trial that both have heard of."""
        trial_id = f"id{len(self.study.trials)}"
        config = self.searcher.suggest(trial_id)
        trial = SimpleNamespace(trial_id=trial_id, config=config, error_file=None)
        self.recorder.on_trial_start(0, [], trial)
        return trial

    def report(self, trial: Any, *values: float, **more: float) -> None:  # noqa: ANN401
        """Tell both of epochs."""
        for epoch, value in enumerate(values, start=1):
            result = {"epoch": epoch, METRIC: value, "finished": epoch == 4, "stop_reason": "", **more}
            self.searcher.on_trial_result(trial.trial_id, result)
            self.recorder.on_trial_result(0, [], trial, result)

    def study_hears_the_end(self, trial: Any, result: dict[str, Any]) -> None:  # noqa: ANN401
        self.searcher.on_trial_complete(trial.trial_id, result)

    def records_hear_the_end(self, trial: Any) -> None:  # noqa: ANN401
        self.recorder.on_trial_complete(0, [], trial)

    def after_the_crash(self) -> Plan:
        """Return the plan of the driver that goes on."""
        return Plan(
            space=self.space,
            directory=self.directory,
            location=self.location,
            study=self.study,
            experience=(),
            split=cast("Any", None),
            stores={},
            windows=(),
            cluster=cast("Any", None),
            concurrency=1,
            console=cast("Any", None),
        )

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / "events.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture
def make_driver(tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    made = []

    def make(**overrides: Any) -> Driver:  # noqa: ANN401 - any setting
        dotted = {field.replace("__", "."): value for field, value in overrides.items()}
        made.append(Driver(SpaceConfig.model_validate(apply_overrides(SETTINGS, dotted)), tmp_path))
        return made[-1]

    yield make
    for driver in made:
        driver.recorder.close(reason="the test is over")


@pytest.fixture
def driver(make_driver: Callable[..., Driver]) -> Driver:
    return make_driver()


@pytest.fixture
def gone_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[TrialScheduler, Recorder]]]:
    """What Tune would have gone on with; it does not."""
    handed: list[tuple[TrialScheduler, Recorder]] = []

    def tune(_: Plan, __: object, scheduler: TrialScheduler, recorder: Recorder) -> bool:
        handed.append((scheduler, recorder))
        return False

    monkeypatch.setattr(search, "_tune", tune)
    yield handed
    for _, recorder in handed:
        recorder.close(reason="the test is over")


def states(study: optuna.Study) -> list[TrialState]:
    return [trial.state for trial in study.trials]


Handed = list[tuple[TrialScheduler, Recorder]]


def test_the_end_that_only_the_study_heard_of_is_recorded(driver: Driver, gone_on: Handed) -> None:
    good, bad = driver.start(), driver.start()
    driver.report(good, 0.2, 0.4, 0.5, 0.3)
    driver.study_hears_the_end(good, {"epoch": 4, METRIC: 0.3, "finished": True})
    driver.study_hears_the_end(bad, {"failed": "train/loss is nan in epoch 1; lower optimizer.lr"})
    records, interrupted = run_trials(driver.after_the_crash(), {})
    assert [(record.status, record.reason) for record in records] == [
        ("finished", ""),
        ("failed", "train/loss is nan in epoch 1; lower optimizer.lr"),
    ]
    assert records[0].value(METRIC) == 0.5
    assert [event["status"] for event in driver.events() if event["event"] == "end"] == ["finished", "failed"]
    assert not interrupted
    assert len(gone_on) == 1, "two of four trials are to come"


def test_guarantee_06_the_end_that_only_the_records_heard_of_has_its_reason_in_the_study(
    driver: Driver, gone_on: Handed
) -> None:
    trial = driver.start()
    driver.recorder.on_trial_result(0, [], trial, {"failed": "train/loss is nan in epoch 1"})
    driver.records_hear_the_end(trial)
    run_trials(driver.after_the_crash(), {})
    (told,) = driver.study.trials
    assert (told.state, told.user_attrs["failure"]) == (TrialState.FAIL, "train/loss is nan in epoch 1")
    assert gone_on


def test_a_trial_whose_value_the_study_lacks_goes_on(driver: Driver, gone_on: Handed) -> None:
    """It has its last checkpoint, so it tells its last epoch once more and ends."""
    trial = driver.start()
    driver.report(trial, 0.2, 0.4, 0.5, 0.3)
    driver.records_hear_the_end(trial)
    (record,), _ = run_trials(driver.after_the_crash(), {})
    assert states(driver.study) == [TrialState.RUNNING]
    assert record.status == "running"
    assert len(record.curve) == 4
    assert gone_on


def test_a_trial_that_the_records_never_heard_of_goes_on(driver: Driver, gone_on: Handed) -> None:
    driver.searcher.suggest("id0")
    records, _ = run_trials(driver.after_the_crash(), {})
    assert (states(driver.study), records) == ([TrialState.RUNNING], ())
    assert gone_on


def test_guarantee_04_what_the_scheduler_had_stopped_does_not_go_on(driver: Driver, gone_on: Handed) -> None:
    good, worse = driver.start(), driver.start()
    driver.report(good, 0.8)
    driver.report(worse, 0.1)  # ASHA keeps one of two at the first rung; the driver dies before it can say so
    records, _ = run_trials(driver.after_the_crash(), {})
    assert states(driver.study) == [TrialState.RUNNING, TrialState.PRUNED]
    assert driver.study.trials[1].user_attrs["best"] == [0.1]
    assert [(record.status, record.reason) for record in records] == [("running", ""), ("stopped", "by the scheduler")]
    assert driver.events()[-1]["status"] == "stopped"
    assert gone_on


def test_a_trial_that_is_stopped_again_keeps_what_it_breaks(
    make_driver: Callable[..., Driver], gone_on: Handed
) -> None:
    driver = make_driver(search__constraints={"model/parameters": {"most": 100}})
    for value, parameters in ((0.8, 40.0), (0.1, 130.0)):
        driver.report(driver.start(), value, **{"model/parameters": parameters})
    run_trials(driver.after_the_crash(), {})
    assert driver.study.trials[1].user_attrs["violations"] == [30.0]
    assert gone_on


def decisions(scheduler: TrialScheduler, values: list[tuple[int, int, float]]) -> list[str]:
    trials = {number: SimpleNamespace(trial_id=f"new{number}", config={"number": number}) for number, _, _ in values}
    return [
        scheduler.on_trial_result(cast("Any", None), cast("Any", trials[number]), {"epoch": epoch, METRIC: value})
        for number, epoch, value in values
    ]


@pytest.mark.parametrize("name", ["asha", "median"])
def test_guarantee_04_the_scheduler_decides_as_if_it_had_not_been_interrupted(
    name: str, make_driver: Callable[..., Driver], gone_on: Handed
) -> None:
    driver = make_driver(scheduler__name=name, search__trials=8)
    told = [(0.6, 0.7, 0.75, 0.8), (0.5, 0.55), (0.7, 0.72)]
    for values in told:
        driver.report(driver.start(), *values)
    uninterrupted = create_scheduler(driver.space)
    decisions(uninterrupted, [(n, e, v) for n, values in enumerate(told) for e, v in enumerate(values, start=1)])
    run_trials(driver.after_the_crash(), {})
    ((scheduler, _),) = gone_on
    rest = [(2, 3, 0.74), (3, 1, 0.61), (3, 2, 0.71), (4, 1, 0.2), (5, 1, 0.59), (6, 1, 0.65), (6, 2, 0.3)]
    decided = decisions(scheduler, rest)
    assert decided == decisions(uninterrupted, rest)
    assert decided != decisions(create_scheduler(driver.space), rest), "without its memory it would not"


def test_a_sweep_that_is_done_runs_nothing(make_driver: Callable[..., Driver]) -> None:
    driver = make_driver(search__trials=1)
    trial = driver.start()
    driver.report(trial, 0.2, 0.4, 0.5, 0.3)
    driver.study_hears_the_end(trial, {"epoch": 4, METRIC: 0.3, "finished": True})
    driver.records_hear_the_end(trial)
    before = driver.events()
    (record,), interrupted = run_trials(driver.after_the_crash(), {})
    assert isinstance(record, TrialRecord)
    assert (record.status, interrupted, driver.events()) == ("finished", False, before)


def test_a_study_that_lost_trials_is_refused(driver: Driver, gone_on: Handed, tmp_path: Path) -> None:
    driver.start()
    (tmp_path / "other").mkdir()
    driver.study = create_study(driver.space, locate(None, tmp_path / "other", "trying"))
    with pytest.raises(
        RunError, match=r"events\.jsonl tells of 1 trials, and the study 'trying' has 0; bring the study"
    ):
        run_trials(driver.after_the_crash(), {})
    assert gone_on == []
