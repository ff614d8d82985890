"""What the search-quality benchmark searches: standard functions whose optimum is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from raytrain.config.space import SpaceConfig
from raytrain.tuning.space import Point

__all__ = ["Curve", "Problem", "functions"]


@dataclass(frozen=True, slots=True)
class Curve:
    """What becomes of one trial, were it trained to its end.

    Attributes:
        observed: The metric after each epoch, as the search sees it.
        worth: What the configuration is then really worth: the same, but for noise.
        epoch_s: Seconds per epoch, which set the order in which trials at once report.
    """

    observed: tuple[float, ...]
    worth: tuple[float, ...]
    epoch_s: float


@dataclass(frozen=True, slots=True)
class Problem:
    """A search space, and what each of its points leads to.

    Attributes:
        name: In the table.
        space: What is searched; its metric says which way is better.
        train: Returns the curve of a point; noise and durations are drawn from the generator.
        optimum: The best that any point is worth.
        budget: Epochs that every arm may spend.
        description: What the table's note says of it.
    """

    name: str
    space: SpaceConfig
    train: Callable[[Point, np.random.Generator], Curve]
    optimum: float
    budget: int
    description: str = ""


def functions(*, quick: bool) -> list[Problem]:
    """Return functions to minimise whose evaluation is a trial of one epoch."""
    share = 5 if quick else 1
    unit = {f"x{axis}": {"type": "uniform", "low": 0.0, "high": 1.0} for axis in range(1, 7)}
    return [
        _function("Branin", _branin, BRANIN_SPACE, optimum=0.397887, budget=50 // share),
        _function("Hartmann 6", _hartmann6, unit, optimum=-3.32237, budget=80 // share),
        _function("conditional tree", _tree, TREE_SPACE, optimum=0.1, budget=60 // share),
        _function("Hartmann 6, noise 0.2", _hartmann6, unit, optimum=-3.32237, budget=80 // share, noise=0.2),
    ]


def _function(
    name: str,
    function: Callable[[Point], float],
    parameters: Mapping[str, Any],
    *,
    optimum: float,
    budget: int,
    noise: float = 0.0,
) -> Problem:
    def train(point: Point, random: np.random.Generator) -> Curve:
        value = function(point)
        return Curve((value + noise * random.standard_normal(),), (value,), random.uniform(0.5, 1.5))

    settings = {
        "name": "function",
        "fixed": {"metric": "val/loss", "epochs": 1},
        "parameters": parameters,
        "search": {"trials": budget},
        "scheduler": {"name": "none"},
    }
    return Problem(name, SpaceConfig.model_validate(settings), train, optimum, budget)


BRANIN_SPACE = {
    "x1": {"type": "uniform", "low": -5.0, "high": 10.0},
    "x2": {"type": "uniform", "low": 0.0, "high": 15.0},
}


def _branin(point: Point) -> float:
    """Dixon and Szego, The global optimization problem: an introduction, 1978."""
    x1, x2 = point["x1"], point["x2"]
    bowl = x2 - 5.1 / (4 * math.pi**2) * x1**2 + 5 / math.pi * x1 - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x1) + 10)


_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_SCALES = np.array(
    [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ]
)
_CENTRES = 1e-4 * np.array(
    [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ]
)


def _hartmann6(point: Point) -> float:
    """Dixon and Szego 1978: four bumps in six dimensions."""
    x = np.array([point[f"x{axis}"] for axis in range(1, 7)])
    return float(-_WEIGHTS @ np.exp(-(_SCALES * (x - _CENTRES) ** 2).sum(axis=1)))


_SYMMETRIC = {"type": "uniform", "low": -1.0, "high": 1.0}
_SHIFT = {"type": "uniform", "low": 0.0, "high": 1.0}
TREE_SPACE = {
    "x1": {"type": "choice", "values": ["left", "right"]},
    "x2": {"type": "choice", "values": ["left", "right"], "when": {"x1": "left"}},
    "x3": {"type": "choice", "values": ["left", "right"], "when": {"x1": "right"}},
    "x4": _SYMMETRIC | {"when": {"x2": "left"}},
    "x5": _SYMMETRIC | {"when": {"x2": "right"}},
    "x6": _SYMMETRIC | {"when": {"x3": "left"}},
    "x7": _SYMMETRIC | {"when": {"x3": "right"}},
    "r8": _SHIFT | {"when": {"x1": "left"}},
    "r9": _SHIFT | {"when": {"x1": "right"}},
}


def _tree(point: Point) -> float:
    """Jenatton et al., Bayesian optimization with tree-structured dependencies, ICML 2017: four leaves, 0.1 apart."""
    leaves = {"x4": 0.1, "x5": 0.2, "x6": 0.3, "x7": 0.4}
    leaf = next(name for name in leaves if name in point)
    return float(point[leaf] ** 2 + leaves[leaf] + point["r8" if point["x1"] == "left" else "r9"])
