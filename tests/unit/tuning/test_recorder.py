from __future__ import annotations

import json
import math
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raytrain.config.load import validate
from raytrain.config.space import Bound, SpaceConfig
from raytrain.tuning.recorder import Recorder
from raytrain.tuning.records import TrialRecord, violation


def make_space(metric: str = "val/macro_f1", budget_s: float | None = None) -> SpaceConfig:
    settings = {
        "name": "trying",
        "fixed": {"metric": metric},
        "parameters": {"optimizer.lr": {"type": "uniform", "low": 0, "high": 1}},
        "search": {"time_budget_s": budget_s},
    }
    return validate(SpaceConfig, settings, where="search space")


class FakeTrial(SimpleNamespace):
    """As much of a trial of Tune as the recorder looks at."""

    def __init__(self, number: int, error_file: Path | None = None, *, trial_id: str | None = None) -> None:
        config = {"point": {"optimizer.lr": 0.5}, "number": number - 1}
        error = None if error_file is None else str(error_file)
        super().__init__(trial_id=trial_id or f"id_{number}", config=config, error_file=error)


def result(epoch: int, value: float, *, finished: bool = False, reason: str = "") -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train/loss": 0.25,
        "val/macro_f1": value,
        "val/loss": value,
        "finished": finished,
        "stop_reason": reason,
        "improved": True,
        "time_total_s": 3.0,
        "config": {"point": {}},
    }


class Story:
    """A recorder and the calls by which Tune tells it of a trial."""

    def __init__(self, space: SpaceConfig, folder: Path) -> None:
        self.recorder = Recorder(space, folder)
        self.log = folder / "events.jsonl"

    def start(self, trial: FakeTrial) -> TrialRecord:
        self.recorder.on_trial_start(0, [], trial)
        return self.recorder.of(trial)

    def report(self, trial: FakeTrial, *, epoch: int, value: float, finished: bool = False, reason: str = "") -> None:
        self.recorder.on_trial_result(0, [], trial, result(epoch, value, finished=finished, reason=reason))

    def complete(self, trial: FakeTrial) -> None:
        self.recorder.on_trial_complete(0, [], trial)

    def events(self) -> list[dict[str, Any]]:
        """Return the log as a strict reader of JSON lines sees it."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return [json.loads(line, parse_constant=refuse) for line in self.log.read_text("utf-8").splitlines()]


@pytest.fixture
def make_story(tmp_path: Path) -> Iterator[Callable[[SpaceConfig], Story]]:
    stories = []

    def make(space: SpaceConfig) -> Story:
        stories.append(Story(space, tmp_path))
        return stories[-1]

    yield make
    for story in stories:
        story.recorder.close(reason="the test is over")


@pytest.fixture
def story(make_story: Callable[[SpaceConfig], Story]) -> Story:
    return make_story(make_space())


def test_a_trial_that_runs_to_its_own_end(story: Story) -> None:
    trial = FakeTrial(1)
    record = story.start(trial)
    assert (record.number, record.status, record.point, record.best) == (1, "running", {"optimizer.lr": 0.5}, None)
    story.report(trial, epoch=1, value=0.5)
    assert record.status == "running"
    story.report(trial, epoch=2, value=0.8)
    story.report(trial, epoch=3, value=0.7, finished=True, reason="no improvement in 2 epochs")
    story.complete(trial)
    assert (record.status, record.reason) == ("finished", "no improvement in 2 epochs")
    assert [row["val/macro_f1"] for row in record.curve] == [0.5, 0.8, 0.7]
    assert record.best == record.curve[1]
    assert record.value("val/macro_f1") == 0.8
    assert record.directory.endswith("trials/00000")
    assert set(record.curve[0]) == {"epoch", "seconds", "train/loss", "val/macro_f1", "val/loss"}


def test_best_is_the_least_where_less_is_better(make_story: Callable[[SpaceConfig], Story]) -> None:
    story = make_story(make_space("val/loss"))
    trial = FakeTrial(1)
    record = story.start(trial)
    for epoch, value in enumerate([0.5, 0.2, 0.3], start=1):
        story.report(trial, epoch=epoch, value=value)
    assert record.value("val/loss") == 0.2


def test_a_trial_the_scheduler_stops(story: Story) -> None:
    trial = FakeTrial(1)
    record = story.start(trial)
    story.report(trial, epoch=1, value=0.5)
    story.complete(trial)
    assert (record.status, record.reason) == ("stopped", "by the scheduler")


def test_a_trial_the_time_budget_stops(
    make_story: Callable[[SpaceConfig], Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    story = make_story(make_space(budget_s=10))
    early, late = FakeTrial(1), FakeTrial(2)
    for trial in (early, late):
        story.start(trial)
    now = 109.0
    story.report(early, epoch=1, value=0.5)
    story.complete(early)
    now = 111.0
    story.report(late, epoch=1, value=0.5)
    story.complete(late)
    reasons = {name: record.reason for name, record in story.recorder.records.items()}
    assert reasons == {1: "by the scheduler", 2: "by the time budget"}
    assert story.recorder.records[2].curve[0]["seconds"] == 11.0


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_trial_without_a_number_failed(value: float, finished: bool, story: Story) -> None:
    trial = FakeTrial(1)
    record = story.start(trial)
    story.report(trial, epoch=1, value=value, finished=finished)
    story.complete(trial)
    assert (record.status, record.reason) == ("failed", "val/macro_f1 was never a finite number")
    assert record.best is None
    assert story.events()[1]["metrics"]["val/macro_f1"] is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Failure # 1\n  Traceback\n    of many lines\nValueError: odd kernel\n\n", "ValueError: odd kernel"),
        ("Failure # 1\nraytrain.errors.ConfigError: windows are short\n", "ConfigError: windows are short"),
        ("The actor is dead. End of file. Some common causes include: (1) many\n", "The actor is dead. End of file."),
        (" \n\n", "unknown error"),
    ],
)
def test_an_error_is_told_by_its_last_line(text: str, reason: str, story: Story, tmp_path: Path) -> None:
    error = tmp_path / "error.txt"
    error.write_text(text, encoding="utf-8")
    trial = FakeTrial(1, error)
    record = story.start(trial)
    story.report(trial, epoch=1, value=0.5)
    story.recorder.on_trial_error(0, [], trial)
    assert (record.status, record.reason) == ("failed", reason)
    assert record.value("val/macro_f1") == 0.5


@pytest.mark.parametrize("file", [None, "absent.txt"])
def test_an_error_without_a_text(file: str | None, story: Story, tmp_path: Path) -> None:
    trial = FakeTrial(1, tmp_path / file if file else None)
    record = story.start(trial)
    story.recorder.on_trial_error(0, [], trial)
    assert (record.status, record.reason) == ("failed", "unknown error")


def test_a_trial_that_fails_before_it_starts_has_a_record(story: Story) -> None:
    story.recorder.on_trial_error(0, [], FakeTrial(1))
    (record,) = story.recorder.records.values()
    assert (record.number, record.status) == (1, "failed")
    assert [event["event"] for event in story.events()] == ["start", "end"]


def test_starting_again_keeps_the_record(story: Story) -> None:
    trial = FakeTrial(1)
    record = story.start(trial)
    story.report(trial, epoch=1, value=0.5)
    assert story.start(trial) is record
    assert len(record.curve) == 1


def test_the_best_checkpoint_is_named_once_there_is_one(story: Story) -> None:
    trial = FakeTrial(3)
    record = story.start(trial)
    assert record.checkpoint == ""
    story.report(trial, epoch=1, value=math.nan)
    assert record.checkpoint == ""
    story.report(trial, epoch=2, value=0.5)
    assert record.checkpoint == str(story.log.parent / "trials" / "00002" / "best.pt")


def test_close_ends_what_was_running(story: Story) -> None:
    ended, running, hopeless = FakeTrial(1), FakeTrial(2), FakeTrial(3)
    for trial in (ended, running, hopeless):
        story.start(trial)
    story.report(ended, epoch=1, value=0.5, finished=True)
    story.complete(ended)
    story.report(hopeless, epoch=1, value=math.nan)
    story.recorder.close(reason="by Ctrl-C")
    told = {name: (record.status, record.reason) for name, record in story.recorder.records.items()}
    assert told == {
        1: ("finished", ""),
        2: ("stopped", "by Ctrl-C"),
        3: ("failed", "val/macro_f1 was never a finite number"),
    }
    story.recorder.close(reason="again")
    assert [event["number"] for event in story.events() if event["event"] == "end"] == [1, 2, 3]


def test_events_tell_the_story_line_by_line(story: Story) -> None:
    """Each line is in the file as soon as it happened, so a kill loses none."""
    first, second = FakeTrial(1), FakeTrial(2)
    story.start(first)
    assert len(story.events()) == 1
    story.report(first, epoch=1, value=0.5)
    assert len(story.events()) == 2
    story.start(second)
    story.recorder.on_trial_error(0, [], second)
    story.complete(first)
    told = [(event["event"], event["number"], event.get("status")) for event in story.events()]
    assert told == [
        ("start", 1, None),
        ("epoch", 1, None),
        ("start", 2, None),
        ("end", 2, "failed"),
        ("end", 1, "stopped"),
    ]
    start, epoch, *_, failure, _ = story.events()
    assert start["number"] == 1
    assert start["point"] == {"optimizer.lr": 0.5}
    assert (epoch["epoch"], epoch["metrics"]["val/macro_f1"], epoch["metrics"]["train/loss"]) == (1, 0.5, 0.25)
    assert failure["reason"] == "unknown error"


def test_a_recorder_survives_pickling_with_its_file_open(story: Story) -> None:
    """Tune pickles its callbacks while they run; the copy and the original both go on."""
    trial = FakeTrial(1)
    story.start(trial)
    copy: Recorder = pickle.loads(pickle.dumps(story.recorder))  # noqa: S301 - made here
    assert copy.records == story.recorder.records
    copy.on_trial_result(0, [], trial, result(1, 0.5))
    copy.close(reason="in the copy")
    story.report(trial, epoch=1, value=0.6)
    assert [event["event"] for event in story.events()] == ["start", "epoch", "end", "epoch"]


def test_another_process_goes_on_from_the_events(
    make_story: Callable[[SpaceConfig], Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    first = make_story(make_space())
    for number, value in ((1, 0.9), (2, 0.3)):
        first.start(FakeTrial(number))
        now += 10
        first.report(FakeTrial(number), epoch=1, value=value)
    first.complete(FakeTrial(1))
    with first.log.open("a", encoding="utf-8") as file:
        file.write('{"event": "epoch", "number": 2, "ep')  # what kill -9 leaves

    now = 5.0
    second = make_story(make_space())
    assert second.recorder.records[1].attributes == first.recorder.records[1].attributes
    assert {number: record.status for number, record in second.recorder.records.items()} == {1: "stopped", 2: "running"}
    assert second.recorder.records[1].curve == first.recorder.records[1].curve
    trial = FakeTrial(2, trial_id="another")
    record = second.start(trial)
    now += 4
    second.report(trial, epoch=2, value=0.6, finished=True)
    second.complete(trial)
    assert [(row["epoch"], row["seconds"], row["val/macro_f1"]) for row in record.curve] == [(1, 10, 0.3), (2, 14, 0.6)]
    assert (record.trial_id, record.attributes["begun"], record.status) == ("another", 2, "finished")
    assert [event["event"] for event in second.events()].count("start") == 3


def test_epochs_that_are_run_again_take_the_place_of_those_before(story: Story) -> None:
    trial = FakeTrial(1)
    record = story.start(trial)
    for epoch, value in enumerate([0.2, 0.4, 0.9], start=1):
        story.report(trial, epoch=epoch, value=value)
    story.start(trial)  # its process died, and its checkpoint was of the first epoch
    story.report(trial, epoch=2, value=0.5)
    assert [row["val/macro_f1"] for row in record.curve] == [0.2, 0.5]
    assert record.value("val/macro_f1") == 0.5


def test_epochs_nobody_heard_of_are_taken_from_the_trial(story: Story) -> None:
    trial = FakeTrial(1)
    record = story.start(trial)
    story.report(trial, epoch=1, value=0.2)
    earlier = json.dumps([{"val/macro_f1": 0.2}, {"val/macro_f1": 0.8}])
    story.recorder.on_trial_result(0, [], trial, result(3, 0.5) | {"earlier": earlier})
    assert [(row["epoch"], row["val/macro_f1"]) for row in record.curve] == [(1, 0.2), (2, 0.8), (3, 0.5)]
    assert record.value("val/macro_f1") == 0.8


def test_what_a_configuration_causes_is_told(story: Story) -> None:
    trial = FakeTrial(1)
    record = story.start(trial)
    story.report(trial, epoch=1, value=0.2)
    story.recorder.on_trial_result(0, [], trial, {"failed": "train/loss is nan", "done": True})
    story.complete(trial)
    assert (record.status, record.reason) == ("failed", "train/loss is nan")
    assert story.events()[-1] == {"event": "end", "number": 1, "status": "failed", "reason": "train/loss is nan"}


@pytest.mark.parametrize(
    ("bound", "value", "expected"),
    [
        ({"most": 50}, 60, 10),
        ({"most": 50}, 50, 0),
        ({"least": 1, "most": 2}, 1.5, -0.5),
        ({"least": 3}, math.nan, math.inf),
    ],
)
def test_by_how_much_a_bound_is_broken(bound: dict[str, float], value: float, expected: float) -> None:
    assert violation(Bound.model_validate(bound), value) == expected
