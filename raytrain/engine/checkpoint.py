"""Checkpoints that are whole or absent: written beside, flushed, checksummed, then renamed into place."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from raytrain.errors import RunError

__all__ = ["evaluated_weights", "read_checkpoint", "write_atomically", "write_checkpoint"]

_DIGEST = hashlib.sha256().digest_size


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader, or a crash, sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_checkpoint(path: Path, snapshot: dict[str, Any]) -> None:
    """Write a snapshot of plain values and tensors, followed by the SHA-256 of all before it."""
    buffer = io.BytesIO()
    torch.save(snapshot, buffer)
    content = buffer.getvalue()
    write_atomically(path, content + hashlib.sha256(content).digest())


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
