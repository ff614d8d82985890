"""Epochs and seconds until a given macro-F1 on real recordings: warm-up and progressive resizing against plain."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from raytrain.config.build import build_training
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.types import Callback, FitState
from tests.benchmarks.comparison import Options, Spread, spread
from tests.benchmarks.data import CWRU, NO_REAL_DATA, cwru_store, real_data
from tests.benchmarks.report import Report, Skipped

__all__ = ["run"]

TITLE = "Training until a given macro-F1, against plain training"
SEEDS = 7
TARGET = 0.98
EPOCHS = 30
STAGES = ((512, 4), (1024, 4), (2048, EPOCHS - 8))
PLAIN = "plain"
WARMUP = 0.1
ARMS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {"schedule": {"name": "constant"}},
    "warm-up, constant": {"schedule": {"name": "constant", "warmup_fraction": WARMUP}},
    "warm-up, cosine": {"schedule": {"name": "warmup_cosine", "warmup_fraction": WARMUP}},
    **{
        f"resizing, {method}": {"schedule": {"name": "constant"}, "resize": {"name": method, "schedule": STAGES}}
        for method in ("truncate", "interpolate")
    },
}


@dataclass(frozen=True, slots=True)
class Course:
    """A training until it reached the target, or, where it never did, until its last epoch.

    Attributes:
        reached: Whether it did.
        epochs: Epochs it took.
        wall_s: Seconds on the clock, evaluations included.
        cpu_s: Seconds of the processor.
        best: The highest macro-F1 of its epochs.
    """

    reached: bool
    epochs: int
    wall_s: float
    cpu_s: float
    best: float


def run(options: Options) -> Report | Skipped:
    """Train every arm once per seed, in turn."""
    folder = real_data()
    if folder is None:
        return Skipped(TITLE, NO_REAL_DATA)
    torch.set_num_threads(1)
    target = 0.1 if options.quick else TARGET
    store = cwru_store(folder, _config(PLAIN, 0).windows)
    seeds = range(options.count(default=SEEDS, quick=2))
    courses: dict[str, list[Course]] = {name: [] for name in ARMS}
    for seed in seeds:
        for name, measured in courses.items():
            measured.append(course := _train(_config(name, seed), store, target))
            end = f"{target:g}" if course.reached else f"never {target:g}, best {course.best:.3f}"
            options.say(f"seed {seed}, {name}: {end} in {course.epochs} epochs, {course.wall_s:.1f} s")
    return Report(
        title=TITLE,
        method=(
            f"{CWRU}, judged on 2 hp. CNN1D, batch {_config(PLAIN, 0).batch_size}, AdamW at its default rate, one "
            f"thread; windows of 2048 without overlap. Until the first epoch with a validation macro-F1 of {target:g}, "
            f"{EPOCHS} epochs at most, evaluation of each included; {len(seeds)} seeds, arms in turn, median (range), "
            f"of quotients by seed. Plain: constant rate, whole windows. Warm-up: {WARMUP:.0%} of the steps. Resizing: "
            + ", ".join(f"{length} samples for {epochs} epochs" for length, epochs in STAGES)
            + f"; it is judged on 2048. A run that never gets there counts as infinitely long. {_unreached(courses)}"
        ),
        columns=("training", "reached", "epochs", "seconds", "epochs/plain", "seconds/plain", "CPU-s/plain"),
        rows=[_row(name, measured, courses[PLAIN]) for name, measured in courses.items()],
        goals=[],
        figures={"target": target, "courses": courses},
    )


def _config(arm: str, seed: int) -> TrainConfig:
    return TrainConfig.model_validate(
        {
            "model": {"name": "cnn1d"},
            "windows": {"hop": 2048},
            "epochs": EPOCHS,
            "batch_size": 256,
            "early_stopping": None,
            "device": "cpu",
            "seed": seed,
            **ARMS[arm],
        }
    )


def _train(config: TrainConfig, store: SegmentStore, target: float) -> Course:
    seed_everything(config.seed)
    training = build_training(config, store, callbacks=[_UntilReached(target)])
    cpu, wall = time.process_time(), time.perf_counter()
    state = fit(training)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    scores = [row["val/macro_f1"] for row in state.history]
    return Course(max(scores) >= target, len(scores), wall, cpu, max(scores))


class _UntilReached(Callback):
    """Ends the run with the first epoch that reaches the target."""

    def __init__(self, target: float) -> None:
        self.target = target

    def on_epoch_end(self, state: FitState) -> None:
        if state.metrics["val/macro_f1"] >= self.target:
            state.stop_reason = "reached"


def _row(name: str, courses: Sequence[Course], plain: Sequence[Course]) -> tuple[str, ...]:
    measures: tuple[Callable[[Course], float], ...] = (
        lambda one: one.epochs,
        lambda one: one.wall_s,
        lambda one: one.cpu_s,
    )
    quotients = [_quotients(courses, plain, measure) for measure in measures]
    return (
        name,
        f"{sum(one.reached for one in courses)} of {len(courses)}",
        _text(spread([_or_never(one, measures[0]) for one in courses]), 0),
        f"{statistics.median(_or_never(one, measures[1]) for one in courses):.1f}".replace("inf", "never"),
        *("" if courses is plain else _text(one, 2) for one in quotients),
    )


def _quotients(courses: Sequence[Course], plain: Sequence[Course], measure: Callable[[Course], float]) -> Spread | None:
    """Return the spread over seeds; without those in which neither got there, as nothing can be said of them."""
    pairs = [(one, other) for one, other in zip(courses, plain, strict=True) if one.reached or other.reached]
    if not pairs:
        return None
    return spread([_or_never(one, measure) / _or_never(other, measure) for one, other in pairs])


def _or_never(course: Course, measure: Callable[[Course], float]) -> float:
    return measure(course) if course.reached else math.inf


def _text(found: Spread | None, digits: int) -> str:
    return "neither" if found is None else found.text(digits).replace("inf", "never")


def _unreached(courses: Mapping[str, Sequence[Course]]) -> str:
    missed = {
        name: [one.best for one in measured if not one.reached]
        for name, measured in courses.items()
        if not all(one.reached for one in measured)
    }
    if not missed:
        return "All got there."
    told = (f"{name}: {len(best)}, best {statistics.median(best):.3f} in the median" for name, best in missed.items())
    return f"Never got there: {'; '.join(told)}."
