"""What a sweep was asked for, as its manifest tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raytrain.errors import RunError
from raytrain.tuning.records import TrialRecord

__all__ = ["Asked", "read_asked"]

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sweep was asked for; all of it empty where the run keeps no manifest.

    Attributes:
        manifest: The whole manifest.
        parameters: What varied: dotted parameter -> its distribution, as in YAML.
        objectives: What it should be good at beside its metric.
        epochs: Epochs of a full trial, where no parameter says otherwise; None when not known.
    """

    manifest: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    epochs: int | None = None

    def epochs_of(self, record: TrialRecord) -> int | None:
        """Return how many epochs a trial would have run by itself, None when not known."""
        planned = record.point.get("epochs", self.epochs)
        return None if planned is None else int(planned)


def read_asked(directory: Path) -> Asked:
    """Read the manifest of a sweep, of whatever version of raytrain: no more is taken from it than is shown.

    Raises:
        RunError: It is damaged.
    """
    path = directory / MANIFEST_FILE
    if not path.is_file():
        return Asked()
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        config = manifest["config"]
        return Asked(
            manifest=manifest,
            parameters=dict(config["parameters"]),
            objectives=tuple(config["search"].get("objectives", ())),
            epochs=int(config["fixed"]["epochs"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path}: is not the manifest of a sweep, or is damaged ({type(error).__name__}: {error}); "
            "move it away to see the run without it"
        ) from error
