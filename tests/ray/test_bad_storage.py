"""Storages that cannot keep a sweep's study, on the command line: one line, the exit code, and nothing left behind."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
import yaml

from raytrain.cli.main import main
from raytrain.config.space import SpaceConfig
from raytrain.tuning import storage
from raytrain.tuning.recorded_study import create_study
from raytrain.tuning.storage import close_study
from raytrain.tuning.storage_location import locate

pytestmark = pytest.mark.ray

Tiny = Callable[..., SpaceConfig]


class Command:
    """`raytrain tune` of a tiny space, named `mine`, whose study is to be kept in some storage."""

    def __init__(self, space: SpaceConfig, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._space = folder / "tiny.yaml"
        self._space.write_text(yaml.safe_dump(space.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
        self.runs = folder / "runs"
        self.runs.mkdir()

    def __call__(self, storage_url: str) -> int | str | None:
        arguments = ["tune", str(self._space), "--runs-dir", str(self.runs), "--name", "mine", "--storage", storage_url]
        self._monkeypatch.setattr(sys, "argv", ["raytrain", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code


@pytest.fixture
def command(cluster: None, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tiny(), tmp_path, monkeypatch)


@pytest.fixture
def database(tiny: Tiny, tmp_path: Path) -> Path:
    """A database with the study `mine` of another space."""
    path = tmp_path / "studies.db"
    other = tiny({"parameters": {"optimizer.lr": {"type": "grid", "values": [0.5]}}})
    close_study(create_study(other, locate(f"sqlite:///{path}", tmp_path, "mine")))
    return path


@pytest.fixture
def locked(database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(storage, "_SQLITE_WAIT_S", 0.1)
    other = sqlite3.connect(database)
    other.execute("BEGIN EXCLUSIVE")
    yield database
    other.close()


@pytest.fixture
def newer(database: Path) -> Path:
    connection = sqlite3.connect(database)
    connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0'")
    connection.commit()
    connection.close()
    return database


def refused(command: Command, url: str, code: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that is said; nothing of the run is left."""
    assert command(url) == code
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err + told.out
    assert list(command.runs.iterdir()) == []
    return told.err


def test_guarantee_11_a_locked_storage(command: Command, locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(command, f"sqlite:///{locked}", 1, capsys)
    assert f"sqlite:///{locked}: database is locked; another program writes to it: end that first" in told


def test_a_storage_that_cannot_be_reached(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(command, "postgresql://me:secret@127.0.0.1:1/studies", 1, capsys)
    assert "127.0.0.1:1" in told
    assert "check that the server runs" in told
    assert "secret" not in told


def test_a_storage_with_a_study_of_another_space(
    command: Command, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(command, f"sqlite:///{database}", 2, capsys)
    assert "the study 'mine' exists in" in told
    assert "is of another space (parameters.optimizer.lr.values: [0.5] -> [0.003, 0.01])" in told
    assert "choose another --name" in told


def test_a_storage_of_another_version(command: Command, newer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(command, f"sqlite:///{newer}", 2, capsys)
    assert f"a newer Optuna (v99.0.0), and Optuna {optuna.__version__} needs" in told
    assert "choose another --storage" in told


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("mysql://me@host/studies", 2, "no study can be kept there"),
        ("journal:/absent/folder/study.journal", 1, "No such file or directory"),
        ("sqlite:////absent/folder/study.db", 1, "No such file or directory"),
    ],
)
def test_a_storage_that_is_none(
    url: str, code: int, message: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(command, url, code, capsys)


def test_a_damaged_journal_is_told_by_its_line(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.journal"
    path.write_text('{"op_code": 0}\nnonsense\n{"op_code": 0}\n', encoding="utf-8")
    content = path.read_bytes()
    told = refused(command, f"journal:{path}", 1, capsys)
    assert "line" in told
    assert path.read_bytes() == content
