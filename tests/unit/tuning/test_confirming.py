from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.data.store import SegmentStore
from raytrain.tuning import confirming
from raytrain.tuning.confirmation import ConfirmingRun
from raytrain.tuning.confirming import confirming_seeds, finalists
from raytrain.tuning.records import TrialRecord


def space(**settings: Any) -> SpaceConfig:  # noqa: ANN401 - any field
    whole = {"name": "x", "parameters": {"optimizer.lr": {"type": "choice", "values": [0.1, 0.2]}}, **settings}
    return validate(SpaceConfig, whole, where="space")


def record(number: int, value: float | None, point: dict[str, Any], **more: Any) -> TrialRecord:  # noqa: ANN401
    best = None if value is None else {"val/macro_f1": value, "val/loss": 1 - value}
    checkpoint = "" if value is None else "best.pt"
    return TrialRecord(f"id{number}", number, point, best=best, **{"checkpoint": checkpoint, **more})


RECORDS = [
    record(1, 0.90, {"optimizer.lr": 0.1, "seed": 0}),
    record(2, 0.95, {"optimizer.lr": 0.2, "seed": 0}),
    record(3, 0.94, {"optimizer.lr": 0.2, "seed": 1}),
    record(4, 0.99, {"optimizer.lr": 0.3, "seed": 0}, violations={"model/parameters": 10.0}),
    record(5, None, {"optimizer.lr": 0.4, "seed": 0}),
    record(6, 0.98, {"optimizer.lr": 0.5, "seed": 0}, checkpoint=""),
    record(7, 0.80, {"optimizer.lr": 0.6, "seed": 0}),
]


def test_finalists_are_the_best_that_keep_to_the_constraints_each_configuration_once() -> None:
    assert [one.number for one in finalists(space(confirm={"top": 2}), RECORDS)] == [2, 1]
    assert [one.number for one in finalists(space(confirm={"top": 9}), RECORDS)] == [2, 1, 7]
    assert [one.number for one in finalists(space(confirm={"top": 1}, fixed={"metric": "val/loss"}), RECORDS)] == [2]
    assert finalists(space(), RECORDS) == []


def test_seeds_are_others_than_the_sweep_chose_by() -> None:
    assert confirming_seeds(space(confirm={"seeds": 3})) == [1, 2, 3]
    assert confirming_seeds(space(confirm={"seeds": 3}, fixed={"seed": 2**32 - 2})) == [2**32 - 1, 0, 1]
    varied = space(confirm={"seeds": 3}, parameters={"seed": {"type": "grid", "values": [0, 1, 3]}})
    assert confirming_seeds(varied) == [2, 4, 5]


class FakeRay:
    """Runs each task when it is waited for; what `ray` does for `confirming` beyond that is nothing."""

    def __init__(self) -> None:
        self.cancelled: list[object] = []

    def wait(self, references: list[Any], *, num_returns: int) -> tuple[list[Any], list[Any]]:
        return references[-1:], references[:-1]  # the one started last is done first

    def get(self, reference: Callable[[], ConfirmingRun]) -> ConfirmingRun:
        return reference()

    def cancel(self, reference: object, *, force: bool) -> None:
        self.cancelled.append(reference)


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    monkeypatch.setattr(confirming, "ray", fake)
    return fake


class Jobs:
    """Three jobs that count how often they were run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[int] = []
        self.fails: set[int] = set()
        self.interrupts_at: int | None = None

    def make(self, made_from: str = "config") -> list[confirming._Job]:
        return [
            confirming._Job(("trial 1", 1), seed, self.folder / f"00001-{seed}.json", made_from, self._starter(seed))
            for seed in (1, 2, 3)
        ]

    def _starter(self, seed: int) -> Any:  # noqa: ANN401 - stands for an object reference
        def task() -> ConfirmingRun:
            if seed == self.interrupts_at:
                raise KeyboardInterrupt
            self.ran.append(seed)
            if seed in self.fails:
                return ConfirmingRun(seed, 0, {}, {}, reason="diverged")
            return ConfirmingRun(seed, seed, {"val/macro_f1": seed / 10}, {"test/macro_f1": np.nan})

        return lambda: task


class FakePlan:
    console = Console(quiet=True)


def had(jobs: list[confirming._Job]) -> list[ConfirmingRun]:
    plan: Any = FakePlan()
    return confirming._runs(jobs, plan, "confirming")["trial 1", 1]


def test_an_interrupted_confirmation_goes_on_with_the_runs_that_are_missing(fake_ray: FakeRay, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    jobs.interrupts_at = 2
    with pytest.raises(KeyboardInterrupt):
        had(jobs.make())
    assert jobs.ran == [3]
    assert len(fake_ray.cancelled) == 2  # the one that was waited for, and the one behind it
    jobs.interrupts_at = None
    runs = had(jobs.make())
    assert jobs.ran == [3, 2, 1]  # and the third not again
    assert [run.seed for run in runs] == [1, 2, 3]
    assert [run.epoch for run in runs] == [1, 2, 3]
    assert np.isnan(runs[2].test["test/macro_f1"])
    had(jobs.make())
    assert jobs.ran == [3, 2, 1]


def test_a_kept_run_of_another_configuration_or_of_other_signals_is_made_again(
    fake_ray: FakeRay, tmp_path: Path
) -> None:
    jobs = Jobs(tmp_path)
    had(jobs.make())
    had(jobs.make("another"))
    assert sorted(jobs.ran) == [1, 1, 2, 2, 3, 3]


def test_failed_runs_and_damaged_files_are_made_again(fake_ray: FakeRay, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    jobs.fails = {2}
    assert [run.reason for run in had(jobs.make())] == ["", "diverged", ""]
    (tmp_path / "00001-1.json").write_text('{"made_fr')
    jobs.fails = set()
    assert [run.reason for run in had(jobs.make())] == ["", "", ""]
    assert sorted(jobs.ran) == [1, 1, 2, 2, 3]


def test_the_digest_of_a_store_tells_signals_and_divisions_apart() -> None:
    store = SegmentStore(
        signal=np.arange(12, dtype=np.float32).reshape(2, 6),
        fs_hz=10.0,
        offset=np.array([0, 3]),
        samples=np.array([3, 3]),
        start=np.array([0, 0]),
        part=np.array([0, 2], dtype=np.int8),
        target=np.array([0, 1]),
        recording=np.array([0, 1]),
        shaft_speed_rpm=np.array([1.0, 1.0], dtype=np.float32),
        load=np.array([1.0, 1.0], dtype=np.float32),
        fault_orders=np.zeros((2, 4)),
        classes=("a", "b"),
        recording_ids=("r", "s"),
        channels=("x", "y"),
    )
    others = [
        dataclasses.replace(store, signal=store.signal + 1),
        dataclasses.replace(store, part=np.array([2, 0], dtype=np.int8)),
        dataclasses.replace(store, folds={"one": store.part}),
        dataclasses.replace(store, classes=("a", "c")),
    ]
    digests = {confirming._digest(one) for one in [store, *others]}
    assert len(digests) == 5
    assert confirming._digest(dataclasses.replace(store, signal=store.signal.copy())) in digests


def test_the_run_of_a_model_without_a_random_part_stands_for_every_seed() -> None:
    [*runs] = confirming._for_each_seed([ConfirmingRun(1, 0, {"val/loss": 0.5}, {})], [1, 2, 3])
    assert [run.seed for run in runs] == [1, 2, 3]
    assert len({run.validation["val/loss"] for run in runs}) == 1


def test_what_differs_from_the_trials_is_noted() -> None:
    stopped = record(1, 0.9, {}, status="stopped")
    notes = confirming._notes(space(resources={"workers_per_trial": 2}, confirm={}), [stopped])
    assert "trained to the end here: trial 1" in notes[0]
    assert "BatchNorm sees whole batches here" in notes[1]
    finished = record(1, 0.9, {}, status="finished")
    [note] = confirming._notes(space(scheduler={"name": "pbt"}, confirm={}), [finished])
    assert "not of the schedule that was found" in note
    assert confirming._notes(space(confirm={}), [finished]) == []
