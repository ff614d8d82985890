"""The trained network that a run learns from, found in the folder of an earlier run or sweep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from raytrain.config.combinations import create_network
from raytrain.config.load import load_yaml, validate
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.checkpoint import evaluated_weights, read_checkpoint
from raytrain.errors import ConfigError
from raytrain.models.build import MODELS

__all__ = ["TeacherRun", "find_teacher", "load_teacher"]

_FIELD = "distillation.teacher"
_ALIKE = ("input", "envelope_band_hz", "sample_rate_hz", "normalize")


@dataclass(frozen=True, slots=True)
class TeacherRun:
    """A finished run whose model teaches.

    Attributes:
        directory: Its folder.
        config: Its configuration.
        checkpoint: The file of its best epoch.
    """

    directory: Path
    config: TrainConfig
    checkpoint: Path


def find_teacher(config: TrainConfig) -> TeacherRun | None:
    """Return the run that `config` learns from, or None where it learns from none; nothing large is read.

    Raises:
        ConfigError: The folder is no finished run or sweep, or its model sees other inputs than this run's.
    """
    if config.distillation.name == "none":
        return None
    named = config.distillation.settings.get("teacher")
    if not named:
        raise ConfigError(f"{_FIELD}: name the folder of a finished run, or of a finished sweep for its best trial")
    directory = Path(named)
    folders, files = (directory, directory / "best"), ("best.pt", "checkpoint.pt")
    candidates = [directory, *(folder / file for folder in folders for file in files)]
    checkpoint = next((file for file in candidates if file.is_file()), None)
    if checkpoint is None:
        raise ConfigError(
            f"{_FIELD}: {directory} has no best.pt or best/checkpoint.pt; name the folder of a finished run or sweep, "
            "or a checkpoint in one"
        )
    file = checkpoint.parent / "config.yaml"
    taught = validate(TrainConfig, load_yaml(file), where=str(file))
    if differences := "; ".join(_differences(taught, config)):
        raise ConfigError(f"{_FIELD}: the model of {directory} cannot teach this one: {differences}")
    return TeacherRun(directory, taught, checkpoint)


def _differences(taught: TrainConfig, config: TrainConfig) -> list[str]:
    """Return why the teacher could not judge the inputs that the student sees."""
    found = [
        f"it saw windows.{field} {theirs}, and this run has {ours}"
        for field in _ALIKE
        if (theirs := getattr(taught.windows, field)) != (ours := getattr(config.windows, field))
    ]
    if taught.tfr != config.tfr:
        found.append(f"it saw tfr '{taught.tfr.name}', and this run has '{config.tfr.name}' or other settings of it")
    theirs, ours = MODELS[taught.model.name].input_domain, MODELS[config.model.name].input_domain
    if theirs != ours:
        found.append(f"'{taught.model.name}' takes {theirs}, and '{config.model.name}' {ours}")
    lengths_vary = config.resize.name != "none" or taught.windows.length != config.windows.length
    if lengths_vary and not MODELS[taught.model.name].any_length:
        found.append(f"'{taught.model.name}' takes only windows of {taught.windows.length} samples, as in its training")
    return found


def load_teacher(config: TrainConfig, store: SegmentStore) -> nn.Module | None:
    """Return the trained model that `config` learns from, or None where it learns from none.

    Raises:
        ConfigError: `find_teacher` refuses it, or it was trained for other channels or classes.
        RunError: Its checkpoint is damaged.
    """
    run = find_teacher(config)
    if run is None:
        return None
    channels, classes = len(store.channels), len(store.classes)
    teacher = create_network(run.config, in_channels=channels, num_classes=classes)
    try:
        teacher.load_state_dict(evaluated_weights(read_checkpoint(run.checkpoint)))
    except RuntimeError as error:
        raise ConfigError(
            f"{_FIELD}: the model of {run.directory} does not fit {channels} channels and {classes} classes; use a "
            "teacher of the same channels and classes"
        ) from error
    return teacher
