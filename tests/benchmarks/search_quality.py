"""How good a configuration a search has found after how much training: raytrain against random, Optuna, Ray Tune."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Mapping
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

SEEDS = 40
CHANCE = 1.1
"""What counts as no worse: of two equal arms, one exceeds the other by this much in about a fifth of all runs."""
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
            f"Simple regret: by how much the best so far falls short of the optimum; {seeds} seeds. Regrets are "
            "quotients by the median over seeds of random search without early stopping after as many epochs; lower is "
            "better, and random's own row shows how chance spreads. All along: mean over the epochs; all along and at "
            "half the budget: medians; at the end: median, 90 % of the seeds, range. Last column: epochs until the "
            "regret that random has in the median at the end, per epoch of the budget, median (90 %). Two "
            "trials at once on a simulated cluster: raytrain's own searcher and scheduler, Optuna's study and Ray "
            "Tune's OptunaSearch and ASHA are called as a sweep calls them, only the training is looked up. Functions "
            f"are trials of one epoch. {curves.description if curves else left_out}"
        ),
        columns=("", "all along", "at 1/2", "at the end", "90 %", "range", "epochs to random's end"),
        rows=[row for problem in problems for row in _rows(problem, regrets[problem.name])],
        goals=_goals(curves, regrets[curves.name]) if curves and not options.quick else [],
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
    random = regrets[RANDOM]
    unit = "epochs" if problem.name == CURVES else "evaluations"
    last = _quantiles(random[:, -1]).median
    yield (f"[bold]{problem.name}[/]", *[""] * 6)
    yield (f"  {problem.budget} {unit}, random's regret {last:.3g}", *[""] * 6)
    for name, found in regrets.items():
        half = found.shape[1] // 2 - 1
        end, costs = _relative(found[:, -1], random[:, -1]), _quantiles(_costs(found, random))
        yield (
            f"  {name}",
            f"{_relative(found.mean(axis=1), random.mean(axis=1)).median:.2f}",
            f"{_relative(found[:, half], random[:, half]).median:.2f}",
            f"{end.median:.2f}",
            f"{end.ninth_decile:.2f}",
            f"{end.low:.2f} to {end.high:.2f}",
            f"{costs.median:.2f} ({costs.ninth_decile:.2f})".replace("inf", "never"),
        )


def _relative(regrets: np.ndarray, random: np.ndarray) -> Quantiles:
    """Return regrets by seed over the median of random's."""
    return _quantiles(regrets / _quantiles(random).median)


def _costs(found: np.ndarray, random: np.ndarray) -> np.ndarray:
    """Return, by seed, the share of the budget until random's median regret at the end; infinite where never."""
    reached = found <= _quantiles(random[:, -1]).median  # and from then on, as the best so far gets no worse
    return np.where(reached[:, -1], (np.argmax(reached, axis=1) + 1) / found.shape[1], math.inf)


def _quantiles(values: np.ndarray) -> Quantiles:
    # Values of the sample, not between two of it, one of which may be infinite.
    median, ninth_decile = np.quantile(values, [0.5, 0.9], method="inverted_cdf").tolist()
    return Quantiles(median, ninth_decile, values.min().item(), values.max().item())


def _goals(curves: Problem, regrets: Mapping[str, np.ndarray]) -> list[Goal]:
    ours = _quantiles(regrets[ASHA].mean(axis=1)).median
    cost = _quantiles(_costs(regrets[ASHA], regrets[RANDOM])).median
    others = {name: _quantiles(found.mean(axis=1)).median for name, found in regrets.items() if name != ASHA}
    return [
        Goal(f"epochs of {ASHA} to random's end, {curves.name}", cost, most=0.5),
        *(
            Goal(f"regret all along over {name}, {curves.name}", ours / other, most=CHANCE)
            for name, other in others.items()
        ),
    ]


def _figures(problem: Problem, regrets: Mapping[str, np.ndarray]) -> dict[str, Any]:
    return {
        "budget": problem.budget,
        "optimum": problem.optimum,
        "arms": {
            name: {
                "regret_curve": {str(share): np.quantile(found, share, axis=0).tolist() for share in (0.1, 0.5, 0.9)},
                "final_regret": found[:, -1].tolist(),
                "cost": [None if math.isinf(cost) else cost for cost in _costs(found, regrets[RANDOM]).tolist()],
            }
            for name, found in regrets.items()
        },
    }
