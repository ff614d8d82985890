"""A journal whose writer was killed at any byte of its last lines goes on as if the last line had not been begun."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from raytrain.errors import RunError
from raytrain.tuning import journal_file
from raytrain.tuning.journal_file import WholeLineLock, check_journal, repair_journal


def opened(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="quick", storage=JournalStorage(JournalFileBackend(str(path))))


def states(study: optuna.Study) -> list[tuple[str, dict[int, float]]]:
    return [(trial.state.name, trial.intermediate_values) for trial in study.trials]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A real journal: two trials that ended, one that reports."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = tmp_path / "study.journal"
    study = optuna.create_study(study_name="quick", storage=JournalStorage(JournalFileBackend(str(path))))
    for value in (0.5, 0.7):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.report(value, 1)
        study.tell(trial, value)
    trial = study.ask()
    trial.report(0.1, 1)
    trial.report(0.2, 2)
    return path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a lock for a dead process's at once, as after three seconds."""
    monkeypatch.setattr(journal_file, "_GRACE_S", 0.0)


def test_a_whole_journal_is_left_as_it_is(journal: Path) -> None:
    before = journal.read_bytes()
    assert repair_journal(journal) == b""
    assert journal.read_bytes() == before
    assert [path.name for path in journal.parent.iterdir()] == ["study.journal"]


def test_every_truncation_of_the_last_three_lines_is_repaired(journal: Path) -> None:
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    damaged = journal.with_name("study.journal.damaged")
    for length in range(len(b"".join(lines[:-3])), len(whole) + 1):
        journal.write_bytes(whole[:length])
        damaged.unlink(missing_ok=True)
        kept = whole[: whole.rfind(b"\n", 0, length) + 1]
        rest = whole[len(kept) : length]
        assert repair_journal(journal) == rest
        assert journal.read_bytes() == kept
        assert (damaged.read_bytes() if damaged.exists() else b"\n") == rest + b"\n"
        if rest:
            continue  # the same journal as without the rest, read once
        study = opened(journal)
        assert [state for state, _ in states(study)][:2] == ["COMPLETE", "COMPLETE"]
        study.tell(study.ask(), 0.9)
        assert [state for state, _ in states(opened(journal))][-1] == "COMPLETE"


def test_a_truncated_journal_that_is_not_repaired_would_be_lost(journal: Path) -> None:
    """What the repair is for: Optuna glues the next line to the part, and reads neither again."""
    journal.write_bytes(journal.read_bytes()[:-3])
    with pytest.raises(AttributeError):  # the new trial is not there
        opened(journal).ask()
    with pytest.raises(ValueError, match="delimiter"):
        opened(journal).ask()
    with pytest.raises(ValueError, match="delimiter"):
        opened(journal)


def test_a_damaged_last_line_with_an_end_is_cut_too(journal: Path) -> None:
    before = journal.read_bytes()
    journal.write_bytes(before + b"\0\0\0\n")
    assert repair_journal(journal) == b"\0\0\0\n"
    assert journal.read_bytes() == before


def test_what_is_cut_is_kept_each_time(journal: Path) -> None:
    before = journal.read_bytes()
    for part in (b'{"op', b'{"op_code":6,'):
        journal.write_bytes(before + part)
        repair_journal(journal)
    assert journal.with_name("study.journal.damaged").read_bytes() == b'{"op\n{"op_code":6,\n'


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"7\n", b'{"op_code":4,{"op_code":4}\n', b"\xff\n"])
def test_a_damaged_line_in_the_middle_is_named(line: bytes, journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[4] = line
    journal.write_bytes(b"".join(lines))
    for look in (repair_journal, check_journal):
        with pytest.raises(RunError, match=r"line 5 of .*study\.journal is damaged.* head -n 4 "):
            look(journal)
    assert journal.read_bytes() == b"".join(lines)
    assert not journal.with_name("study.journal.lock").is_symlink()


def test_the_remedy_it_names_works(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:6], b"\n", *lines[6:]]))
    with pytest.raises(RunError) as caught:
        repair_journal(journal)
    assert os.system(str(caught.value).split("what was before it: ")[1]) == 0  # noqa: S605 - as a user would
    assert repair_journal(journal) == b""
    assert len(opened(journal).trials) >= 1


def test_a_reader_does_not_mind_a_part_of_a_line(journal: Path) -> None:
    part = journal.read_bytes()[:-3]
    journal.write_bytes(part)
    check_journal(journal)
    assert journal.read_bytes() == part


@pytest.mark.parametrize("target", ["{journal}", "/moved/since/study.journal", "relative.journal"])
@pytest.mark.usefixtures("impatient")
def test_the_lock_of_a_dead_process_is_removed(target: str, journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:-3])
    lock = journal.with_name("study.journal.lock")
    lock.symlink_to(target.format(journal=journal))
    assert repair_journal(journal)
    assert not lock.is_symlink()


def test_a_living_writer_is_waited_for(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = journal.with_name("study.journal.lock")
    lock.symlink_to(journal)
    polls = iter(["still held", "released"])

    def poll(_seconds: float) -> None:
        if next(polls) == "released":
            lock.unlink()

    monkeypatch.setattr(time, "sleep", poll)
    repair_journal(journal)
    assert next(polls, "all polled") == "all polled"


def test_a_disk_that_was_full_for_a_while_damages_nothing(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part of a line that still went in is cut off before the next is appended."""
    backend = JournalFileBackend(str(journal), lock_obj=WholeLineLock(journal))
    study = optuna.load_study(study_name="quick", storage=JournalStorage(backend))
    before = states(study)

    def full(_descriptor: int) -> None:
        os.truncate(journal, journal.stat().st_size - 10)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            study.ask()
    study.tell(study.ask(), 0.9)
    check_journal(journal)
    assert states(opened(journal)) == [*before, ("COMPLETE", {})]


@pytest.mark.parametrize("content", [b"", b'{"op_code":0'])
def test_a_line_begins_at_the_start_of_an_empty_file(content: bytes, tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    journal.write_bytes(content)
    lock = WholeLineLock(journal)
    lock.acquire()
    lock.release()
    assert journal.read_bytes() == b""


def test_a_part_longer_than_a_block_is_cut(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    journal.write_bytes(b'{"op_code":1}\n' + b"x" * 10_000)
    lock = WholeLineLock(journal)
    lock.acquire()
    lock.release()
    assert journal.read_bytes() == b'{"op_code":1}\n'


def test_the_lock_is_free_after_a_failed_cut(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_path: Path, _length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal_file, "_cut", broken)
    with pytest.raises(OSError, match="Input/output"):
        WholeLineLock(journal).acquire()
    assert not journal.with_name("study.journal.lock").is_symlink()
