"""Sweeps that go on: extended, changed by force, interrupted; and what they make of trials that go wrong."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from raytrain.config.space import SpaceConfig
from raytrain.engine.run_directory import claimed
from raytrain.errors import ConfigError, DataError, RunError
from raytrain.tuning import search
from raytrain.tuning.continuation import begun_space
from raytrain.tuning.recorded_study import load_study
from raytrain.tuning.records import EVENTS_FILE, read_events
from raytrain.tuning.results import SweepResult, load_result
from raytrain.tuning.storage_location import read_location
from raytrain.tuning.study import Study
from raytrain.tuning.trial import Trial

pytestmark = pytest.mark.ray

Sweep = Callable[..., SweepResult]
Tiny = Callable[..., SpaceConfig]
Resume = Callable[..., SweepResult]

RANDOM: dict[str, Any] = {
    "parameters": {"optimizer.lr": {"type": "loguniform", "low": 1e-3, "high": 3e-2}},
    "search": {"algorithm": "random", "trials": 2, "checkpoint_s": 0},
}


def study_of(directory: Path) -> optuna.Study:
    return load_study(read_location(directory))


def manifest(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / "manifest.json").read_text("utf-8"))
    return content


def epochs_told(directory: Path) -> list[dict[str, Any]]:
    return [event for event in read_events(directory / EVENTS_FILE) if event["event"] == "epoch"]


def points(result: SweepResult) -> list[str]:
    return [json.dumps(record.point, sort_keys=True) for record in result.trials]


def told(result: SweepResult) -> list[dict[str, Any]]:
    """Return what is known of each trial but where its folder is and the clock of the process that ran it."""
    return [asdict(record) | {"directory": None, "checkpoint": None, "started": None} for record in result.trials]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finished") / "run"


@pytest.fixture
def finished(kept: Path, sweep: Sweep, tiny: Tiny, tmp_path: Path) -> SweepResult:
    """A sweep of two trials that is done, in a folder of its own; it is run once."""
    if not kept.exists():
        shutil.copytree(sweep(tiny(RANDOM), "first").directory, kept)
    return load_result(shutil.copytree(kept, tmp_path / "run"))


def test_guarantee_05_a_finished_sweep_is_extended_by_just_so_many(finished: SweepResult, resume: Resume) -> None:
    directory = finished.directory
    before = study_of(directory).trials
    files = {path: path.read_bytes() for path in directory.glob("trials/0000[01]/*.pt")}
    result = resume(directory, extend=2)
    assert len(files) >= 4
    assert {path: path.read_bytes() for path in files} == files
    assert told(result)[:2] == told(finished)
    after = study_of(directory).trials
    assert after[:2] == before
    assert [trial.state for trial in after] == [TrialState.COMPLETE] * 4
    assert len(set(points(result))) == len(result.trials) == 4
    assert result.best is not None
    assert result.best.reported == max(record.value(result.metric) or 0 for record in result.trials)
    assert manifest(directory)["resumed"][-1]["planned_trials"] == 4
    assert len(resume(directory).trials) == 4, "once extended it stays so"


def test_guarantee_08_a_finished_sweep_is_judged_again_to_the_same_numbers(
    finished: SweepResult, resume: Resume, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = (finished.directory / EVENTS_FILE).read_bytes()
    monkeypatch.setattr(search, "_tune", None)  # whoever ran a trial would fail
    result = resume(finished.directory)
    assert result.best == finished.best
    assert result.best is not None
    assert result.best.judgements["validation"].metrics[result.metric] == result.best.reported
    assert told(result) == told(finished)
    assert (finished.directory / EVENTS_FILE).read_bytes() == events


def test_a_changed_configuration_is_refused_by_name_or_forced_and_recorded(
    finished: SweepResult, resume: Resume
) -> None:
    directory, before = finished.directory, manifest(finished.directory)
    changed = begun_space(directory).model_copy(update={"description": "another"})
    with pytest.raises(ConfigError, match=r'it began with description "", not "another"; leave .* or use --force'):
        resume(directory, changed)
    assert manifest(directory) == before
    assert begun_space(directory).description == ""
    assert resume(directory, changed, force=True).best == finished.best
    assert manifest(directory)["resumed"][-1]["forced"] == ['description "", not "another"']
    assert begun_space(directory).description == "another"
    resume(directory)
    assert manifest(directory)["resumed"][-1]["forced"] == []


def test_changed_recordings_are_refused_by_their_sums_or_forced_and_recorded(
    finished: SweepResult, resume: Resume
) -> None:
    directory, content = finished.directory, manifest(finished.directory)
    content["data"]["sha256"] = "0" * 64
    (directory / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"the sweep began with recordings of SHA-256 000000000000\.\.\., not .*--force"
    ):
        resume(directory)
    assert manifest(directory) == content
    resume(directory, force=True)
    (forced,) = manifest(directory)["resumed"][-1]["forced"]
    assert forced.startswith("recordings of SHA-256 000000000000...")


def test_a_lost_study_is_refused_and_nothing_is_overwritten(finished: SweepResult, resume: Resume) -> None:
    (finished.directory / "study.journal").unlink()
    with pytest.raises(
        RunError, match=r"tells of 2 trials, and the study 'first' has 0; bring the study's storage back"
    ):
        resume(finished.directory)
    assert load_result(finished.directory) == finished


def test_guarantee_11_two_drivers_of_one_sweep_are_refused(finished: SweepResult, resume: Resume) -> None:
    with claimed(finished.directory), pytest.raises(RunError, match="is being trained by another process; wait for it"):
        resume(finished.directory)


@contextmanager
def meanwhile(act: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have something done beside a sweep; the event is set when the sweep is over."""
    over = threading.Event()
    thread = threading.Thread(target=act, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def wait_for_epochs(directory: Path, count: int, over: threading.Event) -> None:
    while len(epochs_told(directory)) < count and not over.wait(0.01):
        pass


def test_guarantee_12_what_ctrl_c_cut_off_is_ended_and_the_rest_is_run_later(
    sweep: Sweep, tiny: Tiny, resume: Resume, tmp_path: Path
) -> None:
    def press(over: threading.Event) -> None:
        wait_for_epochs(tmp_path / "run", 4, over)
        os.kill(os.getpid(), signal.SIGINT)

    space = tiny(RANDOM | {"search.trials": 3, "fixed.epochs": 3, "fixed.early_stopping": None})
    with meanwhile(press):
        cut = sweep(space)
    assert cut.interrupted
    assert 0 < len(cut.trials) < 3
    assert TrialState.RUNNING not in [trial.state for trial in study_of(cut.directory).trials]
    result = resume(cut.directory)
    assert not result.interrupted
    assert [record.number for record in result.trials] == [1, 2, 3]
    assert len(set(points(result))) == 3
    ended = [record for record in cut.trials if record.status != "running"]
    assert told(result)[: len(ended)] == [told(cut)[record.number - 1] for record in ended]
    states = [trial.state for trial in study_of(cut.directory).trials]
    assert states == [{"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED}[r.status] for r in result.trials]


DIES, DIVERGES, OVERFLOWS, WORKS = 0.001, 1e30, 0.002, 0.003


class Unlucky(Trial):
    """A trial whose process dies, or that measures something infinite, at some of its points."""

    def step(self) -> dict[str, Any]:
        rate = self.config["point"]["optimizer.lr"]
        if rate == DIES:
            os._exit(1)
        result = super().step()
        return result | {"val/macro_f1": math.inf} if rate == OVERFLOWS else result


def test_guarantee_06_each_trial_that_goes_wrong_ends_with_its_reason(
    sweep: Sweep, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "Trial", Unlucky)
    values = [DIES, DIVERGES, OVERFLOWS, WORKS]
    space = tiny({"parameters": {"optimizer.lr": {"type": "grid", "values": values}}, "search.retries": 1})
    result = sweep(space)
    trials = {record.point["optimizer.lr"]: record for record in result.trials}
    assert {rate: trial.status for rate, trial in trials.items()} == {
        DIES: "failed",
        DIVERGES: "failed",
        OVERFLOWS: "failed",
        WORKS: "finished",
    }
    begun = {rate: trial.attributes["begun"] for rate, trial in trials.items()}
    assert begun == {DIES: 2, DIVERGES: 1, OVERFLOWS: 1, WORKS: 1}, "what a configuration causes is not tried again"
    study = {trial.params["optimizer.lr"]: trial for trial in study_of(result.directory).trials}
    assert {rate: trial.state.name for rate, trial in study.items()} == {
        DIES: "FAIL",
        DIVERGES: "FAIL",
        OVERFLOWS: "FAIL",
        WORKS: "COMPLETE",
    }
    reasons = {rate: str(trial.user_attrs.get("failure")) for rate, trial in study.items()}
    assert reasons[DIES] == "its process or machine died 2 times (search.retries)"
    assert "lower optimizer.lr" in reasons[DIVERGES]
    assert reasons[OVERFLOWS] == trials[OVERFLOWS].reason == "val/macro_f1 was never a finite number"
    assert trials[DIVERGES].reason == reasons[DIVERGES]
    assert result.best is not None
    assert result.best.trial == trials[WORKS].number
    assert trials[DIES].reason.startswith("The actor is dead because its worker process has died.")
    again = load_result(result.directory)
    assert [(one.status, one.reason) for one in again.trials] == [(one.status, one.reason) for one in result.trials]
    page = Study.from_run(result.directory).report()
    assert "val/macro_f1 was never a finite number" in page.read_text("utf-8")


def test_a_trial_goes_on_when_the_process_of_another_rank_dies(sweep: Sweep, tiny: Tiny, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(over: threading.Event) -> None:
        wait_for_epochs(tmp_path / "run", 1, over)
        for process in psutil.Process().children(recursive=True):
            if "ray::_Peer" in " ".join(process.cmdline()):
                process.kill()
                killed.append(process.pid)

    one = {"parameters": {"optimizer.lr": {"type": "grid", "values": [0.01]}}, "search.checkpoint_s": 0}
    two_ranks = {"resources": {"workers_per_trial": 2}, "fixed.epochs": 12, "fixed.early_stopping": None}
    with meanwhile(kill):
        (record,) = sweep(tiny(one | two_ranks)).trials
    assert len(killed) == 1
    assert (record.status, record.attributes["begun"]) == ("finished", 2)
    assert [row["epoch"] for row in record.curve] == list(range(1, 13))
