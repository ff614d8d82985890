from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raytrain.engine.checkpoint import (
    newest_checkpoint,
    previous_of,
    read_checkpoint,
    write_atomically,
    write_checkpoint,
)
from raytrain.errors import RunError

SNAPSHOT: dict[str, Any] = {
    "version": 1,
    "weights": torch.arange(6.0).reshape(2, 3),
    "step": 12,
    "reason": None,
    "history": [{"val/loss": 0.25, "nan": float("nan")}],
    "random": {"cpu": torch.get_rng_state()},
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "last.pt"
    write_checkpoint(path, SNAPSHOT)
    read = read_checkpoint(path)
    assert read.keys() == SNAPSHOT.keys()
    assert torch.equal(read["weights"], SNAPSHOT["weights"])
    assert torch.equal(read["random"]["cpu"], SNAPSHOT["random"]["cpu"])
    assert (read["step"], read["reason"], read["history"][0]["val/loss"]) == (12, None, 0.25)
    assert np.isnan(read["history"][0]["nan"])
    assert os.listdir(path.parent) == ["last.pt"]  # noqa: PTH208 - hidden files too


def test_writing_again_replaces(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    for step in (1, 2):
        write_checkpoint(path, {"step": step})
        assert read_checkpoint(path) == {"step": step}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "whole.pt"
    write_checkpoint(path, SNAPSHOT)
    return path


@settings(max_examples=60)
@given(data=st.data())
def test_guarantee_18_one_flipped_bit_anywhere_is_damage(whole: Path, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    damaged = whole.with_name("flipped.pt")
    damaged.write_bytes(content)
    with pytest.raises(RunError, match=r"flipped\.pt is damaged: its checksum does not match; use the one before it$"):
        read_checkpoint(damaged)


@pytest.mark.parametrize("kept", [0, 1, 31, 32, 33, 0.5, -32, -1])
def test_guarantee_18_a_file_cut_short_is_damage(whole: Path, kept: float) -> None:
    content = whole.read_bytes()
    damaged = whole.with_name("short.pt")
    damaged.write_bytes(content[: int(kept * len(content)) if kept == 0.5 else int(kept)])
    with pytest.raises(RunError, match=r"short\.pt is damaged"):
        read_checkpoint(damaged)


def test_an_absent_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^checkpoint .*none\.pt cannot be read: No such file or directory$"):
        read_checkpoint(tmp_path / "none.pt")
    with pytest.raises(RunError, match=r"cannot be read: Is a directory$"):
        read_checkpoint(tmp_path)


class Touch:
    """Runs code when it is unpickled by anything that trusts the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


def test_a_file_that_would_execute_code_is_refused(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    write_checkpoint(tmp_path / "evil.pt", {"model": Touch(touched)})
    with pytest.raises(RunError) as caught:
        read_checkpoint(tmp_path / "evil.pt")
    assert str(caught.value) == (
        f"checkpoint {tmp_path / 'evil.pt'} holds io.open, and only plain values and tensors are loaded, for safety; "
        "use a checkpoint that raytrain wrote"
    )
    assert not touched.exists()
    # The check of the check: loaded with trust, the same bytes do run.
    torch.load(io.BytesIO((tmp_path / "evil.pt").read_bytes()[:-32]), weights_only=False)["model"].close()
    assert touched.exists()


def disk_full(_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class HalfWritten:
    """A file on a disk that fills up in the middle of it."""

    def __init__(self, file: IO[Any]) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> None:
        self._file.write(content[: len(content) // 2])
        disk_full(content)


def test_a_disk_that_fills_up_leaves_the_old_file_and_no_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.pt"
    write_checkpoint(path, {"step": 1})
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, mode: HalfWritten(real(self, mode)))
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_checkpoint(path, {"step": 2})
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["last.pt"]  # noqa: PTH208
    assert read_checkpoint(path) == {"step": 1}


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_guarantee_18_a_crash_at_any_later_moment_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "last.pt"
    write_checkpoint(path, {"step": 1})

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[failing], interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, {"step": 2})
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["last.pt"]  # noqa: PTH208
    assert read_checkpoint(path) == {"step": 1}


def test_guarantee_18_content_is_on_the_disk_before_it_takes_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, content = tmp_path / "file", b"x" * 1000
    moments: list[tuple[str, bool]] = []

    def size_at_flush(descriptor: int) -> None:
        moments.append((f"{os.fstat(descriptor).st_size} bytes flushed", path.exists()))

    monkeypatch.setattr(os, "fsync", size_at_flush)
    write_atomically(path, content)
    assert moments == [("1000 bytes flushed", False)]
    assert path.read_bytes() == content


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with its best checkpoint, its last and the one before that."""
    write_checkpoint(tmp_path / "best.pt", {"epoch": 1})
    for epoch in (2, 3):
        write_checkpoint(tmp_path / "last.pt", {"epoch": epoch}, previous=previous_of(tmp_path / "last.pt"))
    return tmp_path


@pytest.mark.parametrize(
    ("broken", "used", "epoch"),
    [([], "last.pt", 3), (["last.pt"], "last-1.pt", 2), (["last.pt", "last-1.pt"], "best.pt", 1)],
)
def test_guarantee_18_the_newest_whole_checkpoint_is_used_and_damaged_ones_are_named(
    run: Path, broken: list[str], used: str, epoch: int
) -> None:
    for name in broken:
        (run / name).write_bytes((run / name).read_bytes()[:-1])
    newest = newest_checkpoint(run)
    assert (newest.path, newest.snapshot) == (run / used, {"epoch": epoch})
    assert list(newest.damaged) == [run / name for name in broken]
    assert all(f"{path} is damaged" in reason for path, reason in newest.damaged.items())


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(run: Path) -> None:
    for name in ("last.pt", "last-1.pt", "best.pt"):
        (run / name).write_bytes(b"")
    message = (
        r"no whole checkpoint is left \(last\.pt, last-1\.pt, best\.pt are damaged\); train anew under another name$"
    )
    with pytest.raises(RunError, match=message):
        newest_checkpoint(run)


def test_a_run_killed_between_the_two_renamings_has_the_checkpoint_before(run: Path) -> None:
    (run / "last.pt").replace(run / "last-1.pt")
    newest = newest_checkpoint(run)
    assert (newest.path, newest.snapshot, newest.damaged) == (run / "last-1.pt", {"epoch": 3}, {})


@pytest.mark.parametrize("moment", [0, 1])
def test_a_crash_while_the_old_file_is_kept_leaves_a_whole_one(
    run: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    renamed: list[Path] = []
    real = Path.replace

    def interrupt(self: Path, target: Path) -> Path:
        if len(renamed) == moment:
            raise KeyboardInterrupt
        renamed.append(target)
        return real(self, target)

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(run / "last.pt", {"epoch": 4}, previous=run / "last-1.pt")
    monkeypatch.undo()
    assert newest_checkpoint(run).snapshot == {"epoch": 3}
