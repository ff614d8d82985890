"""The folder a run writes to: a new one per run, on a disk with room."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from raytrain.errors import ConfigError, RunError

__all__ = ["claimed", "create_run_directory"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_LEAST_FREE_MIB = 100


def create_run_directory(root: Path, *, name: str | None, default: str) -> Path:
    """Create and return `root/name`; without a name, `root/<default>-<date>-<time>`, and a number if need be.

    Raises:
        ConfigError: The name is no folder name, or the run exists: raytrain never writes into an earlier run.
        RunError: The disk is full or cannot be written to.
    """
    chosen = _unused(root, f"{default}-{datetime.now().astimezone():%Y%m%d-%H%M%S}") if name is None else name
    if not _NAME.fullmatch(chosen):
        raise ConfigError(f"--name {chosen!r}: use letters, digits, '_', '-' and '.', beginning with a letter or digit")
    directory = (root / chosen).resolve()
    try:
        directory.mkdir(parents=True)
    except FileExistsError as error:
        raise ConfigError(
            f"run '{chosen}' exists in {directory}; choose another --name, or look at it with "
            f"`raytrain results {directory}`"
        ) from error
    except OSError as error:
        raise RunError(f"cannot create {directory}: {error.strerror}; choose another --runs-dir") from error
    free_mib = shutil.disk_usage(directory).free / 2**20
    if free_mib < _LEAST_FREE_MIB:
        directory.rmdir()
        raise RunError(
            f"disk full: {root.resolve()} has {free_mib:.0f} MiB free and a run needs {_LEAST_FREE_MIB} MiB at least; "
            "free some, or choose another --runs-dir"
        )
    return directory


def _unused(root: Path, name: str) -> str:
    """Return `name`, or with a number behind it where a run of the same second has it."""
    further = (f"{name}-{number}" for number in itertools.count(2))
    return next(one for one in itertools.chain([name], further) if not (root / one).exists())


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Hold a run's folder, so that no second process of this machine trains there; the kernel lets go of a killed one.

    Raises:
        RunError: Another process holds it.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"{directory} is being trained by another process; wait for it, or end it first") from error
        yield
    finally:
        os.close(descriptor)
