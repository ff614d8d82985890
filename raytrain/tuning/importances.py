"""How much each parameter of a sweep matters, and how much would look so by chance."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from raytrain.config.schema import METRICS
from raytrain.tuning.asked import Asked
from raytrain.tuning.axes import Axis, label, parameter_axes
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult

__all__ = ["LEAST_TRIALS", "Importances", "parameter_importances"]

LEAST_TRIALS = 10
"""Trials with a value below which nothing is said: the good ones of so few are fewer than 5."""
_LEAST_GOOD = 5  # as Optuna's documentation of PED-ANOVA asks for
_SHUFFLES = 20
_CHANCE = 0.95


@dataclass(frozen=True, slots=True)
class Importances:
    """How much each parameter matters.

    Attributes:
        shares: Parameter -> its share of all importance, most important first; they add up to 1. Empty where
            nothing can be said.
        chance: Parameter -> the share that shuffled trials stay below 95 times in 100: what is not above it may be
            chance.
        trials: Trials with a value.
        good: How many of them count as good.
        reason: Why nothing can be said; empty when something can.
    """

    shares: dict[str, float]
    chance: dict[str, float]
    trials: int
    good: int
    reason: str = ""


def parameter_importances(result: SweepResult, asked: Asked, *, seed: int = 0) -> Importances:
    """Return by how much the values of each parameter differ between good trials and all trials.

    That is PED-ANOVA (Watanabe et al. 2023; conditional parameters as in Optuna 5), over finished and stopped trials
    by the best value each reached. It says nothing of directions, and a trial that was stopped early counts by what it
    had reached. Chance is the same measure with the values shuffled among the trials (permutation test; Good 2005).

    Args:
        result: The sweep.
        asked: What it was asked for.
        seed: Of the shuffling.
    """
    trials = [one for one in result.trials if one.status != "failed" and one.best is not None]
    values = np.array([one.value(result.metric) for one in trials], dtype=float)
    axes = [axis for axis in parameter_axes(trials, asked) if _varies(axis, trials)]
    good = max(_LEAST_GOOD, math.ceil(0.1 * len(trials)))
    if reason := _objection(trials, values, axes):
        return Importances({}, {}, len(trials), good, reason)
    losses = -values if METRICS[result.metric] == "max" else values
    measured = _measure(trials, losses, axes, good=good)
    total = sum(measured.values())
    if total <= 0:
        return Importances({}, {}, len(trials), good, "good trials have the same parameters as all trials")
    generator = np.random.default_rng(seed)
    shuffled = [_measure(trials, generator.permutation(losses), axes, good=good) for _ in range(_SHUFFLES)]
    return Importances(
        shares={name: amount / total for name, amount in measured.items()},
        chance={name: float(np.quantile([one[name] for one in shuffled], _CHANCE)) / total for name in measured},
        trials=len(trials),
        good=good,
    )


def _objection(trials: Sequence[TrialRecord], values: NDArray[np.float64], axes: Sequence[Axis]) -> str:
    if len(trials) < LEAST_TRIALS:
        return f"too few trials: {len(trials)} have a value, and at least {LEAST_TRIALS} are needed"
    if np.ptp(values) == 0:
        return "all trials are worth the same"
    return "" if axes else "no parameter varies"


def _varies(axis: Axis, trials: Sequence[TrialRecord]) -> bool:
    """Whether an axis has more than one value, or some trials only have the parameter."""
    return not axis.constant or any(axis.name not in trial.point for trial in trials)


def _measure(
    trials: Sequence[TrialRecord], losses: NDArray[np.float64], axes: Sequence[Axis], *, good: int
) -> dict[str, float]:
    """Return the unscaled importances of a study made of the trials' points and of `losses`, lower is better."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="minimize")
    study.add_trials([_trial(trial, loss, axes) for trial, loss in zip(trials, losses, strict=True)])
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=good / len(trials))
    with warnings.catch_warnings():
        # Of conditions that a single trial met, which the chance level shows, and of ties, which leave nothing to say.
        warnings.simplefilter("ignore", category=UserWarning)
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)  # normalize, there since 3.0
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False))


def _trial(record: TrialRecord, loss: float, axes: Sequence[Axis]) -> optuna.trial.FrozenTrial:
    known = [axis for axis in axes if axis.name in record.point]
    return optuna.trial.create_trial(
        value=float(loss),
        params={axis.name: _value(axis, record) for axis in known},
        distributions={axis.name: _distribution(axis) for axis in known},
    )


def _value(axis: Axis, record: TrialRecord) -> str | float:
    value = record.point[axis.name]
    if axis.categories:
        return label(value)
    return int(value) if axis.whole else float(value)


def _distribution(axis: Axis) -> BaseDistribution:
    """Return the range that was tried."""
    if axis.categories:
        return CategoricalDistribution(axis.categories)
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)
