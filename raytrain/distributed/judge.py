"""How good a trained model is on each part, and the winner trained once more on all but the test part."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from raytrain.config.build import build_training, evaluation_loader, further_callbacks
from raytrain.config.schema import TrainConfig
from raytrain.data.segments import PartName
from raytrain.data.store import SegmentStore
from raytrain.engine.checkpoint import evaluated_weights
from raytrain.engine.evaluate import evaluate
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.metrics.tracker import MetricsTracker
from raytrain.types import Callback, FitState, Progress

__all__ = ["Judgement", "judge", "refit"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a trained model does on one part.

    Attributes:
        metrics: By key, e.g. `test/macro_f1`.
        recall: Recall per class, NaN for a class without windows.
        confusion: Windows by true class and prediction, `[K][K]`.
        recording_confusion: Recordings by true class and vote, `[K][K]`.
    """

    metrics: dict[str, float]
    recall: list[float]
    confusion: list[list[int]]
    recording_confusion: list[list[int]]


def judge(
    config: TrainConfig, *, store: SegmentStore, snapshot: dict[str, Any], parts: Sequence[PartName]
) -> dict[str, Judgement]:
    """Evaluate a run's checkpoint on each of `parts`, with the settings it was trained with."""
    training = _seeded(config, store, train=("train",))
    training.model.load_state_dict(evaluated_weights(snapshot))
    return {part: _judged(config, store, training, part) for part in parts}


def refit(
    config: TrainConfig, *, store: SegmentStore, epochs: int, directory: Path
) -> tuple[dict[str, Any], Judgement]:
    """Train on training and validation parts together for `epochs` epochs of the planned schedule, and test that.

    There is no validation part left to stop early by, so the number of epochs is that of the best checkpoint. What the
    configuration's callbacks write goes into `directory`.

    Returns:
        The run's snapshot and its judgement on the test part.
    """
    callbacks = [_StopAfter(epochs), *further_callbacks(config, directory)]
    training = _seeded(config, store, train=("train", "validation"), callbacks=callbacks)
    snapshot = copy.deepcopy(fit(training).snapshot())
    training.model.load_state_dict(evaluated_weights(snapshot))
    return snapshot, _judged(config, store, training, "test")


class _StopAfter(Callback):
    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_epoch_end(self, state: FitState) -> None:
        if state.progress.epoch + 1 >= self._epochs:
            state.stop_reason = f"planned to end after {self._epochs} epochs"


def _seeded(
    config: TrainConfig, store: SegmentStore, *, train: Sequence[PartName], callbacks: Sequence[Callback] = ()
) -> Training:
    torch.set_num_threads(config.threads)
    seed_everything(config.seed)
    return build_training(config, store, train=train, validation=None, callbacks=callbacks)


def _judged(config: TrainConfig, store: SegmentStore, training: Training, part: PartName) -> Judgement:
    tracker = evaluate(
        training.model,
        evaluation_loader(config, store, [part]),
        objective=training.objective,
        tracker=MetricsTracker(training.num_classes, training.num_recordings, device=training.device),
        precision=training.precision,
        device=training.device,
        progress=Progress(epoch=0, step=0, fraction=1.0),
        transforms=training.transforms,
    )
    return Judgement(
        metrics=tracker.compute("val" if part == "validation" else part),
        recall=[float(value) for value in tracker.per_class().recall],
        confusion=tracker.confusion.tolist(),
        recording_confusion=tracker.recording_confusion.tolist(),
    )
