"""What knowledge distillation compresses, on real recordings: size and latency, and the accuracy that is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from raytrain.config.build import build_training, evaluation_loader
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.comparison import ModelFigures, TeacherStudentComparison, compare_teacher_student
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.objectives.distillation import Distillation
from tests.benchmarks.comparison import Options, ratios, spread
from tests.benchmarks.data import CWRU, NO_REAL_DATA, cwru_store, real_data
from tests.benchmarks.report import Report, Skipped

__all__ = ["run"]

TITLE = "Knowledge distillation: a student beside its teacher"
SEEDS = 5
TEACHER: Mapping[str, Any] = {"model": {"name": "wdcnn", "width": 32}, "epochs": 8}
STUDENT: Mapping[str, Any] = {
    "model": {"name": "cnn1d", "width": 8, "depth": 3},
    "optimizer": {"lr": 5e-3},  # with which it learns the validation recordings (2 hp) completely in these epochs
    "epochs": 15,
}
TEMPERATURE, ALPHA = 4.0, 0.7
NAMES = ("teacher", "student alone", "student, distilled")


def run(options: Options) -> Report | Skipped:
    """Train, per seed, a teacher, a student by itself and the same student guided by the teacher."""
    folder = real_data()
    if folder is None:
        return Skipped(TITLE, NO_REAL_DATA)
    torch.set_num_threads(1)
    store = cwru_store(folder, _config(STUDENT, 0, options).windows)
    seeds = range(options.count(default=SEEDS, quick=2))
    pairs = [_compare(seed, store, options) for seed in seeds]
    alone, distilled = [one["alone"] for one in pairs], [one["distilled"] for one in pairs]
    figures = {
        "teacher": [one.teacher for one in distilled],
        "student alone": [one.student for one in alone],
        "student, distilled": [one.student for one in distilled],
    }
    return Report(
        title=TITLE,
        method=(
            f"{CWRU}, judged on 3 hp, on which nothing was selected. Windows of 2048, hop 1024. Teacher: "
            f"WDCNN of width 32, {TEACHER['epochs']} epochs; student: CNN1D of width 8 and depth 3, "
            f"rate {STUDENT['optimizer']['lr']:g}, {STUDENT['epochs']} epochs, by itself or with temperature "
            f"{TEMPERATURE:g}, alpha {ALPHA:g}; else default settings; last epoch. {len(seeds)} "
            "seeds, median (range), of quotients by seed. Latency: CPU, one thread, batches of "
            f"{distilled[0].batch_size}, median of passes that take turns. " + _gain(distilled, alone)
        ),
        columns=("", "accuracy, %", "macro-F1, %", "parameters", "kB", "ms, alone", "us, of a batch"),
        rows=[*(_row(name, figures[name]) for name in NAMES), _quotients(distilled)],
        goals=[],
        figures={"seeds": pairs},
    )


def _compare(seed: int, store: SegmentStore, options: Options) -> dict[str, TeacherStudentComparison]:
    teacher = _train(TEACHER, seed, store, options)
    students = {
        "alone": _train(STUDENT, seed, store, options),
        "distilled": _train(STUDENT, seed, store, options, teacher=teacher),
    }
    loader = evaluation_loader(_config(STUDENT, seed, options), store, ["test"])
    found = {
        name: compare_teacher_student(teacher, student, loader, device=torch.device("cpu"))
        for name, student in students.items()
    }
    options.say(
        f"seed {seed}, macro-F1: teacher {found['alone'].teacher.macro_f1:.3f}, "
        + ", ".join(f"student {name} {one.student.macro_f1:.3f}" for name, one in found.items())
    )
    return found


def _config(settings: Mapping[str, Any], seed: int, options: Options) -> TrainConfig:
    common = {"windows": {"hop": 1024}, "early_stopping": None, "device": "cpu", "seed": seed}
    return TrainConfig.model_validate({**common, **settings, **({"epochs": 1} if options.quick else {})})


def _train(
    settings: Mapping[str, Any], seed: int, store: SegmentStore, options: Options, *, teacher: nn.Module | None = None
) -> nn.Module:
    config = _config(settings, seed, options)
    seed_everything(seed)
    training = build_training(config, store, validation=None)
    if teacher is not None:  # handed over, where a run would read it from the folder of the teacher's run
        base = cast("nn.Module", training.objective)
        training = replace(training, objective=Distillation(base, teacher, temperature=TEMPERATURE, alpha=ALPHA))
    fit(training)
    return training.model


def _row(name: str, figures: Sequence[ModelFigures]) -> tuple[str, ...]:
    return (
        name,
        spread([100 * one.accuracy for one in figures]).text(1),
        spread([100 * one.macro_f1 for one in figures]).text(1),
        str(figures[0].parameters),
        f"{figures[0].state_bytes / 1e3:.1f}",
        spread([1e3 * one.single_s.median for one in figures]).text(2),
        spread([1e6 * one.batched_s.median for one in figures]).text(1),
    )


def _quotients(pairs: Sequence[TeacherStudentComparison]) -> tuple[str, ...]:
    """Return what the teacher has times as much as the distilled student."""
    return (
        "teacher / distilled",
        ratios([one.teacher.accuracy for one in pairs], [one.student.accuracy for one in pairs]).text(2),
        ratios([one.teacher.macro_f1 for one in pairs], [one.student.macro_f1 for one in pairs]).text(2),
        f"{pairs[0].parameter_ratio:.1f}",
        f"{pairs[0].size_ratio:.1f}",
        spread([one.single_ratio.median for one in pairs]).text(2),
        spread([one.batched_ratio.median for one in pairs]).text(1),
    )


def _gain(distilled: Sequence[TeacherStudentComparison], alone: Sequence[TeacherStudentComparison]) -> str:
    """Return in words what distillation adds to the student, seed by seed."""
    gains = [100 * (one.student.macro_f1 - other.student.macro_f1) for one, other in zip(distilled, alone, strict=True)]
    agreement = spread([100 * one.agreement for one in distilled])
    return (
        f"Distillation changes the student's macro-F1 by {spread(gains).text(1)} points, more than without in "
        f"{sum(gain > 0 for gain in gains)} of {len(gains)}; it agrees with its teacher on {agreement.text(1)} % of "
        "windows."
    )
