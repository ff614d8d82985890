"""Scalars, read back by TensorBoard's own reader."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)
from tensorboard.summary.writer import event_file_writer  # type: ignore[import-untyped]

from raytrain.callbacks.tensorboard_logger import TensorBoardLogger
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.fit import Run, fit
from raytrain.engine.training import Training
from raytrain.errors import ConfigError

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def first_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Number event files from 0: readers sort those of one second by their number as text, and 10 before 9."""
    monkeypatch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(0))


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def test_each_metric_is_a_scalar_of_each_epoch(training: Make, tmp_path: Path) -> None:
    state = fit(training(lambda _: [TensorBoardLogger(tmp_path)]))
    found = scalars(tmp_path)
    assert found.keys() == state.history[0].keys()
    for key, points in found.items():
        assert [step for step, _ in points] == [1, 2, 3, 4]
        assert [value for _, value in points] == pytest.approx([row[key] for row in state.history], rel=1e-6)
    assert not (tmp_path / "steps").exists()


def test_steps_are_counted_in_a_folder_of_their_own(training: Make, tmp_path: Path) -> None:
    fit(training(lambda _: [TensorBoardLogger(str(tmp_path), step_interval=4)]))
    found = scalars(tmp_path / "steps")
    assert found.keys() == {"step/loss", "step/gradient_norm", "step/lr"}
    for points in found.values():
        assert [step for step, _ in points] == [4, 8, 12, 16, 20]
    assert [value for _, value in found["step/lr"]] == pytest.approx([0.05] * 5)
    assert all(value > 0 for _, value in found["step/loss"] + found["step/gradient_norm"])


def test_gradients_that_nobody_clips_have_no_scalar(training: Make, tmp_path: Path) -> None:
    fit(training(lambda _: [TensorBoardLogger(tmp_path, step_interval=1)], epochs=1, max_grad_norm=None))
    assert scalars(tmp_path / "steps").keys() == {"step/loss", "step/lr"}


def test_a_resumed_run_has_each_epoch_and_step_once(training: Make, tmp_path: Path) -> None:
    def assemble(folder: Path) -> Training:
        run: Training = training(lambda _: [TensorBoardLogger(folder, step_interval=2)])
        return run

    state = fit(assemble(tmp_path / "whole"))
    run = Run(assemble(tmp_path / "parts"))
    run.advance()
    run.advance()
    write_checkpoint(tmp_path / "half.pt", run.snapshot())
    run.advance()  # and is killed: the third epoch is in the files, and will be again
    run.close()
    fit(assemble(tmp_path / "parts"), resume=read_checkpoint(tmp_path / "half.pt"))
    for folder, points in ((".", len(state.history)), ("steps", state.progress.step // 2)):
        whole, parts = scalars(tmp_path / "whole" / folder), scalars(tmp_path / "parts" / folder)
        assert parts == whole
        assert {len(found) for found in parts.values()} == {points}


def test_a_new_run_replaces_an_earlier_one(told: Make, fit_state: Make, tmp_path: Path) -> None:
    told(TensorBoardLogger(tmp_path), fit_state(), [{"val/loss": 9.0}] * 3)
    told(TensorBoardLogger(tmp_path), fit_state(), [{"val/loss": 0.5}] * 2)
    assert scalars(tmp_path) == {"val/loss": [(1, 0.5), (2, 0.5)]}


def test_an_epoch_is_on_disk_as_soon_as_it_ends(fit_state: Make, tmp_path: Path) -> None:
    callback, state = TensorBoardLogger(tmp_path), fit_state()
    callback.on_fit_start(state)
    state.metrics = {"val/loss": 0.5, "val/auroc": math.nan}
    callback.on_checkpoint(state)
    found = scalars(tmp_path)
    assert found["val/loss"] == [(0, 0.5)]
    assert math.isnan(found["val/auroc"][0][1])
    callback.on_fit_end(state)


def test_no_interval_below_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^callbacks.tensorboard.step_interval must be at least 1 or null, got 0$"):
        TensorBoardLogger(tmp_path, step_interval=0)
