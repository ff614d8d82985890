"""Recordings from wherever the configuration says, chosen and ready to be split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from pydantic import JsonValue

from raytrain.config.schema import DataConfig
from raytrain.data.cwru import holds_cwru, read_cwru
from raytrain.data.manifest import MANIFEST, read_manifest
from raytrain.data.mfpt import holds_mfpt, read_mfpt
from raytrain.data.recording import Recording
from raytrain.data.select import common_channels, select
from raytrain.errors import ConfigError, DataError, nearest

__all__ = ["data_hash", "read_recordings", "read_source"]


def read_recordings(config: DataConfig) -> list[Recording]:
    """Read the recordings a configuration asks for, with the channels it asks for.

    Raises:
        ConfigError: The configuration names what is not there.
        DataError: The source is not usable, or holds a measurement twice: training and test might share it.
    """
    recordings = read_source(config.source, options=config.options, dataset=config.dataset)
    recordings = select(recordings, dataset=config.dataset, where=config.where)
    _refuse_repeated(recordings)
    return common_channels(recordings, config.channels)


def read_source(
    source: str, *, options: Mapping[str, JsonValue] | None = None, dataset: Sequence[str] | None = None
) -> list[Recording]:
    """Read all recordings of a source: embedded data by name, else a folder.

    Args:
        source: `rolling`, `journal`, or a folder with a manifest.csv, CWRU `.mat` files or the MFPT tree,
            recognised in this order.
        options: Keyword settings of the generator of embedded data.
        dataset: A manifest may leave files of other data sets unopened.
    """
    from raytrain.data.embedded import EMBEDDED, embedded_recordings

    if source in EMBEDDED:
        return embedded_recordings(source, options or {})
    if options:
        raise ConfigError(f"data.options: only embedded data ({', '.join(EMBEDDED)}) has options, not {source!r}")
    folder = Path(source).expanduser()
    if not folder.is_dir():
        hint = nearest(source, EMBEDDED)
        raise DataError(f"data.source: {source!r} is neither a folder nor the name of embedded data; {hint}")
    if (folder / MANIFEST).is_file():
        return read_manifest(folder, dataset=dataset)
    if holds_cwru(folder):
        return read_cwru(folder)
    if holds_mfpt(folder):
        return read_mfpt(folder)
    raise DataError(
        f"data.source: {folder} holds no {MANIFEST}, no CWRU file (105.mat, IR007_0.mat) and no MFPT file "
        f"(baseline_1.mat); write a {MANIFEST} with a line per recording: file, fs_hz, rpm, label"
    )


def data_hash(recordings: Sequence[Recording]) -> str:
    """Return the SHA-256 of all that is known of the recordings, whatever their order and folder."""
    digests = sorted(_digest(recording) for recording in recordings)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _digest(recording: Recording) -> str:
    known = {field.name: getattr(recording, field.name) for field in fields(recording)}
    known |= {"signal": _signal_digest(recording), "conditions": dict(recording.conditions), "source": ""}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _signal_digest(recording: Recording) -> str:
    shape = f"{recording.signal.shape}".encode()
    return hashlib.sha256(shape + recording.signal.astype("<f4").tobytes()).hexdigest()


def _refuse_repeated(recordings: Sequence[Recording]) -> None:
    """Refuse a measurement that is there twice, by its id or by its samples."""
    seen: dict[str, Recording] = {}
    for recording in recordings:
        for mark in (f"id {recording.recording_id}", _signal_digest(recording)):
            first = seen.setdefault(mark, recording)
            if first is not recording:
                raise DataError(
                    f"the same measurement twice: {recording.recording_id} of {recording.dataset} "
                    f"({recording.source}) is {first.recording_id} of {first.dataset} ({first.source}); "
                    "training and test would share it: leave one out, by data.dataset or data.where"
                )
