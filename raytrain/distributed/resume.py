"""Where an interrupted run goes on: in its own folder, as it began, from its newest whole checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from raytrain.config.load import load_yaml, validate
from raytrain.config.schema import TrainConfig
from raytrain.engine.checkpoint import Newest, newest_checkpoint
from raytrain.errors import ConfigError, DataError

__all__ = ["changed_fields", "check_data", "check_unchanged", "is_finished", "run_config", "where_it_stands"]


def run_config(directory: Path) -> TrainConfig:
    """Return the configuration that a run began with.

    Raises:
        ConfigError: The folder is not that of a training run.
    """
    missing = [name for name in ("config.yaml", "manifest.json") if not (directory / name).is_file()]
    if missing:
        raise ConfigError(
            f"--resume {directory}: no training run began there, for it has no {' and no '.join(missing)}; name the "
            "folder that `raytrain train` told, such as runs/wdcnn-20250101-120000"
        )
    path = directory / "config.yaml"
    return validate(TrainConfig, load_yaml(path), where=str(path))


def check_unchanged(config: TrainConfig, directory: Path) -> None:
    """Refuse to go on with another configuration than the run began with.

    Raises:
        ConfigError: Fields differ; each is named, with both values.
    """
    changes = changed_fields(run_config(directory).model_dump(mode="json"), config.model_dump(mode="json"))
    if changes:
        told = "; ".join(changes.values())
        raise ConfigError(
            f"--resume {directory}: a run goes on as it began, and it began with {told}; leave the change out, or "
            f"start a new run of {directory / 'config.yaml'}"
        )


def changed_fields(began: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return the dotted fields in which two configurations differ, each with both values in words.

    >>> changed_fields({"model": {"name": "wdcnn"}, "epochs": 2}, {"model": {"name": "wdcnn"}, "epochs": 3})
    {'epochs': 'epochs 2, not 3'}
    """
    old, new = dict(_flat(began)), dict(_flat(wanted))
    fields = [field for field in [*old, *sorted(new.keys() - old.keys())] if old.get(field) != new.get(field)]
    return {field: f"{field} {_shown(old, field)}, not {_shown(new, field)}" for field in fields}


def check_data(directory: Path, sha256: str) -> None:
    """Refuse to go on with other recordings than the run began with.

    Raises:
        DataError: They differ.
    """
    began = json.loads((directory / "manifest.json").read_text("utf-8"))["data"]["sha256"]
    if began != sha256:
        raise DataError(
            f"--resume {directory}: the recordings are not those the run began with (SHA-256 {sha256[:12]}..., then "
            f"{began[:12]}...); bring those back, or start a new run"
        )


def is_finished(snapshot: Mapping[str, Any], config: TrainConfig) -> bool:
    """Return whether a run has no epoch left, or was stopped and has ended the epoch it was stopped in."""
    if snapshot["batch"]:
        return False
    return snapshot["stop_reason"] is not None or bool(snapshot["epoch"] >= config.epochs)


def where_it_stands(directory: Path, config: TrainConfig, console: Console) -> Newest:
    """Return a run's newest whole checkpoint, and tell where the run goes on; damaged ones are put aside and named.

    Raises:
        RunError: All checkpoints are damaged.
    """
    for partial in directory.rglob(".*.partial"):  # of the process that was killed
        partial.unlink()
    newest = newest_checkpoint(directory)
    for path, reason in newest.damaged.items():
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        console.print(f"{reason.partition(';')[0]}; it is kept as {aside.name}", style="yellow", highlight=False)
    console.print(_told(newest, config), highlight=False, markup=False)
    return newest


def _told(newest: Newest, config: TrainConfig) -> str:
    snapshot = newest.snapshot
    if newest.path is None or snapshot is None:
        return "the run has no checkpoint yet; it goes on from its start"
    if is_finished(snapshot, config):
        reason = snapshot["stop_reason"] or f"all {config.epochs} epochs are done"
        return f"the run is finished ({reason}); it is judged again"
    batches = f", batch {snapshot['batch']} of epoch {snapshot['epoch'] + 1}" if snapshot["batch"] else ""
    return f"going on from {newest.path.name}: after epoch {snapshot['epoch']}{batches}"


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _shown(settings: Mapping[str, Any], field: str) -> str:
    return json.dumps(settings[field]) if field in settings else "unset"
