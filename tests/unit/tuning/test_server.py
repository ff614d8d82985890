"""What needs no server; tests/integration/test_postgresql_storage.py has one."""

from __future__ import annotations

import pytest

from raytrain.errors import ConfigError
from raytrain.tuning.server import connection_options, server_url
from raytrain.tuning.storage_location import StudyLocation


def test_the_driver_is_psycopg_3() -> None:
    url = server_url(StudyLocation("postgresql://ann:s%40cret@[::1]:5433/studies?sslmode=require", "quick"))
    assert url.get_driver_name() == "psycopg"
    assert (url.username, url.password, url.host, url.port) == ("ann", "s@cret", "::1", 5433)
    assert url.query == {"sslmode": "require"}


@pytest.mark.parametrize("rest", ["ann:s3cret@host:port/studies", "ann:s3@cret@host/studies"])
def test_a_url_that_cannot_be_read_is_refused_without_its_password(rest: str) -> None:
    with pytest.raises(ConfigError, match=r"ann:\*\*\*@host.* not of the form postgresql://USER.*%40") as caught:
        server_url(StudyLocation(f"postgresql://{rest}", "quick"))
    assert "s3" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_connection_does_not_wait_for_ever_and_the_url_wins() -> None:
    plain = connection_options(server_url(StudyLocation("postgresql://host/studies", "quick")))
    assert plain["connect_timeout"] == 5
    assert "lock_timeout" in plain["options"]
    given = connection_options(server_url(StudyLocation("postgresql://host/studies?connect_timeout=60", "quick")))
    assert plain.keys() - given.keys() == {"connect_timeout"}
