"""What each augmentation costs, as a share of one training step of WDCNN on the same batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.build import AUGMENTATIONS, create_augmentation
from raytrain.models.wdcnn import WDCNN
from raytrain.objectives.supervised import Supervised
from raytrain.tfr.short_time_fourier import Stft
from raytrain.types import Batch, Progress
from tests.benchmarks.comparison import Arm, Options, Outcome, Spread, interleave, ratios, spread
from tests.benchmarks.report import Goal, Report

__all__ = ["run"]

ROUNDS = 9
GOAL_PERCENT = 15
BATCH, SAMPLES, CLASSES = 64, 2048, 4
STEPS, CALLS = 4, 10  # measured together, so that a round is long against the clock's resolution
STEP = "training step"
GRADIENT = "adversarial"  # a forward and a backward pass by definition, so the goal is not for it
SETTINGS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "compose": ({"steps": [{"name": "time_shift"}, {"name": "gaussian_noise"}, {"name": "mixup"}]},),
    "none": (),
    "patch": ({"preset": "light"}, {"preset": "medium"}, {"preset": "heavy"}),
}
"""Where defaults alone are not what is to be measured."""


def run(options: Options) -> Report:
    """Time every augmentation of the table and the training step in turn."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, objective = WDCNN(1, CLASSES), Supervised(nn.CrossEntropyLoss())
    signals = Batch(torch.randn(BATCH, 1, SAMPLES), torch.randint(0, CLASSES, (BATCH,)))
    images = Batch(Stft(12_000).transform(signals.signal), signals.targets)
    arms: dict[str, Arm] = {STEP: _training_steps(model, objective, signals)}
    for name, augmentation in _augmentations().items():
        augmentation.bind(model, objective)
        arms[name] = _augmenting(augmentation, signals if augmentation.domain == "signal" else images)
    timings = interleave(
        arms, rounds=options.count(default=ROUNDS, quick=2), cpu_clock=time.process_time, say=options.say
    )
    repeats = {name: STEPS if name == STEP else CALLS for name in arms}
    each_ms = {name: [1e3 * one.wall_s / repeats[name] for one in measured] for name, measured in timings.items()}
    cpu_ms = {name: [1e3 * one.cpu_s / repeats[name] for one in measured] for name, measured in timings.items()}
    percent, cpu_percent = _percent_of_step(each_ms), _percent_of_step(cpu_ms)
    dearest = max((name for name in percent if name != GRADIENT), key=lambda name: percent[name].median)
    return Report(
        title="Augmentation beside a training step",
        method=(
            f"Batches of {BATCH} x 1 x {SAMPLES}, float32, one thread; spec_augment on their STFT, "
            f"{' x '.join(map(str, images.signal.shape))}. The step: forward, cross-entropy, backward, AdamW of WDCNN, "
            f"{spread(each_ms[STEP]).text(1)} ms. Defaults where no setting is named. {STEPS} steps and {CALLS} calls "
            f"per round, arms in turn, rounds: {len(each_ms[STEP])}; median (range). {GRADIENT} is a forward and a "
            f"backward pass by its definition, so the goal is not for it."
        ),
        columns=("augmentation", "ms per batch", "share of a step, %", "by CPU time, %"),
        rows=[
            (name, spread(each_ms[name]).text(2), share.text(1), cpu_percent[name].text(1))
            for name, share in percent.items()
        ],
        goals=[Goal(f"% of a step, dearest but {GRADIENT}: {dearest}", percent[dearest].median, most=GOAL_PERCENT)],
        figures={"ms": each_ms, "percent_of_step": percent, "cpu_ms": cpu_ms, "cpu_percent_of_step": cpu_percent},
    )


def _percent_of_step(each_ms: Mapping[str, list[float]]) -> dict[str, Spread]:
    steps = each_ms[STEP]
    return {name: ratios([100 * ms for ms in values], steps) for name, values in each_ms.items() if name != STEP}


def _augmentations() -> dict[str, Augmentation]:
    """Return every augmentation of the table but `none`, by its name and what is set of it."""
    return {
        " ".join([name, *(str(value) for key, value in settings.items() if key != "steps")]): create_augmentation(
            name, settings=settings
        )
        for name in AUGMENTATIONS
        for settings in SETTINGS.get(name, ({},))
    }


def _training_steps(model: nn.Module, objective: Supervised, batch: Batch) -> Arm:
    optimizer = torch.optim.AdamW(model.parameters())
    start = Progress(0, 0, 0.0)

    def step() -> None:
        optimizer.zero_grad()
        objective(model, batch, start).total.backward()
        optimizer.step()

    return lambda: _repeated(step, STEPS)


def _augmenting(augmentation: Augmentation, batch: Batch) -> Arm:
    generator, start = torch.Generator().manual_seed(0), Progress(0, 0, 0.0)

    @torch.no_grad()
    def augment() -> None:
        augmentation(batch, start, generator)

    return lambda: _repeated(augment, CALLS)


def _repeated(work: Callable[[], None], times: int) -> Callable[[], Outcome]:
    work()  # unmeasured: what is allocated or chosen once

    def measured() -> Outcome:
        for _ in range(times):
            work()
        return Outcome({})

    return measured
