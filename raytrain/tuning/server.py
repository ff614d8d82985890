"""A PostgreSQL server as the storage of studies: how it is reached, and who may write."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from raytrain.errors import ConfigError
from raytrain.tuning.storage_location import StudyLocation

if TYPE_CHECKING:
    import sqlalchemy

__all__ = ["connection_options", "server_lock", "server_url"]

_OPTIONS = {
    "connect_timeout": 5,  # s
    "client_encoding": "utf8",  # else a database in SQL_ASCII answers with bytes
    # A server that vanished without a word is noticed within half a minute rather than two hours.
    "keepalives_idle": 15,  # s
    "keepalives_interval": 5,  # s
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
    "options": "-c lock_timeout=10s",
}
# So does the server notice that a driver's machine vanished, and lets go of its lock.
_SERVER_NOTICES = "SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"


def server_url(location: StudyLocation) -> sqlalchemy.URL:
    """Return the URL by which SQLAlchemy reaches the server, with psycopg 3.

    Raises:
        ConfigError: psycopg is not installed, or the URL cannot be understood.
    """
    import sqlalchemy

    try:
        import psycopg  # noqa: F401 - only to see whether it works
    except ImportError as error:
        raise ConfigError(
            f"--storage {location}: the driver of PostgreSQL is missing ({error}); pip install 'raytrain[postgres]'"
        ) from error
    try:
        url = sqlalchemy.make_url(location.url)
        if "@" in (url.host or ""):
            raise ValueError("the rest of a password is taken for a host")  # noqa: TRY301 - one message for both
    except (ValueError, sqlalchemy.exc.ArgumentError):
        # Not chained: the original message quotes the URL.
        raise ConfigError(
            f"--storage {location}: not of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE; write @, : and / in "
            "a password as %40, %3A and %2F"
        ) from None
    return url.set(drivername="postgresql+psycopg")


def connection_options(url: sqlalchemy.URL) -> dict[str, Any]:
    """Return psycopg's options that keep a connection from waiting for ever; what the URL says wins."""
    return {name: value for name, value in _OPTIONS.items() if name not in url.query}


@contextmanager
def server_lock(url: sqlalchemy.URL, name: str, *, wait: bool) -> Iterator[bool]:
    """Hold a lock of the database, which the server takes back when the connection of its holder ends.

    Args:
        url: The database.
        name: The lock's name; there is no need to make it first.
        wait: Whether to wait for it, 10 s at most.

    Yields:
        Whether it is held.
    """
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    engine = sqlalchemy.create_engine(
        url, connect_args=connection_options(url), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    with engine.connect() as connection:
        connection.exec_driver_sql(_SERVER_NOTICES)
        function = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
        answer = connection.execute(sqlalchemy.text(f"SELECT {function}(:key)"), {"key": key}).scalar_one()
        yield wait or bool(answer)
