"""Data sets that need no download: generated on first use, then read from a cache on disk."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import typing
import uuid
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from pydantic import JsonValue

from raytrain.data import journal, journal_symptoms, rolling, synthesis
from raytrain.data.recording import Recording
from raytrain.errors import ConfigError, nearest
from raytrain.physics import catalogue, kinematics, lubrication

__all__ = ["EMBEDDED", "embedded_recordings"]

EMBEDDED: Mapping[str, Callable[..., list[Recording]]] = {
    "rolling": rolling.generate_rolling,
    "journal": journal.generate_journal,
}
"""Name of the data set -> its generator, whose keyword arguments are the data set's options."""

_SOURCES = (rolling, journal, journal_symptoms, synthesis, catalogue, kinematics, lubrication)
_KINDS: Mapping[type, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text"),
}
_CHECKSUM_BYTES = hashlib.sha256().digest_size

_log = logging.getLogger(__name__)


def embedded_recordings(name: str, options: Mapping[str, JsonValue]) -> list[Recording]:
    """Return an embedded data set, from the cache when it has been generated before with the same options.

    The cache is the folder named by the environment variable RAYTRAIN_CACHE, else the user's cache folder.
    A cached data set equals a generated one bit for bit; a damaged file is replaced and a warning logged.

    Args:
        name: A key of `EMBEDDED`.
        options: Keyword arguments of its generator; the others keep their defaults.

    Raises:
        ConfigError: The name or an option is unknown, an option's value is unusable, or the cache cannot be used.
    """
    if name not in EMBEDDED:
        raise ConfigError(f"data.source must name embedded data, got {name!r}; {nearest(name, EMBEDDED)}")
    settings = _settings(EMBEDDED[name], options)
    path = _cache_folder() / f"{name}-{_key(name, settings)}.cache"
    try:
        recordings = _read(path)
        if recordings is None:
            recordings = _generate(name, settings)
            _write(path, recordings)
    except OSError as error:
        cure = "set the environment variable RAYTRAIN_CACHE to a folder with space that may be read and written"
        raise ConfigError(f"cannot use the cache {path.parent}: {error}; {cure}") from error
    return recordings


def _generate(name: str, settings: Mapping[str, Any]) -> list[Recording]:
    try:
        return EMBEDDED[name](**settings)
    except ConfigError as error:
        raise ConfigError(f"data.options.{error}") from error


def _settings(generator: Callable[..., list[Recording]], options: Mapping[str, JsonValue]) -> dict[str, Any]:
    """Return all keyword arguments of `generator`: `options`, their types checked, over its defaults."""
    kinds = typing.get_type_hints(generator)
    settings = {field: parameter.default for field, parameter in inspect.signature(generator).parameters.items()}
    for field, value in options.items():
        if field not in settings:
            raise ConfigError(f"data.options.{field} is unknown; {nearest(field, settings)}")
        accepted, words = _KINDS[kinds[field]]
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise ConfigError(f"data.options.{field} must be {words}, got {value!r}")
        settings[field] = kinds[field](value)
    return settings


def _key(name: str, settings: Mapping[str, Any]) -> str:
    """Return what a cached data set depends on as a hash: its settings, the code that makes it, NumPy's version."""
    digest = hashlib.sha256(json.dumps([name, settings, np.__version__], sort_keys=True).encode())
    for module in _SOURCES:
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path:
    folder = os.environ.get("RAYTRAIN_CACHE")
    return Path(folder) if folder else platformdirs.user_cache_path("raytrain")


def _write(path: Path, recordings: list[Recording]) -> None:
    """Write a checksum, then an npz of all signals and the JSON of the rest; elsewhere until complete."""
    names = [field.name for field in fields(Recording) if field.name != "signal"]
    rows = [{name: getattr(recording, name) for name in names} for recording in recordings]
    unfinished = path.with_name(f".{uuid.uuid4().hex}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with unfinished.open("w+b") as file:
            file.write(bytes(_CHECKSUM_BYTES))
            np.savez(
                file,
                signals=np.stack([recording.signal for recording in recordings]),
                metadata=np.frombuffer(json.dumps(rows).encode(), dtype=np.uint8),
            )
            file.seek(_CHECKSUM_BYTES)
            checksum = hashlib.file_digest(file, "sha256").digest()
            file.seek(0)
            file.write(checksum)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _read(path: Path) -> list[Recording] | None:
    """Return the recordings of a cache file; None when there is none, or it is not what was written."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        checksum = file.read(_CHECKSUM_BYTES)
        if checksum != hashlib.file_digest(file, "sha256").digest():
            _log.warning("%s is damaged; its recordings are generated again", path)
            return None
        file.seek(_CHECKSUM_BYTES)
        with np.load(file, allow_pickle=False) as archive:
            signals, rows = archive["signals"], json.loads(archive["metadata"].tobytes())
    return [
        Recording(signal=signal, **row | {"channels": tuple(row["channels"])})
        for signal, row in zip(signals, rows, strict=True)
    ]
