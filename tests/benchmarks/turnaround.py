"""Seconds from the end of one trial to the first optimizer step of the next."""

from __future__ import annotations

import io
import itertools
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ray
from ray import tune
from rich.console import Console
from torch.optim.optimizer import register_optimizer_step_pre_hook

from raytrain.config.space import SpaceConfig
from raytrain.tuning import search, sweep
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.trial import Trial
from tests.benchmarks.cluster import CPUS, local_cluster
from tests.benchmarks.comparison import Options, spread
from tests.benchmarks.report import Goal, Report

__all__ = ["TimedTrial", "run"]

SUCCESSIONS = 12
GOAL_S = 0.1


class TimedTrial(Trial):
    """A trial that reports, beside its metrics, when it began, was ready, took its first step and ended an epoch."""

    def setup(
        self, config: dict[str, Any], space: SpaceConfig, stores: Mapping[str, ray.ObjectRef], folder: Path
    ) -> None:
        """Watch every optimizer of the process."""
        register_optimizer_step_pre_hook(self._note_step)
        super().setup(config, space, stores, folder)

    def _begin(self) -> dict[str, Any] | None:
        if self._ahead is None:
            return None
        self._times = {"train/process": float(os.getpid()), "train/began": time.time()}
        failed = super()._begin()
        self._times["train/ready"] = time.time()
        return failed

    def step(self) -> dict[str, Any]:
        """Train an epoch."""
        result = super().step()
        return {**result, **self._times, "train/ended": time.time()}

    def _note_step(self, *_: object) -> None:
        self._times.setdefault("train/stepped", time.time())


@dataclass(frozen=True, slots=True)
class Times:
    """When a trial began to be set up, was ready, took its first step, and ended, in seconds of the clock."""

    process: float
    began: float
    ready: float
    stepped: float
    ended: float


@dataclass(frozen=True, slots=True)
class Succession:
    """From the end of a trial to the beginning of the next, to its being ready, to its first step."""

    total_s: float
    waiting_s: float
    set_up_s: float
    to_step_s: float


def run(options: Options) -> Report:
    """Measure with processes that are kept, as raytrain does, and with one process per trial, one and two at a time."""
    count = 4 if options.quick else SUCCESSIONS
    sweeps = options.count(default=1, quick=1)
    found: dict[str, list[Succession]] = {}
    with local_cluster():
        for reuse, at_once in itertools.product((True, False), (1, CPUS)):
            name = f"{'kept' if reuse else 'fresh'}, {at_once} at a time"
            found[name] = []
            for _ in range(sweeps):
                found[name] += successions(_sweep(count + at_once, at_once, reuse=reuse), at_once, reuse=reuse)
            options.say(f"{name}: {spread([one.total_s for one in found[name]]).text(3)} s")
    return Report(
        title="From the end of a trial to the first step of the next, seconds",
        method=(
            f"raytrain's sweep, small CNN, 2 epochs per trial; median (range) of {len(next(iter(found.values())))} "
            "successions, from the end of the last epoch to the first optimizer step. Waiting: saving the checkpoint, "
            "Ray and Tune; with fresh processes also their start. Set-up: data, model, optimizer; with fresh processes "
            "also torch's imports."
        ),
        columns=("", "total", "waiting", "set-up", "to the first step"),
        rows=[
            (
                name,
                spread([one.total_s for one in measured]).text(3),
                spread([one.waiting_s for one in measured]).text(3),
                spread([one.set_up_s for one in measured]).text(3),
                spread([one.to_step_s for one in measured]).text(3),
            )
            for name, measured in found.items()
        ],
        goals=[
            Goal(f"seconds, {name}", spread([one.total_s for one in measured]).median, most=GOAL_S)
            for name, measured in found.items()
            if name.startswith("kept")
        ],
        figures={"successions": found},
    )


def successions(trials: Sequence[Times], at_once: int, *, reuse: bool) -> list[Succession]:
    """Pair each end with the beginning it made room for: in its process, or the next one anywhere."""
    pairs: list[tuple[Times, Times]] = []
    if reuse:
        in_order = sorted(trials, key=lambda one: (one.process, one.began))
        pairs = [(one, other) for one, other in itertools.pairwise(in_order) if one.process == other.process]
    else:
        ends, begins = sorted(trials, key=lambda one: one.ended), sorted(trials, key=lambda one: one.began)
        pairs = list(zip(ends, begins[at_once:], strict=False))
    expected = len(trials) - at_once
    if len(pairs) != expected:
        raise SystemExit(f"expected {expected} successions in {at_once} processes, found {len(pairs)}")
    return [
        Succession(
            total_s=after.stepped - before.ended,
            waiting_s=after.began - before.ended,
            set_up_s=after.ready - after.began,
            to_step_s=after.stepped - after.ready,
        )
        for before, after in pairs
    ]


def _sweep(trials: int, at_once: int, *, reuse: bool) -> list[Times]:
    original = tune.TuneConfig

    def tune_config(**settings: object) -> tune.TuneConfig:
        return original(**{**settings, "reuse_actors": reuse})

    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ))
        stack.enter_context(patch.object(search, "Trial", TimedTrial))
        stack.enter_context(patch.object(tune, "TuneConfig", tune_config))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        result = sweep.run_sweep(_space(trials, at_once), runs_dir=Path(folder), console=Console(file=io.StringIO()))
    return [_times(record) for record in result.trials]


def _times(record: TrialRecord) -> Times:
    last = record.curve[-1]
    return Times(**{name: last[f"train/{name}"] for name in Times.__slots__})


def _space(trials: int, at_once: int) -> SpaceConfig:
    """Return a sweep whose trials differ in their seed alone; one that takes all CPUs runs alone."""
    return SpaceConfig.model_validate(
        {
            "name": "turnaround",
            "fixed": {"model": {"name": "cnn1d"}, "epochs": 2, "early_stopping": None, "device": "cpu"},
            "parameters": {"seed": {"type": "grid", "values": list(range(trials))}},
            "search": {"algorithm": "grid", "trials": trials},
            "scheduler": {"name": "none"},
            "resources": {"cpus_per_worker": CPUS / at_once},
            "baselines": {"names": []},
            "refit": False,
        }
    )
