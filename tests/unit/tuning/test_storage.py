from __future__ import annotations

import errno
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.study import StudyDirection

from raytrain.errors import ConfigError, RunError
from raytrain.tuning import storage
from raytrain.tuning.storage import close_study, explained, open_storage
from raytrain.tuning.storage_location import StudyLocation, locate

NOBODY = 65534
FILES = pytest.mark.parametrize("kind", ["journal", "sqlite"])


def written(location: StudyLocation) -> Path:
    """Make a storage with one study of one trial, and return its file."""
    study = optuna.create_study(study_name=location.study_name, storage=open_storage(location))
    study.tell(study.ask(), 0.5)
    close_study(study)
    assert location.path
    return location.path


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of which this process, be it root's, is not the owner for a while."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        os.seteuid(os.getuid())
        folder.chmod(0o755)


def lose_privileges() -> None:
    if os.getuid() == 0:
        os.seteuid(NOBODY)


@FILES
def test_a_storage_is_made_and_opened_again(kind: str, tmp_path: Path) -> None:
    location = locate(kind, tmp_path, "quick")
    written(location)
    for writing in (True, False):
        opened = open_storage(location, writing=writing)
        assert isinstance(opened, JournalStorage if kind == "journal" else RDBStorage)
        study = optuna.load_study(study_name="quick", storage=opened)
        assert [trial.value for trial in study.trials] == [0.5]
        close_study(study)


@FILES
def test_a_reader_makes_nothing(kind: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is missing; nothing was recorded there, or it was moved"):
        open_storage(locate(kind, tmp_path, "quick"), writing=False)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_leaves_a_damaged_journal_alone(tmp_path: Path) -> None:
    location = locate(None, tmp_path, "quick")
    journal = written(location)
    journal.write_bytes(part := journal.read_bytes()[:-3])
    open_storage(location, writing=False)
    assert journal.read_bytes() == part
    open_storage(location)
    assert journal.read_bytes() != part


@FILES
def test_a_folder_that_is_missing_is_named(kind: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the storage of the study, .*absent/study\..*; choose another --storage"):
        open_storage(locate(kind, tmp_path / "absent", "quick"))


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    location = locate("sqlite", tmp_path, "quick")
    (tmp_path / "study.db").write_bytes(b"a picture of a cat" * 100)
    with pytest.raises(RunError, match="file is not a database"):
        open_storage(location)
    (tmp_path / "study.journal").write_bytes(b"a picture of a cat\n" * 100)
    with pytest.raises(RunError, match=r"line 1 of .*study\.journal is damaged"):
        open_storage(locate("journal", tmp_path, "quick"))


@FILES
def test_a_read_only_file_is_read_and_not_written(kind: str, unprivileged: Path) -> None:
    location = locate(kind, unprivileged, "quick")
    written(location).chmod(0o444)
    lose_privileges()
    with pytest.raises(RunError, match=r"(readonly database|Permission denied); make it writable, or choose"):
        open_storage(location)
    study = optuna.load_study(study_name="quick", storage=open_storage(location, writing=False))
    assert len(study.trials) == 1
    close_study(study)


def test_a_locked_file_is_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_SQLITE_WAIT_S", 0)
    location = locate("sqlite", tmp_path, "quick")
    holder = sqlite3.connect(written(location), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(
        RunError, match=r"database is locked; another program writes to it: end that first, .*postgresql://"
    ):
        open_storage(location)
    holder.close()
    open_storage(location)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("v99.0.0.a", r"a newer Optuna \(v99\.0\.0\.a\), .*; pip install --upgrade optuna, or"),
        ("v2.6.0.a", r"an older Optuna \(v2\.6\.0\.a\), .*; optuna storage upgrade --storage URL, or"),
    ],
)
def test_tables_of_another_version_are_refused(version: str, message: str, tmp_path: Path) -> None:
    location = locate("sqlite", tmp_path, "quick")
    with sqlite3.connect(written(location)) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))
    database.close()
    with pytest.raises(ConfigError, match=rf"study\.db: its tables are those of {message}"):
        open_storage(location)


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    location = locate(None, tmp_path, "quick")
    with written(location).open("ab") as file:
        file.write(b'{"op_code":99,"worker_id":"x"}\n')
    with pytest.raises(ConfigError, match=r"study\.journal is whole and Optuna .* cannot read it; another version"):
        open_storage(location)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'raytrain\[postgres\]'") as caught:
        open_storage(locate("postgresql://ann:s3cret@127.0.0.1:1/studies", tmp_path, "quick"))
    assert "s3cret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"postgresql://ann:\*\*\*@127\.0\.0\.1:1/studies: .*refused.*; check that"
    ) as caught:
        open_storage(locate("postgresql://ann:s3cret@127.0.0.1:1/studies", tmp_path, "quick"))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_fails_during_a_sweep_is_explained(tmp_path: Path) -> None:
    location = locate("sqlite", tmp_path, "quick")
    study = optuna.create_study(study_name="quick", storage=open_storage(location))
    trial = study.ask()
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("DROP TABLE trial_user_attributes")
    database.close()
    with pytest.raises(RunError, match=r"study\.db: no such table: trial_user_attributes"), explained(location):
        trial.set_user_attr("host", "here")
    close_study(study)
    with pytest.raises(RunError, match="No space left on device; free some space"), explained(location):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(KeyError), explained(location):
        raise KeyError("not the storage's")


@FILES
def test_nobody_is_told_what_optuna_logs(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    opened = open_storage(locate(kind, tmp_path, "quick"))
    study = optuna.create_study(directions=[StudyDirection.MAXIMIZE], storage=opened)
    close_study(study)
    assert capfd.readouterr() == ("", "")
