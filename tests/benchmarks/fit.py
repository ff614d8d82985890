"""`fit` against a loop written by hand for the one task: same model, data, batches, steps and metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from raytrain.config.build import build_training
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from tests.benchmarks.comparison import Arm, Options, Outcome, check_agreement, interleave, ratios, spread
from tests.benchmarks.data import rolling_store
from tests.benchmarks.plain_loop import PlainLoop
from tests.benchmarks.report import Goal, Report

__all__ = ["run"]

MODELS = ("wdcnn", "cnn1d")
ROUNDS = 9
GOAL = 0.97
HOP = 256


def run(options: Options) -> Report:
    """Compare samples per second, evaluation included, for each model."""
    torch.set_num_threads(1)
    epochs = 1 if options.quick else 3
    configs = [_config(model, epochs) for model in MODELS]
    store = rolling_store(configs[0].windows)
    start = time.perf_counter()
    _with_fit(configs[0], store)()
    cold_s = time.perf_counter() - start
    found = {config.model.name: _compare(config, store, options) for config in configs}
    first = found[MODELS[0]]
    return Report(
        title="fit against a hand-written loop",
        method=(
            f"{first['windows']} windows of 1 x 2048 to train on and {first['validated']} to evaluate after each of "
            f"{epochs} epochs, batch {configs[0].batch_size}, float32, one thread. By hand: windows normalised "
            f"beforehand, in one tensor. Arms in turn, rounds: {first['rounds']}; median (range). Losses and metrics "
            f"of the last epoch differ by {max(one['difference'] for one in found.values()):.1e} at most. "
            f"Not in the table: the first run of the process, cold, took {cold_s:.1f} s."
        ),
        columns=("model", "fit, samples/s", "by hand, samples/s", "ratio", "ratio by CPU time"),
        rows=[
            (model, one["fit"].text(0), one["by hand"].text(0), one["wall_ratio"].text(3), one["cpu_ratio"].text(3))
            for model, one in found.items()
        ],
        goals=[
            Goal(f"samples/s of fit over those by hand, {model}", one["wall_ratio"].median, least=GOAL)
            for model, one in found.items()
        ],
        figures={**found, "cold_s": cold_s},
    )


def _config(model: str, epochs: int) -> TrainConfig:
    settings = {"model": {"name": model}, "windows": {"hop": HOP}, "epochs": epochs, "batch_size": 128, "device": "cpu"}
    return TrainConfig.model_validate(settings)


def _compare(config: TrainConfig, store: SegmentStore, options: Options) -> dict[str, Any]:
    arms: dict[str, Arm] = {
        "fit": lambda: _with_fit(config, store),
        "by hand": lambda: PlainLoop(config, store).train,
    }
    timings = interleave(
        arms,
        rounds=options.count(default=ROUNDS, quick=2),
        cpu_clock=time.process_time,
        say=lambda line: options.say(f"{config.model.name}, {line}"),
    )
    difference = check_agreement(timings, tolerances={"": 1e-5})[""]
    wall = {name: [timing.wall_s for timing in measured] for name, measured in timings.items()}
    cpu = {name: [timing.cpu_s for timing in measured] for name, measured in timings.items()}
    by_hand = PlainLoop(config, store)
    windows, validated = len(by_hand.training.targets), len(by_hand.validation.targets)
    samples = config.epochs * (windows + validated)
    return {
        **{name: spread([samples / seconds for seconds in values]) for name, values in wall.items()},
        "wall_ratio": ratios(wall["by hand"], wall["fit"]),
        "cpu_ratio": ratios(cpu["by hand"], cpu["fit"]),
        "wall_s": wall,
        "cpu_s": cpu,
        "difference": difference,
        "windows": windows,
        "validated": validated,
        "rounds": len(wall["fit"]),
    }


def _with_fit(config: TrainConfig, store: SegmentStore) -> Callable[[], Outcome]:
    seed_everything(config.seed)
    training = build_training(config, store)

    def work() -> Outcome:
        metrics = fit(training).history[-1]
        return Outcome({name: value for name, value in metrics.items() if name != "train/lr"})

    return work
