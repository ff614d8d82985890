from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from raytrain.engine.checkpoint import read_checkpoint
from raytrain.errors import RunError
from raytrain.tuning.trial_files import TrialFiles

POINT = {"optimizer.lr": 0.5}


def snapshot(epoch: int, point: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"epoch": epoch, "point": point or POINT, "best": epoch / 10}


def names(files: TrialFiles) -> list[str]:
    return sorted(path.name for path in files.directory.iterdir())


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.fixture
def files(tmp_path: Path) -> TrialFiles:
    """The files of a trial that writes a checkpoint whenever it may."""
    return TrialFiles(tmp_path / "00003", every_s=0)


def test_guarantee_08_the_best_epoch_and_the_last_are_both_kept(files: TrialFiles) -> None:
    for epoch, improved in ((1, True), (2, True), (3, False), (4, False)):
        files.keep(snapshot(epoch), improved=improved, finished=epoch == 4)
    assert read_checkpoint(files.best)["epoch"] == 2
    assert read_checkpoint(files.directory / "last.pt")["epoch"] == 4
    assert names(files) == ["best.pt", "last-1.pt", "last.pt"]


def test_a_last_epoch_that_is_the_best_is_both(files: TrialFiles) -> None:
    files.keep(snapshot(1), improved=True, finished=True)
    assert names(files) == ["best.pt", "last.pt"]


def test_between_checkpoints_some_time_goes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    files = TrialFiles(tmp_path, every_s=10)
    written = []
    for epoch, (seconds, improved) in enumerate([(4, False), (4, True), (9, False), (2, False), (3, False)], start=1):
        now += seconds
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        files.keep(snapshot(epoch), improved=improved, finished=False)
        if {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} != before:
            written.append(epoch)
    assert written == [2, 4], "the better epoch, and 10 s after it"
    found = files.newest(POINT)
    assert found is not None
    assert found["epoch"] == 4


def test_a_trial_goes_on_from_the_latest_epoch_there_is(files: TrialFiles) -> None:
    assert files.newest(POINT) is None
    files.keep(snapshot(1), improved=False, finished=False)
    files.keep(snapshot(2), improved=True, finished=False)
    assert files.newest(POINT) == snapshot(2), "that of the best epoch is the newer one"
    files.keep(snapshot(3), improved=False, finished=False)
    assert files.newest(POINT) == snapshot(3)


def test_guarantee_18_a_damaged_checkpoint_is_passed_over(files: TrialFiles) -> None:
    for epoch, improved in ((1, True), (2, False), (3, False)):
        files.keep(snapshot(epoch), improved=improved, finished=False)
    for name, next_best in (("last.pt", 2), ("last-1.pt", 1)):
        damage(files.directory / name)
        found = files.newest(POINT)
        assert found is not None
        assert found["epoch"] == next_best
    damage(files.best)
    assert files.newest(POINT) is None


def test_checkpoints_of_another_point_are_not_gone_on_from(files: TrialFiles) -> None:
    files.keep(snapshot(1), improved=True, finished=False)
    files.keep(snapshot(2, {"optimizer.lr": 0.25}), improved=False, finished=False)
    assert files.newest(POINT) == snapshot(1)
    assert files.newest({"optimizer.lr": 0.125}) is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RunError("train/loss is nan in epoch 2; lower optimizer.lr\nmore"), "train/loss is nan in epoch 2; lower "),
        (ValueError("odd kernel"), "ValueError: odd kernel"),
        (ZeroDivisionError(), "ZeroDivisionError: ZeroDivisionError"),
        (RuntimeError("\n\n"), "RuntimeError: RuntimeError"),
    ],
)
def test_why_a_trial_failed_is_known_to_whoever_begins_it_again(
    error: Exception, reason: str, files: TrialFiles
) -> None:
    assert files.failure() is None
    told = files.fail(error)
    assert told.startswith(reason)
    assert "\n" not in told
    assert TrialFiles(files.directory, every_s=0).failure() == told
    assert type(error).__name__ in (files.directory / "failure.txt").read_text("utf-8"), "with its traceback"


def test_an_empty_reason_is_none(files: TrialFiles) -> None:
    files.directory.mkdir()
    (files.directory / "failure.txt").touch()
    assert files.failure() is None


def test_a_write_that_fails_leaves_what_was_there(files: TrialFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.keep(snapshot(1), improved=True, finished=True)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.keep(snapshot(2), improved=True, finished=True)
    assert files.newest(POINT) == snapshot(1)
    assert names(files) == ["best.pt", "last.pt"]
