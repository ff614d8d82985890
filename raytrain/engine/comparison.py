"""What a student is worth beside its teacher: accuracy, size, speed, and how often they agree."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from operator import truediv
from statistics import quantiles
from time import perf_counter

import torch
from torch import Tensor, nn

from raytrain.data.adapter import AnyLoader, BatchAdapter
from raytrain.engine.precision import choose_device
from raytrain.engine.transforms import epoch_generator, transformed
from raytrain.errors import ConfigError
from raytrain.metrics.tracker import MetricsTracker
from raytrain.types import FINAL, Batch, BatchTransform

__all__ = ["ModelFigures", "Spread", "TeacherStudentComparison", "compare_teacher_student"]

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds measured.

    Attributes:
        median: Half of the rounds were below.
        low: A quarter of the rounds was below.
        high: A quarter of the rounds was above.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What one model achieves and costs.

    Attributes:
        accuracy: Share of windows it classifies rightly.
        macro_f1: Mean over classes of F1.
        parameters: Numbers it learned.
        state_bytes: Size of all its numbers, statistics of norms included.
        single_s: Seconds for a window alone, on the CPU.
        batched_s: Seconds per window of a batch, on the CPU.
    """

    accuracy: float
    macro_f1: float
    parameters: int
    state_bytes: int
    single_s: Spread
    batched_s: Spread


@dataclass(frozen=True, slots=True)
class TeacherStudentComparison:
    """A teacher and its student on the same windows.

    Attributes:
        teacher: Figures of the teacher.
        student: Figures of the student.
        agreement: Share of windows for which both predict the same class.
        single_ratio: The teacher's time over the student's in the same round, for a window alone.
        batched_ratio: The same for a batch.
        windows: Windows judged.
        batch_size: Windows of the batch.
        threads: CPU threads that latencies were measured with.
    """

    teacher: ModelFigures
    student: ModelFigures
    agreement: float
    single_ratio: Spread
    batched_ratio: Spread
    windows: int
    batch_size: int
    threads: int

    @property
    def parameter_ratio(self) -> float:
        """The teacher's parameters over the student's."""
        return self.teacher.parameters / self.student.parameters

    @property
    def size_ratio(self) -> float:
        """The teacher's bytes over the student's."""
        return self.teacher.state_bytes / self.student.state_bytes


def compare_teacher_student(
    teacher: nn.Module,
    student: nn.Module,
    loader: AnyLoader,
    *,
    transforms: Sequence[BatchTransform] = (),
    device: torch.device | None = None,
    rounds: int = 21,
) -> TeacherStudentComparison:
    """Compare two models on the same windows, as at the end of training.

    Copies of the models are judged on `device` and timed on the CPU with as many threads as torch has there; each round
    times both once, in turns, so that a busy machine slows both. The models themselves are left as they are.

    Source: of what to compare, Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network" (2015).

    >>> batches = [(torch.eye(4)[:, None], torch.tensor([0, 0, 1, 1]))]
    >>> teacher = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Linear(6, 2))
    >>> student = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> compared = compare_teacher_student(teacher, student, batches)
    >>> compared.teacher.parameters, compared.student.parameters, compared.parameter_ratio
    (44, 10, 4.4)

    Args:
        teacher: Its scores are `[B, K]`.
        student: Its scores are `[B, K]`, in the same order of classes.
        loader: Batches to judge and time by; pairs, mappings or `raytrain.types.Batch`.
        transforms: What batches go through before both models; those that do not run in evaluation are left out.
        device: Where predictions are made; the GPU where there is one when absent.
        rounds: Times each latency is measured, at least 3.

    Raises:
        ConfigError: There are too few rounds, no batches, or the models tell different numbers of classes apart.
    """
    if rounds < 3:
        raise ConfigError(f"rounds must be at least 3, got {rounds}")
    device = choose_device("auto") if device is None else device
    models = [copy.deepcopy(model).to(device).eval() for model in (teacher, student)]
    applied = [transform for transform in transforms if transform.in_evaluation]
    first, trackers, agreed, windows = _judge(models, loader, applied, device=device)
    models = [model.to(_CPU) for model in models]
    single, batched = (_times(models, batch, rounds=rounds) for batch in (_rows(first, 1), first))
    figures = [
        _figures(model, tracker, single_s=_spread(alone), batched_s=_spread(among))
        for model, tracker, alone, among in zip(models, trackers, single, batched, strict=True)
    ]
    return TeacherStudentComparison(
        teacher=figures[0],
        student=figures[1],
        agreement=agreed / windows,
        single_ratio=_spread(list(map(truediv, *single))),
        batched_ratio=_spread(list(map(truediv, *batched))),
        windows=windows,
        batch_size=len(first),
        threads=torch.get_num_threads(),
    )


@torch.inference_mode()
def _judge(
    models: Sequence[nn.Module], loader: AnyLoader, transforms: Sequence[BatchTransform], *, device: torch.device
) -> tuple[Batch, list[MetricsTracker], int, int]:
    """Return the first batch on the CPU, the models' metrics, and of how many windows they say the same."""
    generator = epoch_generator(0, epoch=0, device=device)
    first: Batch | None = None
    trackers: list[MetricsTracker] = []
    agreed = windows = 0
    for batch in BatchAdapter(loader):
        seen = transformed(batch.to(device), transforms, FINAL, generator)
        scores: list[Tensor] = [model(seen.inputs) for model in models]
        if scores[0].shape != scores[1].shape:
            raise ConfigError(
                f"the teacher tells {scores[0].shape[-1]} classes apart and the student {scores[1].shape[-1]}; "
                "compare models of the same classes"
            )
        if first is None:
            first = seen.to(_CPU)
            trackers = [MetricsTracker(scores[0].shape[-1], device=device) for _ in models]
        for tracker, one in zip(trackers, scores, strict=True):
            tracker.update(one, seen.targets)
        agreed += int((scores[0].argmax(dim=-1) == scores[1].argmax(dim=-1)).sum())
        windows += len(seen)
    if first is None:
        raise ConfigError("the loader has no batches; use a smaller batch size or drop_last=False")
    return first, trackers, agreed, windows


def _rows(batch: Batch, count: int) -> Batch:
    inputs = batch.inputs
    few = inputs[:count] if isinstance(inputs, Tensor) else {name: view[:count] for name, view in inputs.items()}
    return Batch(few, batch.targets[:count])


@torch.inference_mode()
def _times(models: Sequence[nn.Module], batch: Batch, *, rounds: int) -> list[list[float]]:
    """Return the seconds each model takes per window of `batch` in each round, after one round that warms up."""
    times: list[list[float]] = [[] for _ in models]
    for turn in range(rounds + 1):
        for index, model in enumerate(models):
            start = perf_counter()
            model(batch.inputs)
            if turn:
                times[index].append((perf_counter() - start) / len(batch))
    return times


def _spread(values: Sequence[float]) -> Spread:
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return Spread(median=middle, low=low, high=high)


def _figures(model: nn.Module, tracker: MetricsTracker, *, single_s: Spread, batched_s: Spread) -> ModelFigures:
    metrics = tracker.compute()
    return ModelFigures(
        accuracy=metrics["accuracy"],
        macro_f1=metrics["macro_f1"],
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        state_bytes=sum(value.nbytes for value in model.state_dict().values() if isinstance(value, Tensor)),
        single_s=single_s,
        batched_s=batched_s,
    )
