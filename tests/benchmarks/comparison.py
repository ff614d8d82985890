"""Measure arms in turn, so that what else the machine does meets all of them, and compare them round by round."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Arm", "Options", "Outcome", "Spread", "Timing", "check_agreement", "interleave", "ratios", "spread"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for.

    Attributes:
        rounds: Rounds of every benchmark; each has its own default.
        quick: Less work per round, to see that everything runs.
        say: Called with a line on what is being measured.
    """

    rounds: int | None
    quick: bool
    say: Callable[[str], None]

    def count(self, *, default: int, quick: int) -> int:
        """Return how many rounds to measure: what was asked for, else by default or when it must be quick."""
        return self.rounds or (quick if self.quick else default)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an arm computed.

    Attributes:
        metrics: Results that must agree between the arms.
        seconds: Durations of parts of the work, by name.
    """

    metrics: Mapping[str, float]
    seconds: Mapping[str, float] = field(default_factory=dict)


Arm: TypeAlias = Callable[[], Callable[[], Outcome]]
"""Prepares, unmeasured, and returns the work to be measured."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One arm in one round: seconds on the clock, seconds of processors, and what came out."""

    wall_s: float
    cpu_s: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range of a sample."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 2) -> str:
        """Return `median (low to high)`."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def interleave(
    arms: Mapping[str, Arm], *, rounds: int, cpu_clock: Callable[[], float], say: Callable[[str], None]
) -> dict[str, list[Timing]]:
    """Measure every arm once per round, in the same order, and return the timings of each arm by round."""
    timings: dict[str, list[Timing]] = {name: [] for name in arms}
    for number in range(1, rounds + 1):
        for name, arm in arms.items():
            work = arm()
            gc.collect()
            cpu, wall = cpu_clock(), time.perf_counter()
            outcome = work()
            wall, cpu = time.perf_counter() - wall, cpu_clock() - cpu
            timings[name].append(Timing(wall, cpu, outcome))
            say(f"round {number}/{rounds}, {name}: {wall:.2f} s, {cpu:.2f} CPU-s")
    return timings


def spread(values: Sequence[float]) -> Spread:
    """Return median and range.

    >>> spread([3.0, 1.0, 2.0]).text(1)
    '2.0 (1.0 to 3.0)'
    """
    return Spread(statistics.median(values), min(values), max(values))


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Return the spread of the quotients of each round.

    >>> ratios([2.0, 6.0, 4.0], [1.0, 2.0, 1.0])
    Spread(median=3.0, low=2.0, high=4.0)
    """
    return spread([above / below for above, below in zip(numerators, denominators, strict=True)])


def check_agreement(timings: Mapping[str, Sequence[Timing]], *, tolerances: Mapping[str, float]) -> dict[str, float]:
    """Return the largest difference, over arms and rounds, of the metrics whose name ends in each of `tolerances`.

    Raises:
        SystemExit: The arms report different metrics, or a difference exceeds its tolerance: they did not do the
            same work, so their times must not be compared.
    """
    (reference_arm, first), *_ = timings.items()
    reference = first[0].outcome.metrics
    largest = dict.fromkeys(tolerances, 0.0)
    for arm, measured in timings.items():
        for timing in measured:
            metrics = timing.outcome.metrics
            if metrics.keys() != reference.keys():
                raise SystemExit(
                    f"'{arm}' reports other metrics than '{reference_arm}': {set(metrics) ^ set(reference)}"
                )
            for name, value in metrics.items():
                ending = next(one for one in tolerances if name.endswith(one))
                difference = abs(value - reference[name])
                if not math.isfinite(value) or difference > tolerances[ending]:
                    raise SystemExit(
                        f"{name} is {value:.6g} in '{arm}' and {reference[name]:.6g} in '{reference_arm}', "
                        f"more than {tolerances[ending]:g} apart: the arms did not do the same work"
                    )
                largest[ending] = max(largest[ending], difference)
    return largest
