from __future__ import annotations

import functools
import inspect
import logging
import typing
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue

from raytrain.data import embedded
from raytrain.data.embedded import EMBEDDED, embedded_recordings
from raytrain.data.recording import Recording
from raytrain.errors import ConfigError

SMALL: Mapping[str, JsonValue] = {"recordings_per_class": 1, "duration_s": 0.1}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "not" / "there yet"
    monkeypatch.setenv("RAYTRAIN_CACHE", str(folder))
    return folder


@pytest.fixture
def forbid_generation(monkeypatch: pytest.MonkeyPatch) -> typing.Callable[[], None]:
    def forbid() -> None:
        def wrapped(generator: typing.Callable[..., list[Recording]]) -> typing.Callable[..., list[Recording]]:
            @functools.wraps(generator)
            def generate(**_: object) -> list[Recording]:
                raise AssertionError("generated again")

            return generate

        forbidden = {name: wrapped(generator) for name, generator in EMBEDDED.items()}
        monkeypatch.setattr(embedded, "EMBEDDED", forbidden)

    return forbid


def assert_same(left: list[Recording], right: list[Recording]) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        for field in fields(Recording):
            if field.name != "signal":
                assert getattr(one, field.name) == getattr(other, field.name), field.name
        assert one.signal.dtype == other.signal.dtype == np.float32
        assert one.signal.tobytes() == other.signal.tobytes()
        assert one.signal.shape == other.signal.shape


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_cached_recordings_equal_fresh_ones_bit_for_bit(
    name: str, cache: Path, forbid_generation: typing.Callable[[], None]
) -> None:
    fresh = EMBEDDED[name](recordings_per_class=1, duration_s=0.1)
    assert_same(embedded_recordings(name, SMALL), fresh)
    forbid_generation()
    cached = embedded_recordings(name, SMALL)
    assert_same(cached, fresh)
    assert not cached[0].signal.flags.writeable
    assert only_file(cache).name.startswith(f"{name}-")


def test_a_cache_file_is_little_more_than_its_signals(cache: Path) -> None:
    recordings = embedded_recordings("journal", SMALL)
    signals = sum(recording.signal.nbytes for recording in recordings)
    assert only_file(cache).stat().st_size < signals + 1000 * len(recordings)


def test_spelling_out_a_default_shares_the_file_and_other_values_do_not(cache: Path) -> None:
    embedded_recordings("rolling", SMALL)
    embedded_recordings("rolling", {**SMALL, "seed": 0, "fs_hz": 12800})
    assert len(list(cache.iterdir())) == 1
    others: list[dict[str, JsonValue]] = [{"seed": 1}, {"snr_db": 3}, {"slip": 0.02}, {"bearing": "6203"}]
    for count, other in enumerate(others, start=2):
        embedded_recordings("rolling", {**SMALL, **other})
        assert len(list(cache.iterdir())) == count


def test_changed_code_does_not_read_what_the_old_code_wrote(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded_recordings("rolling", SMALL)
    monkeypatch.setattr(embedded, "_SOURCES", embedded._SOURCES[1:])
    embedded_recordings("rolling", SMALL)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("kind", ["empty", "truncated", "foreign", "other archive", "one byte more"])
def test_a_damaged_file_is_generated_again(cache: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    fresh = embedded_recordings("rolling", SMALL)
    file = only_file(cache)
    intact = file.read_bytes()
    match kind:
        case "empty":
            file.write_bytes(b"")
        case "truncated":
            file.write_bytes(intact[: len(intact) // 2])
        case "foreign":
            file.write_bytes(b"not an archive at all")
        case "other archive":
            with file.open("wb") as stream:
                np.savez(stream, something=np.zeros(3))
        case "one byte more":
            file.write_bytes(intact + b"\0")
    with caplog.at_level(logging.WARNING):
        assert_same(embedded_recordings("rolling", SMALL), fresh)
    assert f"{file} is damaged; its recordings are generated again" in caplog.text
    caplog.clear()
    assert_same(embedded_recordings("rolling", SMALL), fresh)
    assert not caplog.text
    assert only_file(cache) == file


def test_a_flipped_byte_anywhere_never_reaches_a_recording(cache: Path) -> None:
    fresh = embedded_recordings("rolling", SMALL)
    file = only_file(cache)
    intact = file.read_bytes()
    ends = [*range(0, 400, 10), *range(len(intact) - 400, len(intact), 10)]
    middle = np.random.default_rng(0).integers(400, len(intact) - 400, 40)
    for position in [*ends, *middle]:
        spoiled = bytearray(intact)
        spoiled[position] ^= 0xFF
        file.write_bytes(spoiled)
        assert_same(embedded_recordings("rolling", SMALL), fresh)


def test_nothing_half_written_stays_behind(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_disk(file: typing.BinaryIO, **arrays: object) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fill_disk)
    with pytest.raises(ConfigError, match=r"cannot use the cache .*No space left on device; set .*RAYTRAIN_CACHE"):
        embedded_recordings("rolling", SMALL)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RAYTRAIN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="set the environment variable RAYTRAIN_CACHE to a folder"):
        embedded_recordings("rolling", SMALL)


def test_cache_is_the_users_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAYTRAIN_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    embedded_recordings("rolling", SMALL)
    assert only_file(tmp_path / "raytrain").name.startswith("rolling-")


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("roling", {}, "data.source must name embedded data, got 'roling'; did you mean 'rolling'"),
        ("rolling", {"snr": 3}, "data.options.snr is unknown; did you mean 'snr_db'"),
        ("journal", {"slip": 0.1}, "data.options.slip is unknown; valid: duration_s, fs_hz, "),
        ("rolling", {"snr_db": "3"}, "data.options.snr_db must be a number, got '3'"),
        ("rolling", {"snr_db": None}, "data.options.snr_db must be a number, got None"),
        ("rolling", {"slip": True}, "data.options.slip must be a number, got True"),
        ("rolling", {"seed": 1.5}, "data.options.seed must be a whole number, got 1.5"),
        ("rolling", {"seed": False}, "data.options.seed must be a whole number, got False"),
        ("rolling", {"bearing": 6205}, "data.options.bearing must be text, got 6205"),
        ("rolling", {"bearing": "6206"}, "data.options.bearing must be in the catalogue, got '6206'"),
        ("journal", {"recordings_per_class": 0}, "data.options.recordings_per_class must be at least 1, got 0"),
        ("journal", {"snr_db": float("nan")}, "data.options.snr_db must be from -200 to 200, got nan"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, JsonValue], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        embedded_recordings(name, options)


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_every_option_of_every_generator_can_be_given(name: str) -> None:
    parameters = inspect.signature(EMBEDDED[name]).parameters
    defaults = {field: parameter.default for field, parameter in parameters.items()}
    assert embedded._settings(EMBEDDED[name], defaults) == defaults
