"""raytrain's sweep against a plain Ray Tune script, for the same trials on the same cluster."""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from ray import tune
from rich.console import Console

from raytrain.config.schema import WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.segments import PARTS
from raytrain.data.windows import Windows
from raytrain.tuning.results import SweepResult
from raytrain.tuning.sweep import run_sweep
from tests.benchmarks import plain_tune
from tests.benchmarks.cluster import TreeClock, local_cluster
from tests.benchmarks.comparison import (
    Arm,
    Options,
    Outcome,
    Spread,
    Timing,
    check_agreement,
    interleave,
    ratios,
    spread,
)
from tests.benchmarks.data import rolling_store
from tests.benchmarks.report import Goal, Report

__all__ = ["TOLERANCES", "grid_space", "last_metrics", "run", "window_arrays"]

ROUNDS = 5
WINDOWS = WindowConfig(length=2048)
RAYTRAIN, FRESH, REUSED = "raytrain", "plain Ray Tune", "plain, reuse_actors"
RATES = [1e-4, 2e-4, 3e-4, 4e-4, 6e-4, 8e-4, 1.2e-3, 1.6e-3]
WIDTHS = [8, 16]
GOALS = {FRESH: 3.0, REUSED: 1.0}
TOLERANCES = {"loss": 0.02, "accuracy": 0.02}
"""AdamW is fused in raytrain and not in the script, so their roundings differ, and training amplifies that."""


def run(options: Options) -> Report:
    """Compare trials per hour of the whole job and of its trials alone."""
    torch.set_num_threads(1)
    rates, widths, epochs = (RATES[::4], WIDTHS, 2) if options.quick else (RATES, WIDTHS, 4)
    space = grid_space(rates, widths, epochs)
    rolling_store(WINDOWS)  # generated and cached, if it never was
    plain = {"learning_rates": rates, "widths": widths, "epochs": epochs}
    arms: dict[str, Arm] = {
        RAYTRAIN: lambda: lambda: _raytrain(space),
        FRESH: lambda: lambda: _plain(plain, reuse_actors=False),
        REUSED: lambda: lambda: _plain(plain, reuse_actors=True),
    }
    with local_cluster() as cluster, TreeClock() as clock:
        options.say(f"Ray started in {cluster.seconds:.1f} s")
        cold = interleave({RAYTRAIN: arms[RAYTRAIN]}, rounds=1, cpu_clock=clock, say=lambda _: None)[RAYTRAIN][0]
        options.say(f"first sweep on it, unmeasured: {cold.wall_s:.1f} s")
        timings = interleave(arms, rounds=options.count(default=ROUNDS, quick=2), cpu_clock=clock, say=options.say)
    differences = check_agreement(timings, tolerances=TOLERANCES)
    trials = len(rates) * len(widths)
    trial = spread([timing.outcome.seconds["trial"] for timing in timings[RAYTRAIN]])
    ratio = {name: _ratios(timings, name) for name in GOALS}
    return Report(
        title="A sweep against plain Ray Tune",
        method=(
            f"{trials} trials of {epochs} epochs of a small CNN on the embedded bearings ({trial.text(1)} s each in "
            "raytrain; longer trials bring all ratios closer to 1), no early stopping, two at a time, one cluster for "
            "all arms. The whole job: read and prepare the data, all trials, test the best; "
            f"trials alone: Tuner.fit(). Arms in turn, rounds: {len(timings[RAYTRAIN])} (fewer than elsewhere: an "
            "arm takes tens of seconds); median (range). Last losses and accuracies of all trials differ by "
            f"{differences['loss']:.1e} and {differences['accuracy']:.1e} at most. Not in the table: ray.init() "
            f"{cluster.seconds:.1f} s, the first sweep after it {cold.wall_s:.1f} s."
        ),
        columns=("", "trials/h", "seconds", "seconds, trials alone", "CPU-seconds"),
        rows=[*_rows(timings, trials), *_ratio_rows(ratio)],
        goals=[
            Goal(f"trials per hour of raytrain over {name}", ratio[name]["wall"].median, least=least)
            for name, least in GOALS.items()
        ],
        figures={
            "trials": trials,
            "init_s": cluster.seconds,
            "first_s": cold.wall_s,
            "ratios": ratio,
            "arms": {name: [_figures(timing) for timing in measured] for name, measured in timings.items()},
        },
    )


def _rows(timings: dict[str, list[Timing]], trials: int) -> Iterator[tuple[str, ...]]:
    for name, measured in timings.items():
        yield (
            name,
            f"{spread([3600 * trials / timing.wall_s for timing in measured]).median:.0f}",
            spread([timing.wall_s for timing in measured]).text(1),
            spread([timing.outcome.seconds["trials"] for timing in measured]).text(1),
            spread([timing.cpu_s for timing in measured]).text(1),
        )


def _ratio_rows(ratio: dict[str, dict[str, Spread]]) -> Iterator[tuple[str, ...]]:
    for name, one in ratio.items():
        yield (f"{name} / raytrain", "", one["wall"].text(), one["trials"].text(), one["cpu"].text())


def _ratios(timings: dict[str, list[Timing]], name: str) -> dict[str, Spread]:
    """Return how many times the seconds of raytrain the arm `name` takes, round by round."""
    ours, theirs = timings[RAYTRAIN], timings[name]

    def compare(seconds: Callable[[Timing], float]) -> Spread:
        return ratios([seconds(timing) for timing in theirs], [seconds(timing) for timing in ours])

    return {
        "wall": compare(lambda timing: timing.wall_s),
        "trials": compare(lambda timing: timing.outcome.seconds["trials"]),
        "cpu": compare(lambda timing: timing.cpu_s),
    }


def _figures(timing: Timing) -> dict[str, float]:
    return {"wall_s": timing.wall_s, "cpu_s": timing.cpu_s, "trials_s": timing.outcome.seconds["trials"]}


def grid_space(rates: list[float], widths: list[int], epochs: int) -> SpaceConfig:
    """Return the script's trials as a search space: what the script does not do is off."""
    return SpaceConfig.model_validate(
        {
            "name": "benchmark",
            "fixed": {
                "model": {"name": "cnn1d"},
                "windows": WINDOWS,
                "loss": {"class_weights": "none"},
                "optimizer": {"weight_decay": 0.0},
                "schedule": {"name": "constant"},
                "max_grad_norm": None,
                "early_stopping": None,
                "batch_size": plain_tune.BATCH_SIZE,
                "epochs": epochs,
                "metric": "val/loss",
                "device": "cpu",
            },
            "parameters": {
                "optimizer.lr": {"type": "grid", "values": rates},
                "model.width": {"type": "grid", "values": widths},
            },
            "search": {"algorithm": "grid", "trials": len(rates) * len(widths)},
            "scheduler": {"name": "none"},
            "baselines": {"names": []},
            "refit": False,
        }
    )


def _raytrain(space: SpaceConfig) -> Outcome:
    # raytrain silences Tune by the environment; the plain arms are to find Tune's defaults again.
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ), _fit_clock() as seconds:
        result = run_sweep(space, runs_dir=Path(folder), console=Console(file=io.StringIO()))
    one = statistics.median(record.curve[-1]["seconds"] for record in result.trials)
    return Outcome(last_metrics(result), {"trials": seconds[0], "trial": one})


def last_metrics(result: SweepResult) -> dict[str, float]:
    """Return last loss and accuracy of each trial, named as the script names them."""
    metrics = {}
    for record in result.trials:
        trial = f"lr={record.point['optimizer.lr']:g}, width={record.point['model.width']}"
        metrics[f"{trial}, loss"] = record.curve[-1]["val/loss"]
        metrics[f"{trial}, accuracy"] = record.curve[-1]["val/accuracy"]
    return metrics


def _plain(trials: dict[str, Any], *, reuse_actors: bool) -> Outcome:
    quiet = redirect_stdout(io.StringIO())  # Tune greets even with verbose=0
    with quiet, tempfile.TemporaryDirectory() as folder, _fit_clock() as seconds:
        data = window_arrays()
        metrics = plain_tune.sweep(data, **trials, reuse_actors=reuse_actors, storage=Path(folder))
    return Outcome(metrics, {"trials": seconds[0]})


def window_arrays() -> plain_tune.Arrays:
    """Return every window of every part, prepared as raytrain prepares them."""
    store = rolling_store(WINDOWS)
    arrays: plain_tune.Arrays = {}
    for part in PARTS:
        chunks = list(Windows(store, [part], WINDOWS).arrays())
        arrays[f"{part}_x"] = np.concatenate([chunk.signal for chunk in chunks])
        arrays[f"{part}_y"] = np.concatenate([chunk.targets for chunk in chunks])
    return arrays


@contextmanager
def _fit_clock() -> Iterator[list[float]]:
    """Collect the seconds of each call of `Tuner.fit()`."""
    seconds: list[float] = []
    original = tune.Tuner.fit

    def timed(tuner: tune.Tuner) -> tune.ResultGrid:
        start = time.perf_counter()
        try:
            return original(tuner)
        finally:
            seconds.append(time.perf_counter() - start)

    with patch.object(tune.Tuner, "fit", timed):
        yield seconds
