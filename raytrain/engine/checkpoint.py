"""Checkpoints that are whole or absent: written beside, flushed, checksummed, then renamed into place."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from raytrain.errors import RunError

__all__ = [
    "BEST",
    "LAST",
    "Newest",
    "evaluated_weights",
    "newest_checkpoint",
    "previous_of",
    "read_checkpoint",
    "write_atomically",
    "write_checkpoint",
]

BEST, LAST = "best.pt", "last.pt"
_DIGEST = hashlib.sha256().digest_size


def write_atomically(path: Path, content: bytes, *, previous: Path | None = None) -> None:
    """Write `content` to `path` so that a reader, or a crash, sees the old file or the new one, never a part.

    Args:
        path: The file.
        content: What it is to hold.
        previous: Where the old file goes once the new one is whole; it is replaced by the new one when absent.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            path.replace(previous)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_checkpoint(path: Path, snapshot: dict[str, Any], *, previous: Path | None = None) -> None:
    """Write a snapshot of plain values and tensors, followed by the SHA-256 of all before it.

    Args:
        path: The file.
        snapshot: What `Run.snapshot` returned.
        previous: Where the checkpoint before it is kept; nowhere when absent.
    """
    buffer = io.BytesIO()
    torch.save(snapshot, buffer)
    content = buffer.getvalue()
    write_atomically(path, content + hashlib.sha256(content).digest(), previous=previous)


def previous_of(path: Path) -> Path:
    """Return where the checkpoint before `path` is kept.

    >>> previous_of(Path("runs/a/last.pt")).as_posix()
    'runs/a/last-1.pt'
    """
    return path.with_name(f"{path.stem}-1{path.suffix}")


def evaluated_weights(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights that a snapshot's metrics are of: the averaged ones where a callback kept an average."""
    weights: dict[str, Any] = snapshot["averaged_model"] or snapshot["model"]
    return weights


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a snapshot onto the CPU, executing nothing from the file.

    Raises:
        RunError: The file is absent, cut short, altered, or holds more than plain values and tensors.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"checkpoint {path} cannot be read: {error.strerror}") from error
    content, digest = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        raise RunError(f"checkpoint {path} is damaged: its checksum does not match; use the one before it")
    try:
        snapshot: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        kind = re.search(r"GLOBAL (\S+)", str(error))
        raise RunError(
            f"checkpoint {path} holds {kind.group(1) if kind else 'an object'}, and only plain values and tensors are "
            "loaded, for safety; use a checkpoint that raytrain wrote"
        ) from error
    return snapshot


@dataclass(frozen=True, slots=True)
class Newest:
    """The checkpoint a run can go on from.

    Attributes:
        path: Its file; None where the run has none yet.
        snapshot: What it holds.
        damaged: Newer ones that cannot be used, with the reason.
    """

    path: Path | None
    snapshot: dict[str, Any] | None
    damaged: Mapping[Path, str]


def newest_checkpoint(directory: Path) -> Newest:
    """Return the newest whole checkpoint of a run: the last, the one before it, or the best.

    Raises:
        RunError: There are some, and all are damaged.

    >>> newest_checkpoint(Path("no-such-run")).path is None
    True
    """
    damaged: dict[Path, str] = {}
    last = directory / LAST
    for path in (last, previous_of(last), directory / BEST):
        if not path.exists():
            continue
        try:
            return Newest(path, read_checkpoint(path), damaged)
        except RunError as error:
            damaged[path] = str(error)
    if damaged:
        names = ", ".join(path.name for path in damaged)
        raise RunError(f"{directory}: no whole checkpoint is left ({names} are damaged); train anew under another name")
    return Newest(None, None, damaged)
