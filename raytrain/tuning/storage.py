"""Opening the storage of a study: a journal file, SQLite or PostgreSQL. What is wrong is said at once, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from raytrain.errors import ConfigError, RunError
from raytrain.tuning.journal_file import WholeLineLock, check_journal, repair_journal
from raytrain.tuning.server import connection_options, server_lock, server_url
from raytrain.tuning.storage_location import StudyLocation, masked

if TYPE_CHECKING:
    import sqlalchemy
    from optuna.storages import BaseStorage

__all__ = ["close_storage", "close_study", "explained", "open_storage"]

_SQLITE_WAIT_S = 5


def open_storage(location: StudyLocation, *, writing: bool = True) -> BaseStorage:
    """Open what keeps a study, or make it where it is not there yet.

    Args:
        location: Where it is.
        writing: Whether it will be written to. If so, a journal is first made whole again (`repair_journal`), and a
            file that cannot be written to is refused; if not, nothing is made or changed.

    Raises:
        ConfigError: A driver is missing, or another version of Optuna made the storage.
        RunError: It cannot be reached within seconds, refuses us, is locked, read-only, missing or damaged.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with explained(location):
        path = location.path
        if path is None:
            return _open_server(location)
        if not writing and not path.exists():
            raise RunError(f"{path} is missing; nothing was recorded there, or it was moved")
        return (
            _open_journal(path, writing=writing) if location.kind == "journal" else _open_sqlite(path, writing=writing)
        )


def close_study(study: optuna.Study) -> None:
    """Close the connections that a study holds to a database; one in a journal holds none."""
    close_storage(study._storage)  # noqa: SLF001 - Optuna closes none by itself


def close_storage(storage: BaseStorage) -> None:
    """Close the connections of a storage."""
    backend = getattr(storage, "_backend", storage)  # what Optuna's cache wraps
    if isinstance(backend, optuna.storages.RDBStorage):
        backend.remove_session()
        backend.engine.dispose()


@contextmanager
def explained(location: StudyLocation) -> Iterator[None]:
    """Turn what a storage raises within into one RunError that says where, what and what to do, without the password.

    Raises:
        RunError: The storage failed.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        # Not chained: what SQLAlchemy says may quote the URL.
        raise RunError(_failure(location, _reason(error))) from None
    except OSError as error:
        raise RunError(_failure(location, error.strerror or str(error))) from error


def _failure(location: StudyLocation, reason: str) -> str:
    remedies = {
        "locked": "another program writes to it: end that first, or keep studies that are shared in postgresql://",
        "readonly": "make it writable, or choose another --storage",
        "Read-only": "make it writable, or choose another --storage",
        "Permission denied": "make it writable, or choose another --storage",
        "No space left": "free some space; what was written before is kept",
    }
    fallback = (
        "check that the server runs, and user, password and database"
        if location.kind == "postgresql"
        else "choose another --storage"
    )
    remedy = next((text for sign, text in remedies.items() if sign in reason), fallback)
    return f"the storage of the study, {location}: {reason.rstrip('.')}; {remedy}"


def _reason(error: BaseException) -> str:
    """Return the database's own words in one line."""
    cause: BaseException = error
    while (inner := getattr(cause, "orig", None) or cause.__cause__) is not None:
        cause = inner
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return masked(lines[0]) if lines else type(cause).__name__


def _open_journal(path: Path, *, writing: bool) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if writing:
        path.open("ab").close()
        repair_journal(path)
    else:
        check_journal(path)
    try:
        return JournalStorage(JournalFileBackend(str(path), lock_obj=WholeLineLock(path)))
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path} is whole and Optuna {optuna.__version__} cannot read it; another version wrote it: install that, "
            "or choose another --storage"
        ) from error


def _open_sqlite(path: Path, *, writing: bool) -> BaseStorage:
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    url = sqlalchemy.URL.create("sqlite", database=str(path))
    options = {"timeout": _SQLITE_WAIT_S}
    if writing:
        probe = sqlalchemy.create_engine(url, connect_args=options, poolclass=NullPool)
        with probe.connect() as connection:
            # Refused where the file is locked or read-only; undone when the connection closes.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql("CREATE TABLE raytrain_may_write (anything)")
    return _open_database(url, options)


def _open_server(location: StudyLocation) -> BaseStorage:
    url = server_url(location)
    # Two drivers that begin at once on an empty database must not both make its tables.
    with server_lock(url, "raytrain: making tables", wait=True):
        return _open_database(url, connection_options(url))


def _open_database(url: sqlalchemy.URL, options: dict[str, Any]) -> BaseStorage:
    storage = optuna.storages.RDBStorage(
        url.render_as_string(hide_password=False),
        engine_kwargs={"connect_args": options, "pool_pre_ping": True},
        skip_compatibility_check=True,  # done below, where the connection can be closed
    )
    found, ours = storage.get_current_version(), storage.get_head_version()
    if found == ours:
        return storage
    older = found in storage.get_all_versions()
    close_storage(storage)
    theirs = "an older" if older else "a newer"
    remedy = "optuna storage upgrade --storage URL" if older else "pip install --upgrade optuna"
    raise ConfigError(
        f"{masked(str(url))}: its tables are those of {theirs} Optuna ({found}), and Optuna "
        f"{optuna.__version__} needs {ours}; {remedy}, or choose another --storage"
    )
