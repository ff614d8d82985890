"""How good a configuration a search has found after how much training: raytrain against random, Optuna, Ray Tune."""

from __future__ import annotations

import math
import statistics
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from tests.benchmarks.comparison import Options
from tests.benchmarks.data import NO_REAL_DATA, real_data
from tests.benchmarks.report import Goal, Report
from tests.benchmarks.search_arms import OURS, RANDOM, arms, simulate
from tests.benchmarks.search_problems import Problem, functions
from tests.benchmarks.training_curves import CURVES, cwru_grid, quick_grid, training_curves

__all__ = ["run"]

SEEDS = 50
STAGES = (0.25, 0.5, 1.0)
"""Shares of the budget at which regrets are compared."""
ASHA = f"{OURS} + ASHA"


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A sample over seeds: its middle, its worst tenth, and all of it."""

    median: float
    ninth_decile: float
    low: float
    high: float


def run(options: Options) -> Report:
    """Search every problem with every arm from every seed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    seeds = options.count(default=SEEDS, quick=2)
    problems, left_out = _problems(options)
    regrets = {problem.name: _search(problem, seeds, options) for problem in problems}
    curves = problems[-1] if problems[-1].name == CURVES else None
    return Report(
        title="Search quality at equal cost",
        method=(
            f"Simple regret: by how much the best so far falls short of the optimum; {seeds} seeds. All numbers are "
            "quotients by the median over seeds of random search without early stopping, for regrets after the same "
            "number of epochs; lower is better, and random's own row shows how chance spreads. Last column: epochs "
            "until the regret that random has in the median at the end, per epoch of the budget, median (90 %). Two "
            "trials at once on a simulated cluster: raytrain's own searcher and scheduler, Optuna's study and Ray "
            "Tune's OptunaSearch and ASHA are called as a sweep calls them, only the training is looked up. Functions "
            f"are trials of one epoch. {_described(curves) if curves else left_out}"
        ),
        columns=("", "at 1/4", "at 1/2", "at the end", "90 %", "range", "epochs to random's end"),
        rows=[row for problem in problems for row in _rows(problem, regrets[problem.name])],
        goals=_goals(curves, regrets) if curves and not options.quick else [],
        figures={
            "seeds": seeds,
            "problems": {problem.name: _figures(problem, regrets[problem.name]) for problem in problems},
        },
    )


def _problems(options: Options) -> tuple[list[Problem], str]:
    """Return what is searched, the curves last, and why there are none."""
    folder = real_data()
    if options.quick:
        return [*functions(quick=True), training_curves(quick_grid(), say=options.say)], ""
    if folder is None:
        return functions(quick=False), f"Without recorded training curves: {NO_REAL_DATA}."
    return [*functions(quick=False), training_curves(cwru_grid(folder), say=options.say)], ""


def _search(problem: Problem, seeds: int, options: Options) -> dict[str, np.ndarray]:
    """Return the regret `[seed, epoch]` of each arm."""
    found = {}
    for name, arm in arms(problem.space).items():
        start = time.perf_counter()
        found[name] = np.array([simulate(arm(problem.space, seed), problem, seed=seed) for seed in range(seeds)])
        options.say(f"{problem.name}, {name}: {time.perf_counter() - start:.1f} s")
    return found


def _rows(problem: Problem, regrets: Mapping[str, np.ndarray]) -> Iterator[tuple[str, ...]]:
    last = np.median(regrets[RANDOM][:, -1])
    unit = "epochs" if problem.name == CURVES else "evaluations"
    yield (f"[bold]{problem.name}[/]: {problem.budget} {unit}, random ends at a regret of {last:.3g}", *[""] * 6)
    for name, found in regrets.items():
        early, middle, end = (_relative(found, regrets[RANDOM], stage) for stage in STAGES)
        costs = _quantiles(_costs(found, regrets[RANDOM]))
        yield (
            f"  {name}",
            f"{early.median:.2f}",
            f"{middle.median:.2f}",
            f"{end.median:.2f}",
            f"{end.ninth_decile:.2f}",
            f"{end.low:.2f} to {end.high:.2f}",
            f"{costs.median:.2f} ({costs.ninth_decile:.2f})".replace("inf", "never"),
        )


def _relative(found: np.ndarray, random: np.ndarray, stage: float) -> Quantiles:
    """Return regrets at a share of the budget over the median of random's there."""
    epoch = round(stage * found.shape[1]) - 1
    return _quantiles((found[:, epoch] / np.median(random[:, epoch])).tolist())


def _costs(found: np.ndarray, random: np.ndarray) -> list[float]:
    """Return, by seed, the share of the budget until random's median regret at the end; infinite where never."""
    target = np.median(random[:, -1])
    return [
        (int(np.argmax(row <= target)) + 1) / len(row) if row[-1] <= target else math.inf  # regrets never grow
        for row in found
    ]


def _quantiles(values: Sequence[float]) -> Quantiles:
    worst_tenth = sorted(values)[math.ceil(0.9 * len(values)) - 1]  # no interpolation: some are infinite
    return Quantiles(statistics.median(values), worst_tenth, min(values), max(values))


def _goals(curves: Problem, regrets: Mapping[str, Mapping[str, np.ndarray]]) -> list[Goal]:
    found = regrets[curves.name]
    cost = {name: _quantiles(_costs(one, found[RANDOM])).median for name, one in found.items()}
    return [
        Goal(
            f"epochs of {ASHA} on the curves over {name}", cost[ASHA] / cost[name], most=0.5 if name == RANDOM else 1.0
        )
        for name in found
        if name != ASHA
    ]


def _figures(problem: Problem, regrets: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {
        "budget": problem.budget,
        "optimum": problem.optimum,
        "arms": {
            name: {
                "regret_curve": {str(share): np.quantile(found, share, axis=0).tolist() for share in (0.1, 0.5, 0.9)},
                "final_regret": found[:, -1].tolist(),
                "cost": [None if math.isinf(cost) else cost for cost in _costs(found, regrets[RANDOM])],
            }
            for name, found in regrets.items()
        },
    }


def _described(curves: Problem) -> str:
    space = curves.space
    return (
        f"Curves: validation macro-F1 of {space.search.trials} small CNNs over {space.fixed.epochs} epochs "
        "(learning rate, width, dropout, input, augmentation), learned from CWRU's 7 mil faults and judged on its "
        f"14 mil faults, each trained once and kept; the best reaches {curves.optimum:.3f}. A learning rate between "
        "those recorded stands for the nearest."
    )
