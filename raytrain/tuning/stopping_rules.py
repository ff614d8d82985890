"""Which trials stop early, decided from what they have reported: rules without Ray, each a function of its history."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import Protocol

__all__ = ["HyperBand", "MedianStopping", "StoppingRule", "SuccessiveHalving", "milestones"]


class StoppingRule(Protocol):
    """Learns every result, in the order in which they come, and says which trials stop."""

    def stops(self, trial: int, epoch: int, value: float) -> bool:
        """Learn a trial's value, finite and better when higher, after `epoch`, and return whether the trial stops."""
        ...


def milestones(grace: int, reduction: int, epochs: int) -> Iterator[int]:
    """Yield the epochs at which trials are compared: `grace * reduction^k`, below the last epoch.

    >>> list(milestones(2, 3, 60))
    [2, 6, 18, 54]
    """
    epoch = grace
    while epoch < epochs:
        yield epoch
        epoch *= reduction


class SuccessiveHalving:
    """Asynchronous successive halving, ASHA (Li et al. 2020, arXiv:1810.05934), in its stopping form.

    A trial that reaches a rung is compared with those that were there before it, and goes on if its value is at least
    their upper 1/`reduction` quantile, linearly interpolated; the first one goes on. Ties go on.

    That is the rule of Ray's `ASHAScheduler`. The paper's algorithm 2 differs: there a trial waits at its rung until it
    is among the best 1/`reduction` of it and is promoted then, however late; here the decision is made once, on
    arrival, so nothing waits, nothing is paused, and an early arrival is judged against few. From Ray's code it differs
    in rounding alone: numpy's percentile of 100 (1 - 1/3) may lie an ulp above the value it falls on, and then
    stops a trial that ties with it; here a quantile that falls on a value is that value.

    Args:
        grace: Epochs of the first rung.
        reduction: One in so many goes on; also the ratio from one rung to the next.
        epochs: The most epochs of a trial; a rung there would decide nothing.

    >>> rule = SuccessiveHalving(grace=1, reduction=2, epochs=4)
    >>> [rule.stops(trial, 1, value) for trial, value in enumerate((0.5, 0.7, 0.6, 0.59))]
    [False, False, False, True]
    """

    def __init__(self, *, grace: int, reduction: int, epochs: int) -> None:
        self._reduction = reduction
        self._rungs: list[tuple[int, dict[int, float]]] = [(one, {}) for one in milestones(grace, reduction, epochs)]

    def stops(self, trial: int, epoch: int, value: float) -> bool:
        """Compare the trial at the last rung it has reached, once."""
        reached = [rung for milestone, rung in self._rungs if milestone <= epoch]
        if not reached or trial in reached[-1]:
            return False
        rung = reached[-1]
        cutoff = self._cutoff(sorted(rung.values()))
        rung[trial] = value
        return cutoff is not None and value < cutoff

    def _cutoff(self, values: list[float]) -> float | None:
        if not values:
            return None
        # In whole numbers, so that a quantile that falls on a value is exactly that.
        below, rest = divmod((len(values) - 1) * (self._reduction - 1), self._reduction)
        if rest == 0:
            return values[below]
        return values[below] + (values[below + 1] - values[below]) * rest / self._reduction


class HyperBand:
    """Asynchronous HyperBand: brackets of successive halving with later and later first rungs (Li et al. 2020, §4).

    HyperBand (Li et al. 2018, JMLR 18(185)) hedges against a metric whose early values mislead: bracket s has its
    first rung at `grace * reduction^s`, and the last never stops a trial. Of K brackets, s gets a share of trials
    proportional to `reduction^(K-1-s) / (K-s)`, HyperBand's own numbers. The number of a trial alone decides its
    bracket, so a sweep that goes on after a crash has the same brackets.

    HyperBand as published waits: a bracket's trials pause at each rung until all are there. Ray's `HyperBandScheduler`
    compares those that a searcher has proposed so far, which are as many as run at once; with one or two processes that
    is fewer than a bracket keeps, and of 12 trials it stopped none.

    Args:
        grace: Epochs of the earliest rung.
        reduction: One in so many goes on.
        epochs: The most epochs of a trial.

    >>> rule = HyperBand(grace=1, reduction=3, epochs=9)
    >>> [rule.bracket(trial) for trial in range(9)]
    [0, 1, 0, 2, 0, 1, 0, 2, 0]
    """

    def __init__(self, *, grace: int, reduction: int, epochs: int) -> None:
        starts = [*milestones(grace, reduction, epochs), epochs]
        self.brackets = [SuccessiveHalving(grace=start, reduction=reduction, epochs=epochs) for start in starts]
        count = len(starts)
        self.sizes = [math.ceil(count / (count - s) * reduction ** (count - 1 - s)) for s in range(count)]
        self._cycle = _interleaved(self.sizes)

    def bracket(self, trial: int) -> int:
        """Return the bracket of a trial: any trials in a row are divided about as all are."""
        return self._cycle[trial % len(self._cycle)]

    def stops(self, trial: int, epoch: int, value: float) -> bool:
        """Compare the trial within its bracket."""
        return self.brackets[self.bracket(trial)].stops(trial, epoch, value)


def _interleaved(sizes: list[int]) -> list[int]:
    """Return each index as often as its size says, each time the one that is furthest behind its share."""
    total = sum(sizes)
    given = [0] * len(sizes)
    order: list[int] = []
    for place in range(1, total + 1):
        behind = [size * place - had * total for size, had in zip(sizes, given, strict=True)]
        order.append(behind.index(max(behind)))
        given[order[-1]] += 1
    return order


class MedianStopping:
    """The median stopping rule (Golovin et al. 2017, "Google Vizier", section 3.2.2).

    A trial stops after an epoch when the best value it has had is below the median of what the others averaged up to
    that epoch. The paper compares with completed trials; here, as in Ray's `MedianStoppingRule`, with all that have
    come as far, running ones too, and averages begin at `grace`. Fewer than `least` such trials decide nothing.

    Args:
        grace: No trial is stopped before this epoch.
        least: Other trials that are needed.

    >>> rule = MedianStopping(grace=1, least=2)
    >>> [rule.stops(trial, 1, value) for trial, value in enumerate((0.5, 0.7, 0.65, 0.59))]
    [False, False, False, True]
    """

    def __init__(self, *, grace: int, least: int = 3) -> None:
        self._grace = grace
        self._least = least
        self._values: dict[int, dict[int, float]] = {}

    def stops(self, trial: int, epoch: int, value: float) -> bool:
        """Compare the trial's best value with the median of the others' averages."""
        own = self._values.setdefault(trial, {})
        own[epoch] = value
        if epoch < self._grace:
            return False
        averages = [
            average
            for other, values in self._values.items()
            if other != trial and max(values) >= epoch and (average := self._average(values, epoch)) is not None
        ]
        return len(averages) >= self._least and max(own.values()) < statistics.median(averages)

    def _average(self, values: dict[int, float], epoch: int) -> float | None:
        counted = [value for at, value in values.items() if self._grace <= at <= epoch]
        return math.fsum(counted) / len(counted) if counted else None
