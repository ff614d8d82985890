from __future__ import annotations

import json
from pathlib import Path

import pytest

from raytrain.errors import ConfigError, RunError
from raytrain.tuning.storage_location import StudyLocation, locate, masked, read_location, save_location

SERVER = "postgresql://ann:s3cret@db.example.org:5433/studies"
MASKED = "postgresql://ann:***@db.example.org:5433/studies"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAYTRAIN_STORAGE", raising=False)


@pytest.mark.parametrize(
    ("storage", "kind", "file"),
    [
        (None, "journal", "run/study.journal"),
        ("journal", "journal", "run/study.journal"),
        ("sqlite", "sqlite", "run/study.db"),
        ("journal:all.journal", "journal", "all.journal"),
        ("sqlite:///all.db", "sqlite", "all.db"),
    ],
)
def test_a_file_is_found_by_its_absolute_path(
    storage: str | None, kind: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    location = locate(storage, Path("run"), "quick")
    assert (location.kind, location.path, location.study_name) == (kind, tmp_path / file, "quick")


def test_an_absolute_path_has_four_slashes_in_a_url(tmp_path: Path) -> None:
    assert locate(f"sqlite:///{tmp_path}/all.db", Path("run"), "quick").path == tmp_path / "all.db"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_server_has_no_path(scheme: str) -> None:
    location = locate(SERVER.replace("postgresql", scheme), Path("run"), "quick")
    assert (location.kind, location.path, location.url) == ("postgresql", None, SERVER)


@pytest.mark.parametrize(
    "storage",
    [
        "mysql://ann:s3cret@host/studies",
        "postgresql+psycopg2://ann:s3cret@host/studies",
        "redis://:s3cret@host",
        "journal:",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "study.db",
        "postgresql",
        "memory",
    ],
)
def test_what_keeps_no_study_is_refused_with_what_would(storage: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"--storage .*: no study can be kept there; use journal, .*postgresql://"
    ) as caught:
        locate(storage, tmp_path, "quick")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (SERVER, MASKED),
        ("postgresql://ann@host/studies", "postgresql://ann@host/studies"),
        ("postgresql://host:5432/studies", "postgresql://host:5432/studies"),
        ("postgresql://ann:p@ss/w:rd@host/studies", "postgresql://ann:***@host/studies"),
        ("postgresql://ann:@host/studies", "postgresql://ann:***@host/studies"),
        (
            "postgresql://h/s?password=x&sslmode=require&sslpassword=y",
            "postgresql://h/s?password=***&sslmode=require&sslpassword=***",
        ),
        (f"raytrain tune a.yaml --storage={SERVER} --name x@y", f"raytrain tune a.yaml --storage={MASKED} --name x@y"),
        ("raytrain tune a.yaml", "raytrain tune a.yaml"),
    ],
)
def test_a_password_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown


def test_a_location_shows_no_password() -> None:
    location = StudyLocation(SERVER, "quick")
    assert str(location) == MASKED
    assert "s3cret" not in repr(location)


@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_a_moved_run_takes_its_study_along(storage: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    save_location(here, locate(storage, here, "quick"))
    here.rename(there)
    assert read_location(there) == locate(storage, there, "quick")


def test_a_study_elsewhere_stays_there(tmp_path: Path) -> None:
    location = locate(f"sqlite:///{tmp_path}/all.db", tmp_path, "quick")
    save_location(tmp_path, location)
    assert read_location(tmp_path) == location


def test_a_password_is_never_written_and_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = locate(SERVER, tmp_path, "quick")
    save_location(tmp_path, location)
    written = (tmp_path / "study.json").read_text("utf-8")
    assert json.loads(written) == {"storage": MASKED, "study_name": "quick"}
    with pytest.raises(ConfigError, match="set RAYTRAIN_STORAGE to the whole URL, or give it as --storage"):
        read_location(tmp_path)
    assert read_location(tmp_path, SERVER) == location
    monkeypatch.setenv("RAYTRAIN_STORAGE", SERVER)
    assert read_location(tmp_path) == location


def test_another_server_in_the_environment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_location(tmp_path, locate(SERVER, tmp_path, "quick"))
    monkeypatch.setenv("RAYTRAIN_STORAGE", "postgresql://ann:s3cret@other.example.org/studies")
    with pytest.raises(
        ConfigError, match=r"RAYTRAIN_STORAGE is postgresql://ann:\*\*\*@other.*says.*db\.example"
    ) as caught:
        read_location(tmp_path)
    assert "s3cret" not in str(caught.value)


def test_the_environment_is_asked_for_a_password_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYTRAIN_STORAGE", SERVER)
    save_location(tmp_path, locate(None, tmp_path, "quick"))
    assert read_location(tmp_path).kind == "journal"


def test_a_study_that_was_moved_is_named_explicitly(tmp_path: Path) -> None:
    save_location(tmp_path, locate(SERVER, tmp_path, "quick"))
    moved = "postgresql://bob:other@new.example.org/studies"
    assert read_location(tmp_path, moved) == StudyLocation(moved, "quick")


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no study\.json"):
        read_location(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"storage": "journal"}'])
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(content, "utf-8")
    with pytest.raises(RunError, match=r"study\.json cannot be read .*write it again"):
        read_location(tmp_path)
