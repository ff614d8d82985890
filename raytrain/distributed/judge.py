"""How good a trained model is on each part, and the winner trained once more on all but the test part."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from raytrain.config.build import build_training, evaluation_loader, further_callbacks
from raytrain.config.schema import TrainConfig
from raytrain.config.teacher import load_teacher
from raytrain.data.segments import PartName
from raytrain.data.store import SegmentStore
from raytrain.engine.checkpoint import evaluated_weights
from raytrain.engine.comparison import TeacherStudentComparison, compare_teacher_student
from raytrain.engine.evaluate import evaluate
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.metrics.reported import reported_metrics
from raytrain.metrics.voting import RecordingVote
from raytrain.optim.schedule import Schedule
from raytrain.types import Callback, FitState

__all__ = ["Judgement", "RecordingJudgement", "compare_with_teacher", "judge", "refit"]


@dataclass(frozen=True, slots=True)
class RecordingJudgement:
    """How a trained model does on one recording.

    Attributes:
        recording: Its id.
        truth: Its class.
        voted: The class most of its windows were given.
        windows: How many windows it has.
        right: Share of its windows that were given the true class, 0 to 1.
        probability: Mean probability of the voted class over its windows, 0 to 1.
    """

    recording: str
    truth: str
    voted: str
    windows: int
    right: float
    probability: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a trained model does on one part.

    Attributes:
        metrics: By key, e.g. `test/macro_f1`.
        recall: Recall per class, NaN for a class without windows.
        confusion: Windows by true class and prediction, `[K][K]`.
        recording_confusion: Recordings by true class and vote, `[K][K]`.
        recordings: Each recording of the part; empty in results of versions that did not keep them.
    """

    metrics: dict[str, float]
    recall: list[float]
    confusion: list[list[int]]
    recording_confusion: list[list[int]]
    recordings: list[RecordingJudgement] = field(default_factory=list)


def judge(
    config: TrainConfig, *, store: SegmentStore, snapshot: dict[str, Any], parts: Sequence[PartName]
) -> dict[str, Judgement]:
    """Evaluate a run's checkpoint on each of `parts`, with the settings it was trained with."""
    training = _seeded(config, store, train=("train",))
    _load(training, snapshot)
    return {part: _judged(config, store, training, part) for part in parts}


def compare_with_teacher(
    config: TrainConfig, *, store: SegmentStore, snapshot: dict[str, Any]
) -> TeacherStudentComparison | None:
    """Compare a run's checkpoint with the teacher it learned from, on the test part; None where it had none."""
    teacher = load_teacher(config, store)
    if teacher is None:
        return None
    training = _seeded(config, store, train=("train",))
    _load(training, snapshot)
    return compare_teacher_student(
        teacher,
        training.model,
        evaluation_loader(config, store, ["test"]),
        transforms=training.transforms,
        device=training.device,
    )


def refit(
    config: TrainConfig, *, store: SegmentStore, history: Sequence[Mapping[str, float]], directory: Path
) -> tuple[dict[str, Any], Judgement]:
    """Train on training and validation parts together for as many epochs as `history` has, and test that.

    There is no validation part left to watch. So the number of epochs is that of the best checkpoint, whose history is
    given; a schedule that watched validation repeats the learning rates it had then; and callbacks that watch it are
    left out. What the others write goes into `directory`.

    Returns:
        The run's snapshot and its judgement on the test part.
    """
    blind = [one for one in further_callbacks(config, directory) if not _watches_validation(one)]
    training = _seeded(config, store, train=("train", "validation"), callbacks=[_StopAfter(len(history)), *blind])
    if training.schedule is not None and _watches_validation(training.schedule):
        training = dataclasses.replace(training, schedule=_repeated(training.optimizer, history))
    snapshot = copy.deepcopy(fit(training).snapshot())
    _load(training, snapshot)
    return snapshot, _judged(config, store, training, "test")


def _watches_validation(part: object) -> bool:
    return str(getattr(part, "monitor", None)).startswith("val")


def _repeated(optimizer: torch.optim.Optimizer, history: Sequence[Mapping[str, float]]) -> Schedule:
    """Return a schedule with the learning rates of an earlier run's epochs."""
    rates = [row["train/lr"] for row in history]
    for group in optimizer.param_groups:  # what the schedule that is replaced may have set at its creation
        group["lr"] = group["initial_lr"] = rates[0]
    return Schedule(LambdaLR(optimizer, lambda epoch: rates[min(epoch, len(rates) - 1)] / rates[0]), "epoch")


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


def _load(training: Training, snapshot: Mapping[str, Any]) -> None:
    training.model.load_state_dict(evaluated_weights(snapshot))
    if isinstance(training.objective, nn.Module):
        training.objective.load_state_dict(snapshot["objective"])


def _judged(config: TrainConfig, store: SegmentStore, training: Training, part: PartName) -> Judgement:
    tracker = evaluate(
        training.model,
        evaluation_loader(config, store, [part]),
        objective=training.objective,
        tracker=reported_metrics(training.num_classes, training.num_recordings, device=training.device),
        precision=training.precision,
        device=training.device,
        transforms=training.transforms,
    )
    return Judgement(
        metrics=tracker.compute("val" if part == "validation" else part),
        recall=[float(value) for value in tracker.per_class().recall],
        confusion=tracker.confusion.tolist(),
        recording_confusion=tracker.recording_confusion.tolist(),
        recordings=[_recording(store, vote) for vote in tracker.per_recording()],
    )


def _recording(store: SegmentStore, vote: RecordingVote) -> RecordingJudgement:
    return RecordingJudgement(
        recording=store.recording_ids[vote.recording],
        truth=store.classes[vote.truth],
        voted=store.classes[vote.voted],
        windows=vote.windows,
        right=vote.right / vote.windows,
        probability=vote.probability,
    )
