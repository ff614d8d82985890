from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.callbacks import CallbackList, ExponentialMovingAverage, model_checkpoint
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.engine.checkpoint import newest_checkpoint, read_checkpoint, write_checkpoint
from raytrain.engine.fit import fit
from raytrain.errors import ConfigError, RunError
from raytrain.types import Callback, FitState, Progress

Make = Callable[..., Any]
NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "mode", "best"),
    [
        ([3, 1, 2], "min", 2),
        ([3, 1, 2], "max", 1),
        ([1, 1, 1], "max", 1),
        ([NAN, 2, NAN, 1], "min", 4),
        ([1, 2, NAN], "max", 2),
    ],
)
def test_best_is_the_first_of_the_best_epochs_and_last_the_last(
    *, told: Make, fit_state: Make, tmp_path: Path, values: list[float], mode: Literal["min", "max"], best: int
) -> None:
    callback = ModelCheckpoint(tmp_path, monitor="m", mode=mode, save_best_only=False)
    told(callback, fit_state(), [{"m": value} for value in values])
    assert read_checkpoint(tmp_path / "best.pt") == {"epoch": best}
    assert read_checkpoint(tmp_path / "last.pt") == {"epoch": len(values)}
    assert (callback.best, callback.best_epoch) == (values[best - 1], best)


def test_without_a_usable_epoch_there_is_no_best(told: Make, fit_state: Make, tmp_path: Path) -> None:
    told(ModelCheckpoint(tmp_path, save_best_only=False), fit_state(), [{"val/loss": NAN}] * 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last-1.pt", "last.pt"]


def test_the_best_is_on_disk_before_the_last_says_so(
    told: Make, fit_state: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run resumed from last.pt would not write a best.pt that last.pt already counts.
    written: list[str] = []
    monkeypatch.setattr(model_checkpoint, "write_checkpoint", lambda path, *_, **__: written.append(path.name))
    callback = ModelCheckpoint(tmp_path, save_best_only=False)
    told(callback, fit_state(), [{"val/loss": 2.0}, {"val/loss": 3.0}, {"val/loss": 1.0}])
    assert written == ["best.pt", "last.pt", "last.pt", "best.pt", "last.pt"]


def test_a_metric_the_run_does_not_report_is_told_with_the_nearest(told: Make, fit_state: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^monitor: 'val/los' is not reported; did you mean 'val/loss'\?$"):
        told(ModelCheckpoint(tmp_path, monitor="val/los"), fit_state(), [{"val/loss": 1.0}])
    assert list(tmp_path.iterdir()) == []


def test_a_file_holds_the_best_epoch_and_nothing_else_is_written(told: Make, fit_state: Make, tmp_path: Path) -> None:
    told(ModelCheckpoint(tmp_path / "best_model.pt"), fit_state(), [{"val/loss": value} for value in (3.0, 1.0, 2.0)])
    assert [path.name for path in tmp_path.iterdir()] == ["best_model.pt"]
    assert read_checkpoint(tmp_path / "best_model.pt") == {"epoch": 2}


def test_a_file_may_be_given_as_text(told: Make, fit_state: Make, tmp_path: Path) -> None:
    told(ModelCheckpoint(f"{tmp_path}/new/a.pt", save_best_only=False), fit_state(), [{"val/loss": 1.0}])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.pt", "last.pt"]


@given(
    values=st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, NAN]), max_size=12),
    mode=st.sampled_from(["min", "max"]),
    k=st.integers(2, 4),
)
def test_the_files_of_the_k_best_are_those_of_a_sorted_list(
    told: Make, fit_state: Make, values: list[float], mode: Literal["min", "max"], k: int
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        told(ModelCheckpoint(folder, monitor="m", mode=mode, save_top_k=k), fit_state(), [{"m": v} for v in values])
        sign = 1 if mode == "min" else -1
        usable = [(sign * value, epoch) for epoch, value in enumerate(values, 1) if not math.isnan(value)]
        best = [epoch for _, epoch in sorted(usable)[:k]]
        files = {path.name for path in folder.iterdir()}
        assert files == {f"best-epoch{epoch:04d}.pt" for epoch in best} | ({"best.pt"} if best else set())
        for epoch in best:
            assert read_checkpoint(folder / f"best-epoch{epoch:04d}.pt") == {"epoch": epoch}
        if best:
            assert read_checkpoint(folder / "best.pt") == {"epoch": best[0]}


def test_a_worse_epoch_is_removed_only_when_all_that_replaces_it_is_on_disk(
    told: Make, fit_state: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = [{"val/loss": value} for value in (3.0, 2.0, 1.0)]
    there: list[bool] = []

    def write(path: Path, snapshot: dict[str, Any], previous: Path | None = None) -> None:
        there.append((tmp_path / "best-epoch0001.pt").exists())
        write_checkpoint(path, snapshot, previous=previous)

    monkeypatch.setattr(model_checkpoint, "write_checkpoint", write)
    told(ModelCheckpoint(tmp_path, save_top_k=2, save_best_only=False), fit_state(), epochs)
    assert there == [False] + [True] * 8
    assert not (tmp_path / "best-epoch0001.pt").exists()


def test_no_snapshot_is_taken_where_none_is_written(told: Make, fit_state: Make, tmp_path: Path) -> None:
    state, taken = fit_state(), []

    def snapshot() -> dict[str, Any]:
        taken.append(state.progress.epoch)
        return {}

    state.snapshot = snapshot
    told(ModelCheckpoint(tmp_path), state, [{"val/loss": value} for value in (2.0, 3.0, 1.0, 1.5)])
    assert taken == [1, 3]


def test_fewer_than_one_best_epoch_is_refused(tmp_path: Path) -> None:
    message = r"^callbacks.model_checkpoint.save_top_k must be at least 1, got 0$"
    with pytest.raises(ConfigError, match=message):
        ModelCheckpoint(tmp_path, save_top_k=0)


def test_the_checkpoint_before_the_last_stays(told: Make, fit_state: Make, tmp_path: Path) -> None:
    told(ModelCheckpoint(tmp_path, save_best_only=False), fit_state(), [{"val/loss": 1.0}] * 3)
    assert read_checkpoint(tmp_path / "last.pt") == {"epoch": 3}
    assert read_checkpoint(tmp_path / "last-1.pt") == {"epoch": 2}
    assert newest_checkpoint(tmp_path).path == tmp_path / "last.pt"


def test_checkpoints_within_an_epoch_come_every_so_many_steps_of_the_run(
    training: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[str, int, int, int]] = []

    def write(path: Path, snapshot: dict[str, Any], previous: Path | None = None) -> None:
        written.append((path.name, snapshot["epoch"], snapshot["step"], snapshot["batch"]))

    monkeypatch.setattr(model_checkpoint, "write_checkpoint", write)
    checkpoint = ModelCheckpoint(tmp_path, monitor="train_lr", save_best_only=False, every_steps=4)
    fit(training(lambda _: [checkpoint], epochs=2))  # five steps of one batch an epoch, at one rate
    assert written == [
        ("last.pt", 0, 4, 4),
        ("best.pt", 1, 5, 0),
        ("last.pt", 1, 5, 0),
        ("last.pt", 1, 8, 3),
        ("last.pt", 2, 10, 0),
    ]


def test_other_workers_take_part_in_a_snapshot_and_write_nothing(fit_state: Make, tmp_path: Path) -> None:
    state, taken = fit_state(is_writer=False), []

    def snapshot() -> dict[str, Any]:
        taken.append(1)
        return {}

    state.snapshot = snapshot
    state.progress = Progress(epoch=0, step=2, fraction=0.5)
    ModelCheckpoint(tmp_path, save_best_only=False, every_steps=2).on_step_end(state)
    assert taken == [1]
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_within_an_epoch_before_others_know_the_step_is_refused(training: Make, tmp_path: Path) -> None:
    def early() -> ModelCheckpoint:
        return ModelCheckpoint(tmp_path, save_best_only=False, every_steps=1)

    message = r"^a checkpoint within an epoch would miss what ExponentialMovingAverage learns from the step; put the "
    for callbacks in (
        [early(), ExponentialMovingAverage()],
        [early(), StatelessWatcher(), ExponentialMovingAverage()],
        [CallbackList([early(), ExponentialMovingAverage()])],
    ):
        with pytest.raises(RunError, match=message):
            fit(training(lambda _, callbacks=callbacks: callbacks))
    assert list(tmp_path.iterdir()) == []
    fit(training(lambda _: [CallbackList([ExponentialMovingAverage(), early()]), StatelessWatcher()], epochs=1))


class StatelessWatcher(Callback):
    """Watches steps and has nothing to save, so it may come after."""

    def on_step_end(self, state: FitState) -> None:
        pass


@pytest.mark.parametrize(("every_steps", "best_only"), [(0, False), (-1, False), (5, True)])
def test_impossible_steps_are_refused(tmp_path: Path, every_steps: int, *, best_only: bool) -> None:
    message = (
        r"^callbacks.model_checkpoint.every_steps must be at least 1 and needs save_best_only: false, for it is "
        rf"last.pt that is written; got {every_steps} with save_best_only: {str(best_only).lower()}$"
    )
    with pytest.raises(ConfigError, match=message):
        ModelCheckpoint(tmp_path, save_best_only=best_only, every_steps=every_steps)
