"""How a sweep goes on in its own folder: as it began, with the trials it has, and with what another one learned."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytrain.config.load import apply_overrides, dump_settings, load_yaml, validate
from raytrain.config.paradigms import plain
from raytrain.config.space import SpaceConfig
from raytrain.distributed.resume import changed_fields
from raytrain.engine.checkpoint import write_atomically
from raytrain.errors import ConfigError

__all__ = ["SPACE_FILE", "Continuation", "begun_settings", "begun_space", "continued", "save_space"]

SPACE_FILE = "space.yaml"
_MAY_CHANGE = (
    "search.time_budget_s",
    "search.retries",
    "search.checkpoint_s",
    "resources",
    "baselines",
    "confirm",
    "refit",
)
"""What a sweep may go on with another value of: its trials are the same trials with it."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """A sweep that goes on.

    Attributes:
        directory: Its folder.
        extend: Trials to run beyond those it was planned with.
        force: Go on although settings or recordings changed; what changed is recorded in the manifest.
    """

    directory: Path
    extend: int = 0
    force: bool = False


def save_space(directory: Path, space: SpaceConfig) -> None:
    """Write what a sweep searches as it was given; a folder that has it can be gone on with."""
    write_atomically(directory / SPACE_FILE, dump_settings(plain(space)).encode())


def begun_settings(directory: Path) -> dict[str, Any]:
    """Return the settings that a sweep began with.

    Raises:
        ConfigError: The folder is not that of a sweep.
    """
    missing = [name for name in (SPACE_FILE, "manifest.json") if not (directory / name).is_file()]
    if missing:
        raise ConfigError(
            f"--resume {directory}: no sweep began there, for it has no {' and no '.join(missing)}; name the folder "
            "that `raytrain tune` told, such as runs/quick-20260101-120000"
        )
    return load_yaml(directory / SPACE_FILE)


def begun_space(directory: Path) -> SpaceConfig:
    """Return the sweep as it began, or as it was last extended.

    Raises:
        ConfigError: The folder is not that of a sweep, or of one that this version does not read.
    """
    return validate(SpaceConfig, begun_settings(directory), where=str(directory / SPACE_FILE))


def continued(space: SpaceConfig, how: Continuation) -> tuple[SpaceConfig, list[str]]:
    """Return the sweep that goes on, with its trials extended, and what was changed by force.

    Args:
        space: What is wanted now.
        how: Of which sweep.

    Raises:
        ConfigError: It differs from what the sweep began with; each field is named, with both values.
    """
    began = begun_space(how.directory)
    old, new = (one.model_dump(mode="json") for one in (began, space))
    changes = changed_fields(old, new)
    told = [text for field, text in changes.items() if field != "search.trials" and not field.startswith(_MAY_CHANGE)]
    if told and not how.force:
        raise ConfigError(
            f"--resume {how.directory}: a sweep goes on as it began, and it began with {'; '.join(told)}; leave the "
            "change out, start a new sweep with --warm-start-from, or use --force, which the manifest then tells"
        )
    settings = apply_overrides(plain(space), {"search.trials": began.search.trials + how.extend})
    return validate(SpaceConfig, settings, where=str(how.directory / SPACE_FILE)), told


def changed_data(directory: Path, sha256: str) -> str | None:
    """Return how the recordings differ from those that a sweep began with; None where they do not."""
    began = json.loads((directory / "manifest.json").read_text("utf-8"))["data"]["sha256"]
    return None if began == sha256 else f"recordings of SHA-256 {began[:12]}..., not {sha256[:12]}..."
