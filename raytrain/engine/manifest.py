"""The manifest of a run: what it was made from and with, so that it can be made again."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import torch

from raytrain.engine.checkpoint import write_atomically

__all__ = ["finite", "record_resume", "write_json", "write_manifest"]

_PACKAGES = ("raytrain", "torch", "ray", "optuna", "hyperopt", "numpy", "scipy", "scikit-learn", "pandas")


def write_manifest(path: Path, *, command: str, config: dict[str, Any], data: dict[str, Any]) -> None:
    """Write data hash, configuration with its seeds, package and code versions, and the machine, as JSON."""
    content = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "data": data,
        "config": config,
        **_surroundings(),
    }
    write_json(path, content)


def record_resume(path: Path, *, command: str, where: Mapping[str, Any]) -> None:
    """Add to a run's manifest that it went on, where and with what, e.g. after which epoch and step."""
    content = json.loads(path.read_text("utf-8"))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    content.setdefault("resumed", []).append({"at": now, "command": command, **where, **_surroundings()})
    write_json(path, content)


def write_json(path: Path, content: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write JSON atomically, indented for people; NaN and infinity are null, as in `finite`."""
    write_atomically(path, (json.dumps(finite(content), indent=2, allow_nan=False) + "\n").encode())


def finite(content: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return `content` with None for NaN and infinity, which JSON lacks and strict readers refuse.

    >>> finite({"recall": [0.5, float("nan")], "epoch": 1})
    {'recall': [0.5, None], 'epoch': 1}
    """
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _surroundings() -> dict[str, Any]:
    """Return package and code versions, and the machine."""
    return {
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "code": _git_revision(),
        "machine": {
            "platform": platform.platform(),
            "python": platform.python_version(),
            "processor": platform.processor() or platform.machine(),
            "cpus": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        },
    }


def _git_revision() -> str | None:
    """Return the commit this code is of, with `+changes` where files differ; None outside a checkout."""
    # The package may be installed below somebody else's checkout; only one that tracks this file is raytrain's.
    if not _git("ls-files", Path(__file__).name):
        return None
    return _git("describe", "--always", "--dirty=+changes", "--abbrev=40")


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).resolve().parent), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None
