from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from raytrain.engine.run_directory import claimed, create_run_directory
from raytrain.errors import ConfigError, RunError


def test_a_named_run_is_a_new_folder_below_the_root(tmp_path: Path) -> None:
    directory = create_run_directory(tmp_path / "runs", name="wdcnn_7.a-b", default="x")
    assert directory == tmp_path / "runs" / "wdcnn_7.a-b"
    assert directory.is_dir()


def test_a_run_without_a_name_is_named_by_default_and_time(tmp_path: Path) -> None:
    directory = create_run_directory(tmp_path, name=None, default="wdcnn")
    assert re.fullmatch(r"wdcnn-\d{8}-\d{6}", directory.name)


def test_the_folder_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert create_run_directory(Path("runs"), name="a", default="x") == tmp_path / "runs" / "a"


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../a", "a b", "-a", "ü", "a\n", "a:b"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    message = r"^--name .*: use letters, digits, '_', '-' and '\.', beginning with a letter or digit$"
    with pytest.raises(ConfigError, match=message) as caught:
        create_run_directory(tmp_path / "runs", name=name, default="x")
    assert repr(name) in str(caught.value)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_an_existing_run_is_never_written_into(tmp_path: Path) -> None:
    (tmp_path / "best").mkdir()
    message = rf"^run 'best' exists in {tmp_path}/best; choose another --name, .*`raytrain results {tmp_path}/best`$"
    with pytest.raises(ConfigError, match=message):
        create_run_directory(tmp_path, name="best", default="x")


def test_a_full_disk_is_told_in_advance_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=3 * 2**20))
    message = rf"^disk full: {tmp_path} has 3 MiB free and a run needs 100 MiB at least; free some, or .*--runs-dir$"
    with pytest.raises(RunError, match=message):
        create_run_directory(tmp_path, name="a", default="x")
    assert list(tmp_path.iterdir()) == []


def test_just_enough_room_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=100 * 2**20))
    assert create_run_directory(tmp_path, name="a", default="x").is_dir()


def test_a_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    message = rf"^cannot create {tmp_path}/runs/a: Not a directory; choose another --runs-dir$"
    with pytest.raises(RunError, match=message):
        create_run_directory(tmp_path / "runs", name="a", default="x")


def test_a_root_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by permissions, which do not bind the superuser that tests may run as.
    def refuse(_self: Path, **_options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match=r"^cannot create .*/a: Permission denied; choose another --runs-dir$"):
        create_run_directory(tmp_path, name="a", default="x")


def test_a_folder_is_held_by_one_until_it_lets_go(tmp_path: Path) -> None:
    message = rf"^{tmp_path} is being trained by another process; wait for it, or end it first$"
    with claimed(tmp_path), pytest.raises(RunError, match=message), claimed(tmp_path):
        pytest.fail("held twice")
    with claimed(tmp_path):
        pass
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - no file tells of it, which a kill would leave behind


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    made = [create_run_directory(tmp_path, name=None, default="wdcnn") for _ in range(20)]
    assert len(set(made)) == 20
    assert all(path.name.startswith("wdcnn-") for path in made)
