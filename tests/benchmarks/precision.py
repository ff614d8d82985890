"""Training steps per second in reduced precision against float32, on the CPU and, where there is one, on a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import torch

from raytrain.config.build import build_training
from raytrain.config.schema import TrainConfig, WindowConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from tests.benchmarks.comparison import Arm, Options, Outcome, check_agreement, interleave, ratios, spread
from tests.benchmarks.data import store_of_size
from tests.benchmarks.report import Report

__all__ = ["run"]

ROUNDS = 7
WINDOWS = WindowConfig(length=2048, hop=2048)
BATCH = 64
STEPS: Mapping[str, Mapping[str, int]] = {
    "cpu": {"wdcnn": 16, "resnet1d": 2},
    "cuda": {"wdcnn": 200, "resnet1d": 200},
}
"""Of a round. An emulated format is several times slower, so on a CPU they are few."""
TOLERANCE = 0.05  # of the mean loss, which is about ln 4 on noise: 8 bits of mantissa
FLOAT32 = "fp32"

Device: TypeAlias = Literal["cpu", "cuda"]


def run(options: Options) -> Report:
    """Compare the formats of each device, model by model."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for device, formats in _formats().items():
        for model, steps in STEPS[device].items():
            found[f"{model}, {device}"] = _compare(model, device, formats, 1 if options.quick else steps, options)
    measured = {name: one["steps"] for name, one in found.items()}
    return Report(
        title="Training in reduced precision, steps per second",
        method=(
            f"`fit` without evaluation on noise of 1 x {WINDOWS.length}, batch {BATCH}, default settings, one thread; "
            f"{', '.join(f'{steps} steps of {name}' for name, steps in measured.items())} per round. Arms in turn, "
            f"rounds: {options.count(default=ROUNDS, quick=2)}; median (range). Mean losses agree to {TOLERANCE:g}. "
            f"fp16, TF32 and bf16 on a GPU: {_gpu()}."
        ),
        columns=("model, device", "format", "steps/s", "against fp32", "by CPU time"),
        rows=[
            (name, number, one["steps_per_s"][number].text(1), one["ratio"][number].text(2), one["cpu"][number].text(2))
            for name, one in found.items()
            for number in one["steps_per_s"]
        ],
        goals=[],
        figures=found,
    )


def _formats() -> dict[Device, dict[str, dict[str, Any]]]:
    """Return the formats of each device that is here, by name, and how a run is asked for them."""
    bf16 = {"precision": "bf16"}
    formats: dict[Device, dict[str, dict[str, Any]]] = {"cpu": {FLOAT32: {}, "bf16": bf16}}
    if torch.cuda.is_available():
        formats["cuda"] = {FLOAT32: {}, "fp16": {"precision": "fp16"}}
        if torch.cuda.get_device_capability() >= (8, 0):
            formats["cuda"] |= {"bf16": bf16, "tf32": {"tf32": True}}
    return formats


def _compare(
    model: str, device: Device, formats: Mapping[str, Mapping[str, Any]], steps: int, options: Options
) -> dict[str, Any]:
    store = store_of_size(2 * steps * BATCH * 4 * WINDOWS.length / 1e6, length=WINDOWS.length)
    arms: dict[str, Arm] = {name: _training(_config(model, device, asked), store) for name, asked in formats.items()}
    for arm in arms.values():
        arm()()  # unmeasured: kernels are chosen and compiled once
    timings = interleave(
        arms,
        rounds=options.count(default=ROUNDS, quick=2),
        cpu_clock=time.process_time,
        say=lambda line: options.say(f"{model}, {device}, {line}"),
    )
    check_agreement(timings, tolerances={"": TOLERANCE})
    wall = {name: [one.wall_s for one in measured] for name, measured in timings.items()}
    cpu = {name: [one.cpu_s for one in measured] for name, measured in timings.items()}
    return {
        "steps": steps,
        "steps_per_s": {name: spread([steps / seconds for seconds in values]) for name, values in wall.items()},
        "ratio": {name: ratios(wall[FLOAT32], values) for name, values in wall.items()},
        "cpu": {name: ratios(cpu[FLOAT32], values) for name, values in cpu.items()},
        "wall_s": wall,
        "cpu_s": cpu,
    }


def _config(model: str, device: Device, asked: Mapping[str, Any]) -> TrainConfig:
    settings = {"model": {"name": model}, "windows": WINDOWS, "epochs": 1, "batch_size": BATCH, "device": device}
    return TrainConfig.model_validate({**settings, **asked})


def _training(config: TrainConfig, store: SegmentStore) -> Arm:
    def prepare() -> Callable[[], Outcome]:
        seed_everything(config.seed)
        training = build_training(config, store, validation=None)
        return lambda: Outcome({"train/loss": fit(training).history[-1]["train/loss"]})

    return prepare


def _gpu() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "not measured: no GPU"
