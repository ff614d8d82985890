"""Where a trial's weights come from when trials copy each other, written down and trained again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytrain.config.build import build_training, further_callbacks, stopping_callbacks
from raytrain.config.load import dump_settings, load_yaml, validate
from raytrain.config.parts import check_parts
from raytrain.config.schema import TrainConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.store import SegmentStore
from raytrain.engine.fit import Run
from raytrain.engine.rebase import rebase
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.errors import ConfigError
from raytrain.types import FitState

__all__ = [
    "SCHEDULE_FILE",
    "Segment",
    "continued",
    "go_on",
    "read_schedule",
    "replay_schedule",
    "train",
    "write_schedule",
]

SCHEDULE_FILE = "pbt_schedule.yaml"


@dataclass(frozen=True, slots=True)
class Segment:
    """Epochs in a row under the same settings.

    Attributes:
        epoch: Epochs done before it.
        trial: Number of the trial that trained it.
        config: Its settings, complete, as they were given.
    """

    epoch: int
    trial: int
    config: Mapping[str, Any]

    def train_config(self) -> TrainConfig:
        """Return its settings, checked.

        Raises:
            ConfigError: They break a rule.
        """
        config = validate(TrainConfig, self.config, where=f"the segment from epoch {self.epoch}")
        check_parts(config)
        return config


def continued(
    lineage: Sequence[Mapping[str, Any]], *, epoch: int, trial: int, config: TrainConfig
) -> list[dict[str, Any]]:
    """Return a lineage, as a checkpoint holds it, that goes on in `trial` under `config` after `epoch` epochs.

    A trial that goes on under its own settings adds nothing to it.

    >>> config = TrainConfig.model_validate({"optimizer": {"lr": 0.1}})
    >>> first = continued([], epoch=0, trial=1, config=config)
    >>> copied = continued(first, epoch=4, trial=2, config=config)
    >>> [(one["epoch"], one["trial"]) for one in continued(copied, epoch=6, trial=2, config=config)]
    [(0, 1), (4, 2)]
    """
    known = [dict(one) for one in lineage]
    added = {"epoch": epoch, "trial": trial, "config": config.given}
    if known and (known[-1]["trial"], known[-1]["config"]) == (trial, config.given):
        return known
    return [*known, added]


def go_on(
    snapshot: Mapping[str, Any], training: Training, *, before: TrainConfig, after: TrainConfig
) -> dict[str, Any]:
    """Return what a run of `training`, built for `after`, resumes from: a snapshot that was made under `before`.

    What callbacks have seen belongs to the weights and comes with them: early stopping counts from the donor's best.
    """
    if before == after:
        return dict(snapshot)
    old, new = before.optimizer.settings.get("lr"), after.optimizer.settings.get("lr")
    return rebase(snapshot, training, lr_factor=1.0 if old is None or new is None else new / old)


def write_schedule(path: Path, lineage: Sequence[Mapping[str, Any]], *, epochs: int, metric: str, value: float) -> None:
    """Write a lineage as YAML: what each of its segments was trained with, and what became of it.

    Args:
        path: The file.
        lineage: Of the checkpoint that is exported.
        epochs: Epochs it has behind it.
        metric: The sweep's metric.
        value: What it was after the last of these epochs.
    """
    segments = [one for one in lineage if one["epoch"] < epochs]
    content = {"epochs": epochs, "metric": metric, "value": value, "segments": segments}
    path.write_text(dump_settings(content), encoding="utf-8")


def read_schedule(path: Path) -> tuple[list[Segment], int]:
    """Return the segments of an exported schedule, and the epochs that it has in all.

    Raises:
        ConfigError: The file is no schedule, or a segment's settings break a rule.
    """
    content = load_yaml(path)
    try:
        segments = [Segment(int(one["epoch"]), int(one["trial"]), dict(one["config"])) for one in content["segments"]]
        epochs = int(content["epochs"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}: is no schedule of a population ({error}); expected epochs and segments of epoch, trial and config"
        ) from error
    starts = [segment.epoch for segment in segments]
    if starts[:1] != [0] or starts != sorted(set(starts)) or starts[-1] >= epochs:
        raise ConfigError(f"{path}: segments must begin at epoch 0, rise, and end below epochs={epochs}, got {starts}")
    for segment in segments:
        segment.train_config()
    return segments, epochs


def replay_schedule(
    path: Path, *, directory: Path, epochs: int | None = None, store: SegmentStore | None = None
) -> FitState:
    """Train one run through the segments of an exported schedule, on this process alone.

    The weights' whole history is in the schedule: a copy's donor up to the copy, then the copy. So with the same
    data, versions and kind of machine, and trials of one worker, this gives the same numbers, bit for bit. On another
    kind of machine, or after trials of several workers, the settings are the same and the numbers about the same.

    Args:
        path: The schedule.
        directory: Where callbacks write.
        epochs: Epochs in all; those of the schedule when absent.
        store: Prepared signals; read and prepared as the first segment says when absent.

    Returns:
        The state after the last epoch; `state.snapshot()` is its checkpoint.

    Raises:
        ConfigError: The schedule is not usable.
        DataError: The recordings are not usable.
        RunError: A loss became NaN or infinite.
    """
    segments, until = read_schedule(path)
    if store is None:
        first = segments[0].train_config()
        recordings, split = read_and_split(first.data)
        store = prepare(recordings, split, first.windows, target=first.data.target)
    return train(segments, epochs=epochs or until, build=lambda config: _built(config, store, directory))


def train(segments: Sequence[Segment], *, epochs: int, build: Callable[[TrainConfig], Training]) -> FitState:
    """Train through `segments` and return the state after `epochs`, or where a callback ended the run.

    Args:
        segments: In their order, the first from epoch 0.
        epochs: Epochs in all.
        build: Seeds the generators and returns the parts of a run.
    """
    ends = [*(segment.epoch for segment in segments[1:]), epochs]
    state: FitState | None = None
    snapshot: dict[str, Any] | None = None
    before: TrainConfig | None = None
    for segment, end in zip(segments, ends, strict=True):
        config = segment.train_config()
        training = build(config)
        if snapshot is not None and before is not None:
            snapshot = go_on(snapshot, training, before=before, after=config)
        run, before = Run(training, resume=snapshot), config
        try:
            while run.state.progress.epoch < end and not run.finished:
                run.advance()
            state, snapshot = run.state, run.snapshot()
        finally:
            run.close()
    if state is None:
        raise ConfigError("a schedule needs at least one segment")
    return state


def _built(config: TrainConfig, store: SegmentStore, directory: Path) -> Training:
    seed_everything(config.seed)
    return build_training(config, store, callbacks=[*stopping_callbacks(config), *further_callbacks(config, directory)])
