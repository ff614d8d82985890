"""The best configurations of a sweep trained again with other seeds: what they are worth, and which differ.

The score that a sweep chooses its winner by is the largest of many, so it is too high: whoever was lucky was chosen.
Runs with seeds that the sweep did not use have no such luck. They decide, by their mean on validation, which
configuration is the best; the test part never does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

from raytrain.tuning.significance import Interval, PairedTest

__all__ = [
    "Candidate",
    "Comparison",
    "Confirmation",
    "ConfirmingRun",
    "Part",
    "confirmation_from",
    "on_test_part",
    "run_from",
]

Part: TypeAlias = Literal["validation", "test"]
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class ConfirmingRun:
    """One run of a candidate.

    Attributes:
        seed: Of the training; the split is that of the sweep.
        epoch: Its best epoch by validation; 0 for a classical model.
        validation: `val/...` metrics of that epoch; none where the run failed.
        test: `test/...` metrics of that epoch.
        seconds: How long it took.
        reason: Why it failed, if it did.
    """

    seed: int
    epoch: int
    validation: dict[str, float]
    test: dict[str, float]
    seconds: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A configuration, or a classical model, with its runs.

    Attributes:
        name: `trial 3`, or the model's name.
        trial: The trial's number; 0 for a classical model.
        tuned: The score that the sweep knew it by.
        runs: One per seed, the same seeds for all candidates.
        validation: The sweep's metric on the validation part, over the runs.
        test: The same metric on the test part.
        optimism: By how much the sweep's score was better than the mean of the runs; negative where it was worse.
    """

    name: str
    trial: int
    tuned: float
    runs: tuple[ConfirmingRun, ...]
    validation: Interval
    test: Interval
    optimism: float

    @property
    def failed(self) -> tuple[ConfirmingRun, ...]:
        """The runs that did not come to an end; with one the means are NaN."""
        return tuple(run for run in self.runs if run.reason)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The confirmed best against another candidate, on one part.

    Attributes:
        first: The confirmed best.
        second: The other one.
        part: Where both were scored.
        result: First minus second, by seed.
        adjusted_p: The t-test's p-value, adjusted by Holm for the comparisons on this part.
        better: Whether the first one's mean is the better one.
    """

    first: str
    second: str
    part: Part
    result: PairedTest
    adjusted_p: float
    better: bool

    @property
    def distinguishable(self) -> bool:
        """Whether the difference is more than seeds explain, at 5 %, as far as the number of seeds can tell."""
        reachable = self.result.least_p <= LEVEL
        return self.adjusted_p < LEVEL and (self.result.sign_flip_p <= LEVEL or not reachable)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the runs with other seeds showed.

    Attributes:
        metric: The sweep's.
        seeds: Those of the runs.
        tried: Trials that the candidates were chosen from.
        candidates: Configurations by their mean on validation, best first, then classical models likewise.
        ahead: Number of the trial that the sweep had first.
        best: Number of the confirmed best trial; None where a run of every candidate failed.
        comparisons: Of the best with the runner-up and with the best classical model, on each part.
        test_recordings: Recordings of the test part, the same in all runs.
        notes: What else a reader must know.
    """

    metric: str
    seeds: tuple[int, ...]
    tried: int
    candidates: tuple[Candidate, ...]
    ahead: int
    best: int | None
    comparisons: tuple[Comparison, ...]
    test_recordings: int
    notes: tuple[str, ...] = ()

    def dataframe(self) -> pd.DataFrame:
        """Return one row per run: candidate, trial, seed, epoch, reason, and its metrics."""
        return pd.DataFrame(
            [
                {
                    "candidate": one.name,
                    "trial": one.trial,
                    "seed": run.seed,
                    "epoch": run.epoch,
                    "reason": run.reason,
                    **run.validation,
                    **run.test,
                }
                for one in self.candidates
                for run in one.runs
            ]
        )


def on_test_part(metric: str) -> str:
    """Return the name on the test part of a validation metric.

    >>> on_test_part("val/macro_f1")
    'test/macro_f1'
    """
    return f"test/{metric.split('/', 1)[1]}"


def confirmation_from(content: Mapping[str, Any]) -> Confirmation:
    """Return what was written as JSON, in which a number that is not finite is null."""
    return Confirmation(
        **{
            **content,
            "seeds": tuple(content["seeds"]),
            "candidates": tuple(_candidate_from(one) for one in content["candidates"]),
            "comparisons": tuple(_comparison_from(one) for one in content["comparisons"]),
            "notes": tuple(content["notes"]),
        }
    )


def run_from(content: Mapping[str, Any]) -> ConfirmingRun:
    """Return a run that was written as JSON."""
    return ConfirmingRun(**{**content, "validation": _finite(content["validation"]), "test": _finite(content["test"])})


def _candidate_from(content: Mapping[str, Any]) -> Candidate:
    runs = tuple(run_from(run) for run in content["runs"])
    intervals = {part: Interval(**_finite(content[part])) for part in ("validation", "test")}
    return Candidate(**{**_finite(content), **intervals, "runs": runs})


def _comparison_from(content: Mapping[str, Any]) -> Comparison:
    result = {**_finite(content["result"]), "difference": Interval(**_finite(content["result"]["difference"]))}
    return Comparison(**{**_finite(content), "result": PairedTest(**result)})


def _finite(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: math.nan if value is None else value for name, value in content.items()}
