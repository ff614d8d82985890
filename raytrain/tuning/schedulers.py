"""The schedulers of a sweep, on Ray Tune's `TrialScheduler` interface."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raytrain.config.space import SpaceConfig
from raytrain.tuning.population import PopulationScheduler
from raytrain.tuning.space import extremes
from raytrain.tuning.stopping_rules import HyperBand, MedianStopping, StoppingRule, SuccessiveHalving

__all__ = ["StoppingScheduler", "create_scheduler", "most_epochs", "replay"]


def create_scheduler(space: SpaceConfig) -> TrialScheduler:
    """Return what stops trials of `space` early, or changes them on their way.

    Each trial's configuration must be a mapping with its `point` and its `number`, under which it is known here: the
    number outlives the process, where Tune's id of a trial does not.

    Raises:
        ConfigError: `pbt`, and the space has nothing that can change in the middle of a run, or too few trials.
    """
    settings, epochs = space.scheduler, most_epochs(space)
    grace, reduction = min(settings.grace_epochs, epochs), settings.reduction_factor
    match settings.name:
        case "none":
            return FIFOScheduler()
        case "pbt":
            return PopulationScheduler(space)
        case "asha":
            rule: StoppingRule = SuccessiveHalving(grace=grace, reduction=reduction, epochs=epochs)
        case "hyperband":
            rule = HyperBand(grace=grace, reduction=reduction, epochs=epochs)
        case "median":
            rule = MedianStopping(grace=grace)
    return StoppingScheduler(rule, metric=space.fixed.metric, higher_is_better=space.fixed.direction == "max")


def most_epochs(space: SpaceConfig) -> int:
    """Return the most epochs that a trial of the space can have."""
    varied = space.parameters.get("epochs")
    return int(max(extremes(varied))) if varied is not None else space.fixed.epochs


def replay(scheduler: TrialScheduler, events: Iterable[tuple[str, int, float, bool]]) -> frozenset[str]:
    """Bring a new scheduler to the state that an interrupted sweep's one had.

    After it, the trials that go on are judged as if there had been no interruption. Of `pbt` only the epochs are taken
    up, so that exchanges stay at multiples of the interval: an exchange that the crash cut off is left out, and the
    population goes on from its checkpoints with the settings it has. `hyperband` is as exact as `asha`, since the
    number of a trial decides its bracket.

    Args:
        scheduler: Of `create_scheduler`, not used yet.
        events: Every result of the earlier trials in the order in which they came: the trial's number as text, the
            epoch, the metric's value, and whether the trial ended with it.

    Returns:
        Trials that were to stop and had not ended: what the crash kept from happening. They are not to go on; one that
        does is stopped at its next result.
    """
    stopped: set[str] = set()
    epochs: dict[int, int] = {}
    for key, epoch, value, ended in events:
        epochs[int(key)] = epoch
        if isinstance(scheduler, StoppingScheduler) and scheduler.learn(int(key), epoch, value):
            stopped.add(key)
        if ended:
            stopped.discard(key)
            epochs.pop(int(key))
    if isinstance(scheduler, PopulationScheduler):
        scheduler.continue_from(epochs)
    return frozenset(stopped)


class StoppingScheduler(FIFOScheduler):  # type: ignore[misc]  # ray is untyped
    """Runs trials in their order and stops those that its rule stops.

    A result reaches the rule once: not again when the trial ends, nor when a trial repeats epochs after its process
    died. One that is missing, NaN or infinite does not reach it at all: it would stand in a rung for ever (numpy's
    percentile of an infinity is NaN, which no value is below); the trial is judged by its next finite one.

    Args:
        rule: Decides.
        metric: Key of the value to judge by.
        higher_is_better: Which way.
    """

    def __init__(self, rule: StoppingRule, *, metric: str, higher_is_better: bool) -> None:
        super().__init__()
        self._metric = metric
        self._rule = rule
        self._sign = 1.0 if higher_is_better else -1.0
        self._epochs: dict[int, int] = {}
        self._stopped: set[int] = set()

    def learn(self, trial: int, epoch: int, value: float) -> bool:
        """Learn a trial's value and return whether the trial is to stop, now or since an earlier result."""
        if math.isfinite(value) and epoch > self._epochs.get(trial, 0):
            self._epochs[trial] = epoch
            if self._rule.stops(trial, epoch, self._sign * value):
                self._stopped.add(trial)
        return trial in self._stopped

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG002 - ray's
        """Stop the trial or let it go on."""
        return str(TrialScheduler.STOP if self._learn(trial, result) else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: TuneTrial, result: Mapping[str, Any]) -> None:  # noqa: ANN401, ARG002 - ray's
        """Learn the last result of a trial that ended by itself: Tune hands it over only here."""
        self._learn(trial, result)

    def debug_string(self) -> str:
        """Return how many trials were stopped."""
        return f"{type(self._rule).__name__}: {len(self._stopped)} of {len(self._epochs)} trials stopped"

    def _learn(self, trial: TuneTrial, result: Mapping[str, Any]) -> bool:
        number = int(trial.config["number"])
        if "epoch" not in result or self._metric not in result:
            return number in self._stopped
        return self.learn(number, int(result["epoch"]), float(result[self._metric]))
