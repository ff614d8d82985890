"""One driver per study: a second one, on this machine or another, is refused."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from raytrain.errors import RunError
from raytrain.tuning.server import server_lock, server_url
from raytrain.tuning.storage import explained
from raytrain.tuning.storage_location import StudyLocation

__all__ = ["sole_writer"]


@contextmanager
def sole_writer(location: StudyLocation) -> Iterator[None]:
    """Hold a study for as long as a driver writes to it.

    A run's folder is held by `claimed`; this holds the study, which a copy of that folder may name too. Neither
    outlives its process: the kernel lets go of a file's lock, the server of that of a connection that ended.

    Raises:
        ConfigError: The driver of PostgreSQL is missing.
        RunError: Another driver holds it, or the storage cannot be reached.
    """
    with ExitStack() as held:
        with explained(location):
            lock = _lock_on_server(location) if location.path is None else _lock_of_file(location, location.path)
            alone = held.enter_context(lock)
        if not alone:
            raise RunError(
                f"another sweep writes to the study '{location.study_name}' in {location}; wait for it, or end it first"
            )
        yield


@contextmanager
def _lock_on_server(location: StudyLocation) -> Iterator[bool]:
    with server_lock(server_url(location), f"raytrain: {location.study_name}", wait=False) as taken:
        yield taken


@contextmanager
def _lock_of_file(location: StudyLocation, path: Path) -> Iterator[bool]:
    # Beside the study's file, not on it: SQLite loses its own locks when any descriptor of its file is closed.
    beside = path.with_name(f"{path.name}.{location.study_name}.writer")
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
