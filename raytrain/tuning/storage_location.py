"""Where the study of a sweep is kept: a file of its run, another file, or a PostgreSQL server."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from raytrain.errors import ConfigError, RunError

__all__ = ["STORAGE_VARIABLE", "StudyLocation", "locate", "masked", "read_location", "save_location"]

STORAGE_VARIABLE = "RAYTRAIN_STORAGE"
"""The environment variable that holds a storage's URL with its password, which no file of a run does."""

_FILE = "study.json"
_MASK = "***"
_WORKS = "use journal, journal:PATH, sqlite, sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
# Greedy up to the last @: a password with an unescaped @ or / in it is masked whole.
_PASSWORD = re.compile(r"([A-Za-z][\w+.-]*://[^:/@\s]*):\S*@")
_PASSWORD_OPTION = re.compile(r"([?&](?:ssl)?password=)[^&\s]*")
_SERVER = re.compile(r"(postgresql|postgres)(\+psycopg)?://")


def masked(text: str) -> str:
    """Return `text` with `***` for the password of every URL in it.

    >>> masked("raytrain tune quick --storage postgresql://ann:secret@db.example.org/studies")
    'raytrain tune quick --storage postgresql://ann:***@db.example.org/studies'
    """
    return _PASSWORD_OPTION.sub(rf"\1{_MASK}", _PASSWORD.sub(rf"\1:{_MASK}@", text))


@dataclass(frozen=True)
class StudyLocation:
    """One study in its storage; as text, without the password.

    Attributes:
        url: `journal:PATH`, `sqlite:///PATH` or `postgresql://...`, paths absolute.
        study_name: The study's name there; a storage may hold several.
    """

    url: str = field(repr=False)  # may hold a password
    study_name: str

    def __str__(self) -> str:
        return masked(self.url)

    @property
    def kind(self) -> Literal["journal", "sqlite", "postgresql"]:
        """What keeps it."""
        if self.url.startswith("journal:"):
            return "journal"
        return "sqlite" if self.url.startswith("sqlite:") else "postgresql"

    @property
    def path(self) -> Path | None:
        """The file that keeps it, None for a server."""
        prefix = {"journal": "journal:", "sqlite": "sqlite:///"}.get(self.kind)
        return Path(self.url.removeprefix(prefix)) if prefix else None


def locate(storage: str | None, directory: Path, name: str) -> StudyLocation:
    """Return where the study `name` of the run in `directory` is kept, without looking there.

    Args:
        storage: `journal` (a file of the run, which None stands for too), `sqlite` (likewise), `journal:PATH`,
            `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.
        directory: The run's folder.
        name: The study's name.

    Raises:
        ConfigError: It is none of these.

    >>> locate("sqlite", Path("/runs/quick"), "quick").url
    'sqlite:////runs/quick/study.db'
    """
    return StudyLocation(_url(storage or "journal", directory.resolve()), name)


def _url(storage: str, directory: Path) -> str:
    scheme, _, rest = storage.partition(":")
    match scheme, rest:
        case "journal" | "sqlite", "" if not storage.endswith(":"):
            return _of_run(directory)[storage]
        case "journal", path if path:
            return f"journal:{Path(path).resolve()}"
        case "sqlite", path if path.startswith("///") and path not in ("///", "///:memory:"):
            return f"sqlite:///{Path(path.removeprefix('///')).resolve()}"
    if _SERVER.match(storage):
        return _SERVER.sub("postgresql://", storage, count=1)
    raise ConfigError(f"--storage {masked(storage)}: no study can be kept there; {_WORKS}")


def _of_run(directory: Path) -> dict[str, str]:
    return {"journal": f"journal:{directory / 'study.journal'}", "sqlite": f"sqlite:///{directory / 'study.db'}"}


def save_location(directory: Path, location: StudyLocation) -> None:
    """Write where a run's study is to its `study.json`, without the password.

    A file of the run is written as such, not with its path: a run's folder may be moved, and a copy of it has a study
    of its own.
    """
    from raytrain.engine.manifest import write_json

    own = {url: storage for storage, url in _of_run(directory.resolve()).items()}
    storage = own.get(location.url, masked(location.url))
    write_json(directory / _FILE, {"storage": storage, "study_name": location.study_name})


def read_location(directory: Path, storage: str | None = None) -> StudyLocation:
    """Return where the study of the run in `directory` is.

    Args:
        directory: The run's folder.
        storage: Where it is now, if elsewhere than the run says, or to say the password. The environment variable
            RAYTRAIN_STORAGE says a password too.

    Raises:
        ConfigError: The folder holds no study, or a password is missing.
        RunError: Its `study.json` is damaged.
    """
    path = directory / _FILE
    try:
        content = json.loads(path.read_text("utf-8"))
        recorded, name = str(content["storage"]), str(content["study_name"])
    except FileNotFoundError as error:
        raise ConfigError(
            f"{directory} holds no {_FILE}, so it is no folder of a sweep; give the RUN it wrote"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} cannot be read ({error}); write it again: "
            '{"storage": "journal" or the URL, "study_name": the name of the run}'
        ) from error
    return locate(storage or _with_password(recorded, path), directory, name)


def _with_password(recorded: str, path: Path) -> str:
    if _MASK not in recorded:
        return recorded
    full = os.environ.get(STORAGE_VARIABLE, "")
    if not full:
        raise ConfigError(
            f"the study is in {recorded} and its password is in no file; set {STORAGE_VARIABLE} to the whole URL, "
            "or give it as --storage"
        )
    if masked(full) != recorded:
        raise ConfigError(
            f"{STORAGE_VARIABLE} is {masked(full)}, and {path} says {recorded}; set it to that with the password, "
            "or give --storage if the study was moved"
        )
    return full
