"""What stopping folds early saves, on simulated learning curves: in lock-step, fold by fold, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import wilcoxon

FOLDS, EPOCHS = 5, 27
BUDGET = 16 * FOLDS * EPOCHS
SPREAD = 0.06
Curves = NDArray[np.float64]


def curves(seed: int, configurations: int = 150) -> tuple[Curves, NDArray[np.float64]]:
    """Return scores `[configurations, folds, epochs]` and what each configuration is truly worth.

    Configurations differ in quality and speed, folds in difficulty, each pair of them a little more, epochs by noise.
    """
    rng = np.random.default_rng(seed)
    quality, speed = rng.normal(0.85, SPREAD, configurations), rng.uniform(2, 8, configurations)
    ends = quality[:, None] + rng.normal(0, 0.06, FOLDS) + rng.normal(0, 0.02, (configurations, FOLDS))
    learnt = 1 - np.exp(-np.arange(1, EPOCHS + 1) / speed[:, None, None])
    return ends[:, :, None] * learnt + rng.normal(0, 0.01, (configurations, FOLDS, EPOCHS)), ends.mean(axis=1)


def in_full(scores: Curves) -> tuple[int, int]:
    """Return the configuration found within the budget, and how many were tried: every fold to its end."""
    tried = BUDGET // (FOLDS * EPOCHS)
    return int(scores[:tried].mean(axis=1).max(axis=1).argmax()), tried


def in_lock_step(scores: Curves, grace: int = 2, factor: int = 3) -> tuple[int, int]:
    """All folds an epoch at a time; ASHA goes on with the best third of those that reached a rung so far."""
    rungs: dict[int, list[float]] = {grace * factor**k: [] for k in range(3) if grace * factor**k < EPOCHS}
    spent, best, found = 0, -1.0, 0
    for number, values in enumerate(scores.mean(axis=1)):
        for epoch, value in enumerate(values, start=1):
            spent += FOLDS
            if value > best:
                best, found = value, number
            if epoch in rungs:
                rungs[epoch].append(value)
                if value < np.quantile(rungs[epoch], 1 - 1 / factor):
                    break
        if spent > BUDGET:
            return found, number + 1
    raise AssertionError("too few configurations for the budget")


def fold_by_fold(scores: Curves, level: float = 0.1) -> tuple[int, int]:
    """One fold to its end after another; given up once significantly worse than the best (Wilcoxon, one-sided)."""
    ends = scores.max(axis=2)
    spent, found, best = 0, 0, -1.0
    for number, values in enumerate(ends):
        for fold in range(1, FOLDS + 1):
            spent += EPOCHS
            hopeless = 1 < fold < FOLDS and number > 0
            if hopeless and wilcoxon(values[:fold] - ends[found][:fold], alternative="less").pvalue < level:
                break
        else:
            if values.mean() > best:
                best, found = values.mean(), number
        if spent > BUDGET:
            return found, number + 1
    raise AssertionError("too few configurations for the budget")


def test_lock_step_tries_more_and_finds_better_at_the_same_cost() -> None:
    worth: dict[str, list[float]] = {"full": [], "lock-step": [], "fold by fold": []}
    tried: dict[str, list[int]] = {name: [] for name in worth}
    for seed in range(40):
        scores, truth = curves(seed)
        for name, strategy in (("full", in_full), ("lock-step", in_lock_step), ("fold by fold", fold_by_fold)):
            found, count = strategy(scores)
            worth[name].append(float(truth[found]))
            tried[name].append(count)
    gain = (np.mean(worth["lock-step"]) - np.mean(worth["fold by fold"])) / SPREAD
    assert 0.15 < gain < 0.5
    assert np.mean(tried["lock-step"]) / np.mean(tried["full"]) > 4
    assert np.mean(tried["fold by fold"]) / np.mean(tried["full"]) < 1.5


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_fold_by_fold_cannot_give_up_before_the_fourth_fold(folds: int) -> None:
    worst = wilcoxon(-np.arange(1.0, folds + 1), alternative="less").pvalue
    assert (worst < 0.1) == (folds >= 4)
