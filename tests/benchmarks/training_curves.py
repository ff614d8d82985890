"""A recorded table of real training curves: every configuration of a grid, trained once on CWRU and then kept."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch

from raytrain.config.build import build_training
from raytrain.config.schema import DataConfig, SplitConfig, TrainConfig, WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.read import data_hash
from raytrain.data.store import SegmentStore
from raytrain.engine.checkpoint import write_atomically
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.tuning.space import Point
from tests.benchmarks.search_problems import Curve, Problem

__all__ = ["CURVES", "training_curves"]

CURVES = "recorded training curves"
LOWEST, HIGHEST = 1e-3, 1e-1


@dataclass(frozen=True, slots=True)
class Grid:
    """What is recorded: every combination of some rates and choices, on some data.

    Attributes:
        task: What is learned, in words.
        data: The recordings and their split.
        windows: Without their input, which is among the choices.
        rates: Learning rates, evenly spaced in the logarithm over the range that is searched.
        choices: Dotted setting -> its values.
        epochs: Of each training.
        trainings: How many whole trainings every arm may spend.
    """

    task: str
    data: DataConfig
    windows: Mapping[str, int]
    rates: int
    choices: Mapping[str, Sequence[Any]]
    epochs: int
    trainings: int

    def nearest(self, rate: float) -> float:
        """Return the recorded rate nearest in the logarithm; each stands for an equal share of the range."""
        share = math.log(rate / LOWEST) / math.log(HIGHEST / LOWEST)
        return self.rate(min(int(share * self.rates), self.rates - 1))

    def rate(self, index: int) -> float:
        """Return a recorded rate: the middle of its share of the range."""
        return float(LOWEST * (HIGHEST / LOWEST) ** ((index + 0.5) / self.rates))

    def points(self) -> list[Point]:
        """Return every recorded point."""
        rates = [self.rate(index) for index in range(self.rates)]
        names = ["optimizer.lr", *self.choices]
        return [dict(zip(names, values, strict=True)) for values in itertools.product(rates, *self.choices.values())]

    def config(self, point: Point) -> TrainConfig:
        """Return the training of a point."""
        return TrainConfig.model_validate(
            {
                "data": self.data,
                "windows": {**self.windows, "input": point["windows.input"]},
                "model": {
                    "name": "cnn1d",
                    "depth": 3,
                    "width": point["model.width"],
                    "dropout": point["model.dropout"],
                },
                "augmentation": {"name": point["augmentation.name"]},
                "optimizer": {"lr": point["optimizer.lr"]},
                "epochs": self.epochs,
                "early_stopping": None,
                "device": "cpu",
            }
        )

    def space(self) -> SpaceConfig:
        """Return the search space: the rate is continuous, as a user would have it."""
        return SpaceConfig.model_validate(
            {
                "name": "curves",
                "fixed": {"epochs": self.epochs},
                "parameters": {
                    "optimizer.lr": {"type": "loguniform", "low": LOWEST, "high": HIGHEST},
                    **{name: {"type": "choice", "values": values} for name, values in self.choices.items()},
                },
                "search": {"trials": len(self.points())},
                "scheduler": {"grace_epochs": 1, "reduction_factor": 3},
            }
        )


def cwru_grid(folder: Path) -> Grid:
    """Return 192 small networks that learn from 7 mil faults and are judged on 14 mil, on bearings never seen."""
    return Grid(
        "learned from CWRU's 7 mil faults and judged on its 14 mil faults, other bearings",
        DataConfig(
            source=str(folder),
            dataset=["cwru"],
            where={"severity": ["7", "14", "21"], "location": ["6:00"]},
            channels=["DE"],
            split=SplitConfig(rule="by-severity", train=["7"], validation=["14"], test=["21"]),
        ),
        windows={"length": 512, "hop": 2048},
        rates=8,
        choices={
            "model.width": [6, 12],
            "model.dropout": [0.0, 0.3],
            "windows.input": ["raw", "envelope"],
            "augmentation.name": ["none", "gaussian_noise", "mixup"],
        },
        epochs=27,
        trainings=16,
    )


def quick_grid() -> Grid:
    """Return a few networks on few of the embedded bearings."""
    return Grid(
        "learned from embedded bearings and judged on others",
        DataConfig(source="rolling", split=SplitConfig(rule="by-recording")),
        windows={"length": 512, "hop": 8192},
        rates=3,
        choices={
            "model.width": [4],
            "model.dropout": [0.0],
            "windows.input": ["raw", "envelope"],
            "augmentation.name": ["none"],
        },
        epochs=3,
        trainings=4,
    )


def training_curves(grid: Grid, *, say: Callable[[str], None]) -> Problem:
    """Return the search for the best validation macro-F1 of the grid, after recording what was never recorded."""
    points = grid.points()
    curves = dict(zip(map(_key, points), _recorded(grid, points, say), strict=True))

    def train(point: Point, _: np.random.Generator) -> Curve:
        return curves[_key(point | {"optimizer.lr": grid.nearest(point["optimizer.lr"])})]

    best = max(max(curve.worth) for curve in curves.values())
    description = (
        f"Curves: validation macro-F1 of {len(curves)} small CNNs ({', '.join(grid.choices)} and learning rate) over "
        f"{grid.epochs} epochs, {grid.task}, each trained once and kept; the best reaches {best:.3f}. A learning rate "
        "between those recorded stands for the nearest."
    )
    return Problem(CURVES, grid.space(), train, best, grid.trainings * grid.epochs, description)


def _key(point: Point) -> str:
    return json.dumps(point, sort_keys=True)


def _recorded(grid: Grid, points: Sequence[Point], say: Callable[[str], None]) -> list[Curve]:
    """Return the curve of each point, from the cache where there are those of the same settings, data and torch."""
    path = _cache_folder() / f"curves-{_cache_key(grid, points)}.json"
    if path.is_file():
        kept = json.loads(path.read_text("utf-8"))
        return [Curve(tuple(one["observed"]), tuple(one["worth"]), one["epoch_s"]) for one in kept]
    curves = _record(grid, points, say)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps([dataclasses.asdict(curve) for curve in curves]).encode())
    return curves


def _cache_folder() -> Path:
    folder = os.environ.get("RAYTRAIN_CACHE")
    return Path(folder) if folder else platformdirs.user_cache_path("raytrain")


def _cache_key(grid: Grid, points: Sequence[Point]) -> str:
    """Return what the curves depend on as a hash.

    raytrain's code is not in it: a table is a table of real curves whatever version trained them, and one that lasts
    lets two versions of the search be compared.
    """
    recordings, _ = read_and_split(grid.data)
    settings = [grid.config(point).model_dump(mode="json", exclude={"data": {"source"}}) for point in points]
    text = json.dumps([settings, data_hash(recordings), torch.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _record(grid: Grid, points: Sequence[Point], say: Callable[[str], None]) -> list[Curve]:
    start = time.perf_counter()
    workers = os.cpu_count() or 1
    curves = []
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawned, initializer=_Stores.prepare, initargs=(grid,)) as pool:
        for number, curve in enumerate(pool.map(_Stores.train, points), start=1):
            curves.append(curve)
            if number % 16 == 0:
                say(f"{number} of {len(points)} curves recorded after {time.perf_counter() - start:.0f} s")
    return curves


class _Stores:
    """The prepared recordings of a process, by what the network sees of them."""

    grid: Grid
    prepared: dict[str, SegmentStore]

    @classmethod
    def prepare(cls, grid: Grid) -> None:
        torch.set_num_threads(1)
        recordings, split = read_and_split(grid.data)
        cls.grid = grid
        cls.prepared = {
            str(kind): prepare(
                recordings, split, WindowConfig.model_validate({**grid.windows, "input": kind}), target=grid.data.target
            )
            for kind in grid.choices["windows.input"]
        }

    @classmethod
    def train(cls, point: Point) -> Curve:
        config = cls.grid.config(point)
        seed_everything(config.seed)
        training = build_training(config, cls.prepared[config.windows.input], callbacks=[])
        start = time.perf_counter()
        state = fit(training)
        scores = tuple(row["val/macro_f1"] for row in state.history)
        return Curve(scores, scores, (time.perf_counter() - start) / len(scores))
