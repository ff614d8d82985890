"""Private memory of a trial's process against the size of the data its windows are cut from."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
import ray
from ray import tune
from torch.optim.optimizer import register_optimizer_step_post_hook

from raytrain.config.schema import WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.store import store_key
from raytrain.tuning.trial import Trial, bundles
from tests.benchmarks.cluster import local_cluster
from tests.benchmarks.comparison import Options, Spread, spread
from tests.benchmarks.data import store_of_size
from tests.benchmarks.report import Goal, Report

__all__ = ["MeasuredTrial", "run"]

SIZES_MB = (50, 150, 300)
TINY_MB = 6
ROUNDS = 3
GOAL_MB = 50
WINDOWS = WindowConfig(length=2048, hop=2048)


class MeasuredTrial(Trial):
    """A trial that reports the most private memory its process has had after a step or an epoch."""

    def setup(
        self, config: dict[str, Any], space: SpaceConfig, stores: Mapping[str, ray.ObjectRef], folder: Path
    ) -> None:
        """Look after every step of every optimizer of the process."""
        self._most_bytes = 0
        register_optimizer_step_post_hook(self._look)
        super().setup(config, space, stores, folder)

    def step(self) -> dict[str, Any]:
        """Train an epoch."""
        result = super().step()
        self._look()
        return {**result, "private_mb": self._most_bytes / 1e6}

    def _look(self, *_: object) -> None:
        self._most_bytes = max(self._most_bytes, psutil.Process().memory_full_info().uss)


def run(options: Options) -> Report:
    """Train one epoch per size, each in a fresh process, sizes in turn."""
    used: dict[int, list[float]] = {size: [] for size in (TINY_MB, *SIZES_MB)}
    with local_cluster(), patch.dict(os.environ):
        rounds = options.count(default=ROUNDS, quick=1)
        for number in range(1, rounds + 1):
            for size, values in used.items():
                values.append(_private_mb(size))
                options.say(f"round {number}/{rounds}, {size} MB: {values[-1]:.0f} MB private")
    above: dict[int, Spread] = {
        size: spread([mine - tiny for mine, tiny in zip(used[size], used[TINY_MB], strict=True)]) for size in SIZES_MB
    }
    return Report(
        title="Private memory of a trial's process (USS), MB",
        method=(
            f"One epoch over all windows of 1 x 2048, cut without overlap from a store of the given size in Ray's "
            f"object store; small CNN, batch 128; the most after any step. What a store of {TINY_MB} MB needs is the "
            f"process's own: Python, torch, the model. Fresh processes, sizes in turn, rounds: {rounds}; median "
            "(range)."
        ),
        columns=("store", "private", f"above that with {TINY_MB} MB"),
        rows=[
            (f"{size} MB", spread(values).text(0), above[size].text(1) if size in above else "")
            for size, values in used.items()
        ],
        goals=[Goal(f"MB above the model's own, {size} MB", one.median, most=GOAL_MB) for size, one in above.items()],
        figures={"private_mb": used, "above_mb": above},
    )


def _private_mb(megabytes: int) -> float:
    """Train one trial on a store of this size; return the most private memory of its process in MB."""
    store = store_of_size(megabytes, length=WINDOWS.length)
    stores = {store_key(WINDOWS): ray.put(store)}
    space = _space()
    os.environ.update({"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"})
    with tempfile.TemporaryDirectory() as folder:
        trainable = tune.with_parameters(MeasuredTrial, space=space, stores=stores, folder=Path(folder))
        tuner = tune.Tuner(
            tune.with_resources(trainable, bundles(space.resources)),
            param_space={"point": {"seed": 0}},
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        (result,) = tuner.fit()
    if result.error is not None:
        raise result.error
    return float(result.metrics["private_mb"])


def _space() -> SpaceConfig:
    return SpaceConfig.model_validate(
        {
            "name": "memory",
            "fixed": {
                "model": {"name": "cnn1d"},
                "windows": WINDOWS,
                "epochs": 1,
                "batch_size": 128,
                "early_stopping": None,
                "device": "cpu",
            },
            "parameters": {"seed": {"type": "grid", "values": [0]}},
        }
    )
