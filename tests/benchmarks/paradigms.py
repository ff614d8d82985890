"""`fit` of each paradigm against a loop written by hand for it: same model, data, order, transforms and losses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import nn

from raytrain.config.build import build_training
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.objectives.distillation import Distillation
from tests.benchmarks import paradigm_loops as by_hand
from tests.benchmarks.comparison import Arm, Options, Outcome, check_agreement, interleave, ratios, spread
from tests.benchmarks.data import rolling_store
from tests.benchmarks.plain_loop import PlainLoop
from tests.benchmarks.report import Goal, Report

__all__ = ["run"]

ROUNDS = 7
GOAL = 0.95
TOLERANCE = 1e-5
EPOCHS = 3
STUDENT = {"name": "cnn1d", "width": 8, "depth": 3}
STAGES = ((512, 1), (1024, 1), (2048, EPOCHS - 2))


@dataclass(frozen=True, slots=True)
class Paradigm:
    """How a paradigm is compared.

    Attributes:
        loop: Its loop by hand.
        hop: Samples from one window to the next: few windows where each takes long.
        settings: Of the run, beside the paradigm's name.
    """

    loop: Callable[[TrainConfig, SegmentStore], PlainLoop]
    hop: int
    settings: Mapping[str, Any] = field(default_factory=dict)


PARADIGMS: Mapping[str, Paradigm] = {
    "standard": Paradigm(PlainLoop, 512),
    "cnn": Paradigm(by_hand.SmoothedLoop, 512),
    "pinn": Paradigm(by_hand.PhysicsLoop, 1024, {"windows": {"length": 4096}}),  # short ones do not resolve the lines
    "spectrogram": Paradigm(by_hand.SpectrogramLoop, 2048),
    "multi_tfr": Paradigm(by_hand.ViewsLoop, 4096),
    "mixed_precision": Paradigm(by_hand.Bfloat16Loop, 2048),
    "distillation": Paradigm(by_hand.DistillationLoop, 512, {"model": STUDENT}),
    "progressive_resizing": Paradigm(
        by_hand.ResizingLoop, 512, {"model": {"name": "cnn1d"}, "resize": {"name": "interpolate", "schedule": STAGES}}
    ),
}


def run(options: Options) -> Report:
    """Compare samples per second, evaluation included, for each paradigm."""
    torch.set_num_threads(1)
    found = {name: _compare(name, paradigm, options) for name, paradigm in PARADIGMS.items()}
    first = next(iter(found.values()))
    return Report(
        title="fit of each paradigm against a hand-written loop",
        method=(
            f"Embedded bearings, {EPOCHS} epochs, evaluation after each included, batch 128, one thread; the settings "
            f"that each paradigm presets, but a CNN1D for resizing ({', '.join(str(length) for length, _ in STAGES)} "
            f"samples) and a small one as student of a {by_hand.TEACHER}. By hand: windows normalised beforehand, in "
            f"one tensor; the three views made once. Arms in turn, rounds: {first['rounds']}; median (range). Losses "
            f"and metrics of the last epoch differ by {max(one['difference'] for one in found.values()):.1e} at most."
        ),
        columns=("paradigm, model", "windows", "fit, samples/s", "by hand", "ratio", "by CPU time"),
        rows=[
            (
                f"{name}, {one['model']}",
                str(one["windows"]),
                one["fit"].text(0),
                f"{one['by hand'].median:.0f}",
                one["wall_ratio"].text(3),
                one["cpu_ratio"].text(3),
            )
            for name, one in found.items()
        ],
        goals=[
            Goal(f"samples/s of fit over those by hand, {name}", one["wall_ratio"].median, least=GOAL)
            for name, one in found.items()
        ],
        figures=found,
    )


def _compare(name: str, paradigm: Paradigm, options: Options) -> dict[str, Any]:
    config = _config(name, paradigm, options)
    store = rolling_store(config.windows)
    arms: dict[str, Arm] = {
        "fit": lambda: _with_fit(name, config, store),
        "by hand": lambda: paradigm.loop(config, store).train,
    }
    timings = interleave(
        arms,
        rounds=options.count(default=ROUNDS, quick=2),
        cpu_clock=time.process_time,
        say=lambda line: options.say(f"{name}, {line}"),
    )
    difference = check_agreement(timings, tolerances={"": TOLERANCE})[""]
    wall = {arm: [timing.wall_s for timing in measured] for arm, measured in timings.items()}
    cpu = {arm: [timing.cpu_s for timing in measured] for arm, measured in timings.items()}
    loop = PlainLoop(config, store)
    windows = len(loop.training.targets) + len(loop.validation.targets)
    return {
        **{arm: spread([config.epochs * windows / seconds for seconds in values]) for arm, values in wall.items()},
        "model": config.model.name,
        "windows": windows,
        "wall_ratio": ratios(wall["by hand"], wall["fit"]),
        "cpu_ratio": ratios(cpu["by hand"], cpu["fit"]),
        "wall_s": wall,
        "cpu_s": cpu,
        "difference": difference,
        "rounds": len(wall["fit"]),
    }


def _config(name: str, paradigm: Paradigm, options: Options) -> TrainConfig:
    hop = 4096 if options.quick else paradigm.hop
    # A teacher would be read from its run's folder; here it is handed over, untrained (`_with_fit`).
    kind = {} if name == "distillation" else {"paradigm": {"name": name}}
    return TrainConfig.model_validate(
        {
            **kind,
            "epochs": EPOCHS,
            "batch_size": 128,
            "device": "cpu",
            **paradigm.settings,
            "windows": {"hop": hop, **paradigm.settings.get("windows", {})},
        }
    )


def _with_fit(name: str, config: TrainConfig, store: SegmentStore) -> Callable[[], Outcome]:
    seed_everything(config.seed)
    training = build_training(config, store)
    if name == "distillation":
        supervised = cast("nn.Module", training.objective)
        taught = Distillation(supervised, by_hand.untrained_teacher(training.num_classes))
        training = replace(training, objective=taught)

    def work() -> Outcome:
        return Outcome(_shared(fit(training).history[-1]))

    return work


def _shared(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return what every loop reports: not the terms of a loss by themselves, nor each view by itself."""
    return {
        name: value
        for name, value in metrics.items()
        if name in ("train/loss", "train/accuracy") or (name.startswith("val/") and name.count("/") == 1)
    }
