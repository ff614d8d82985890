"""The journal file of a study: what a killed process leaves in it, and how it is made whole again."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import NamedTuple

from optuna.storages.journal import JournalFileSymlinkLock

from raytrain.errors import RunError

__all__ = ["WholeLineLock", "check_journal", "repair_journal"]

_GRACE_S = 3.0
_POLL_S = 0.02


class WholeLineLock(JournalFileSymlinkLock):
    """The lock under which a line is appended to a journal, which makes sure that it begins as a line.

    A disk that fills up, or a kill, ends a file within a line. The line appended next would be glued to it, and
    Optuna could read neither. What is cut off was never confirmed to its writer.

    Args:
        journal: The file.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal

    def acquire(self) -> bool:
        """Wait for the lock, at most until its holder must be dead, then cut off a line without an end."""
        _remove_stale_lock(self._journal)
        held = super().acquire()
        try:
            _cut(self._journal, _whole_lines(self._journal))
        except BaseException:
            self.release()
            raise
        return held


def check_journal(path: Path) -> None:
    """Check that every line of a journal but its last is whole; a reader leaves out the last by itself.

    Raises:
        RunError: One is not; names it, and says how to go on.
    """
    _scan(path)


def repair_journal(path: Path) -> bytes:
    """Make a journal whole again before it is written to, and return what was cut off.

    A last line that is not whole was never confirmed to its writer: it is moved to `<journal>.damaged`. A lock that
    is not released within 3 s is a dead process's, and removed.

    Raises:
        RunError: A line before the last is damaged; names it, and says how to go on.
    """
    _remove_stale_lock(path)
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        whole = _scan(path)
        with path.open("rb") as file:
            file.seek(whole)
            rest = file.read()
        if rest:
            with path.with_name(f"{path.name}.damaged").open("ab") as file:
                file.write(rest + b"\n")
            _cut(path, whole)
    finally:
        lock.release()
    return rest


class _Damage(NamedTuple):
    line: int
    offset: int


def _scan(path: Path) -> int:
    """Return how many bytes of the file are whole lines."""
    damage, offset = None, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if damage is not None:
                raise RunError(
                    f"line {damage.line} of {path} is damaged, so what follows cannot be relied on; to go on from "
                    f"what was before it: cp {path} {path}.copy && head -n {damage.line - 1} {path}.copy > {path}"
                )
            if not _is_record(line):
                damage = _Damage(number, offset)
            offset += len(line)
    return offset if damage is None else damage.offset


def _is_record(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False


def _whole_lines(path: Path) -> int:
    """Return the length of the file up to its last line feed, in bytes."""
    length = path.stat().st_size
    with path.open("rb") as file:
        while length:
            start = max(0, length - 4096)
            file.seek(start)
            found = file.read(length - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            length = start
    return 0


def _cut(path: Path, length: int) -> None:
    if path.stat().st_size > length:
        with path.open("rb+") as file:
            file.truncate(length)
            os.fsync(file.fileno())


def _remove_stale_lock(path: Path) -> None:
    """Wait until nobody holds the lock, and remove that of a process that did not live to do so.

    It is held while one line is written, so one that stays the same is nobody's. Optuna's own lock waits for 30 s,
    and for ever where the journal was moved meanwhile.
    """
    lock = path.with_name(f"{path.name}.lock")
    first, ends = _identity(lock), time.monotonic() + _GRACE_S
    while first is not None and _identity(lock) == first:
        if time.monotonic() >= ends:
            lock.unlink(missing_ok=True)
        time.sleep(_POLL_S)


def _identity(lock: Path) -> tuple[int, int] | None:
    try:
        seen = lock.lstat()
    except FileNotFoundError:
        return None
    return seen.st_ino, seen.st_mtime_ns
