from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from raytrain.config.build import build_training, further_callbacks, stopping_callbacks
from raytrain.config.load import validate
from raytrain.config.schema import TrainConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.store import SegmentStore
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.fit import Run
from raytrain.engine.seeding import seed_everything
from raytrain.errors import ConfigError
from raytrain.tuning.lineage import Segment, continued, go_on, read_schedule, replay_schedule, train, write_schedule

FIXED: dict[str, Any] = {
    "data": {"source": "rolling", "options": {"recordings_per_class": 5, "duration_s": 0.25}},
    "windows": {"length": 256},
    "model": {"name": "cnn1d", "depth": 2, "width": 4, "dropout": 0.2},
    "augmentation": {"name": "gaussian_noise"},
    "callbacks": {"ema": {"decay": 0.5}},
    "early_stopping": None,
    "epochs": 5,
    "batch_size": 32,
}


def config(**changes: Any) -> TrainConfig:  # noqa: ANN401 - any setting
    return validate(TrainConfig, {**FIXED, **changes}, where="test")


FIRST = config(optimizer={"name": "adamw", "lr": 0.01, "weight_decay": 0.01})
SECOND = config(optimizer={"name": "adamw", "lr": 0.013, "weight_decay": 0.02}, batch_size=16)
THIRD = config(optimizer={"name": "adamw", "lr": 0.009, "weight_decay": 0.02}, batch_size=24)


@pytest.fixture(scope="module")
def store() -> SegmentStore:
    recordings, split = read_and_split(FIRST.data)
    return prepare(recordings, split, FIRST.windows, target=FIRST.data.target)


def run_of(config: TrainConfig, store: SegmentStore, directory: Path, snapshot: Mapping[str, Any] | None) -> Run:
    """Begin a run as a trial's worker does."""
    seed_everything(config.seed)
    callbacks = [*stopping_callbacks(config), *further_callbacks(config, directory)]
    training = build_training(config, store, callbacks=callbacks)
    if snapshot is None:
        return Run(training)
    before = Segment(0, 0, snapshot["lineage"][-1]["config"]).train_config()
    return Run(training, resume=go_on(snapshot["run"], training, before=before, after=config))


def epochs_of(
    number: int,
    config: TrainConfig,
    store: SegmentStore,
    directory: Path,
    *,
    epochs: int,
    donor: Path | None = None,
) -> list[dict[str, float]]:
    """Train a trial, or what it copies from `donor`, and leave its checkpoint; return its epochs' metrics."""
    snapshot = None if donor is None else read_checkpoint(donor / "last.pt")
    done = 0 if snapshot is None else snapshot["run"]["epoch"]
    lineage = continued([] if snapshot is None else snapshot["lineage"], epoch=done, trial=number, config=config)
    run = run_of(config, store, directory, snapshot)
    for _ in range(epochs):
        run.advance()
    write_checkpoint(directory / "last.pt", {"run": run.snapshot(), "lineage": lineage})
    run.close()
    return [dict(row) for row in run.state.history]


def test_a_schedule_trains_again_what_a_population_has_trained(store: SegmentStore, tmp_path: Path) -> None:
    """The weights of trial 3 are trial 1's for two epochs, then trial 2's for one, then its own: bit for bit."""
    folders = {number: tmp_path / str(number) for number in (1, 2, 3)}
    epochs_of(1, FIRST, store, folders[1], epochs=2)
    epochs_of(2, SECOND, store, folders[2], epochs=1, donor=folders[1])
    epochs_of(1, FIRST, store, folders[1], epochs=1, donor=folders[1])  # the donor goes on, which is nothing to a copy
    history = epochs_of(3, THIRD, store, folders[3], epochs=2, donor=folders[2])

    checkpoint = read_checkpoint(folders[3] / "last.pt")
    path = tmp_path / "pbt_schedule.yaml"
    value = history[-1]["val/macro_f1"]
    write_schedule(path, checkpoint["lineage"], epochs=5, metric="val/macro_f1", value=value)
    segments, epochs = read_schedule(path)
    assert [(one.epoch, one.trial) for one in segments] == [(0, 1), (2, 2), (3, 3)]
    assert [one.train_config() for one in segments] == [FIRST, SECOND, THIRD]
    assert epochs == 5

    state = replay_schedule(path, directory=tmp_path / "again", store=store)
    assert state.history == history
    weights = state.model.state_dict()
    assert all(torch.equal(weights[name], kept) for name, kept in checkpoint["run"]["model"].items())
    assert state.averaged_model is not None
    averaged = state.averaged_model.state_dict()
    assert all(torch.equal(averaged[name], kept) for name, kept in checkpoint["run"]["averaged_model"].items())


def test_each_segment_has_a_part_in_it(store: SegmentStore, tmp_path: Path) -> None:
    """Left out, or begun elsewhere, a segment leads to other weights: so agreement above means something."""

    def weights(*segments: tuple[int, TrainConfig]) -> torch.Tensor:
        def build(config: TrainConfig) -> Any:  # noqa: ANN401 - a Training
            seed_everything(config.seed)
            return build_training(config, store)

        made = [Segment(epoch, 1, config.given) for epoch, config in segments]
        state = train(made, epochs=3, build=build)
        assert state.progress.epoch == 3
        return torch.cat([one.flatten() for one in state.model.parameters()]).detach().clone()

    whole = weights((0, FIRST), (1, SECOND), (2, THIRD))
    assert torch.equal(whole, weights((0, FIRST), (1, SECOND), (2, THIRD)))
    for others in (((0, FIRST), (1, SECOND)), ((0, FIRST), (1, THIRD)), ((0, FIRST), (2, THIRD)), ((0, THIRD),)):
        assert not torch.equal(whole, weights(*others))


def test_a_trial_that_is_paused_and_goes_on_adds_no_segment(store: SegmentStore, tmp_path: Path) -> None:
    whole = epochs_of(1, FIRST, store, tmp_path / "whole", epochs=3)
    epochs_of(1, FIRST, store, tmp_path / "paused", epochs=1)
    assert epochs_of(1, FIRST, store, tmp_path / "paused", epochs=2, donor=tmp_path / "paused") == whole
    assert len(read_checkpoint(tmp_path / "paused" / "last.pt")["lineage"]) == 1


def test_what_comes_after_the_exported_epoch_is_left_out(tmp_path: Path) -> None:
    lineage = continued([], epoch=0, trial=4, config=FIRST)
    lineage = continued(lineage, epoch=2, trial=7, config=SECOND)
    path = tmp_path / "schedule.yaml"
    write_schedule(path, lineage, epochs=2, metric="val/loss", value=0.5)
    segments, epochs = read_schedule(path)
    assert [(one.epoch, one.trial) for one in segments] == [(0, 4)]
    assert epochs == 2


def test_a_lineage_is_not_changed_by_what_goes_on_from_it() -> None:
    first = continued([], epoch=0, trial=1, config=FIRST)
    before = copy.deepcopy(first)
    copied = continued(first, epoch=2, trial=2, config=FIRST)  # another trial, by the same settings
    assert first == before
    assert [one["trial"] for one in copied] == [1, 2]


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda content: {key: value for key, value in content.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("segments"), "is no schedule of a population"),
        (_without("epochs"), "is no schedule of a population"),
        (lambda content: content | {"segments": content["segments"][1:]}, "must begin at epoch 0"),
        (lambda content: content | {"segments": content["segments"][::-1]}, "rise"),
        (lambda content: content | {"segments": []}, "must begin at epoch 0"),
        (lambda content: content | {"epochs": 2}, "end below epochs=2"),
        (
            lambda content: content | {"segments": [{"epoch": 0, "trial": 1, "config": {"optimizer": {"lrr": 1}}}]},
            "has no such setting",
        ),
    ],
)
def test_a_file_that_is_no_schedule_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    import yaml

    lineage = continued(continued([], epoch=0, trial=1, config=FIRST), epoch=2, trial=2, config=SECOND)
    path = tmp_path / "schedule.yaml"
    write_schedule(path, lineage, epochs=4, metric="val/loss", value=0.5)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(change(content)), encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_schedule(path)
