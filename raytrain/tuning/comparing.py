"""Judge candidates by their runs with other seeds: who is the best, and from whom it can be told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from raytrain.config.schema import METRICS
from raytrain.tuning.confirmation import Candidate, Comparison, Confirmation, ConfirmingRun, Part, on_test_part
from raytrain.tuning.significance import holm, interval, paired_test

__all__ = ["confirmation_of"]


def confirmation_of(
    runs: Mapping[tuple[str, int], Sequence[ConfirmingRun]],
    *,
    tuned: Mapping[str, float],
    metric: str,
    tried: int,
    test_recordings: int,
    notes: Sequence[str] = (),
) -> Confirmation:
    """Judge candidates by their runs.

    Args:
        runs: Of each candidate, by its name and its trial's number (0 for a classical model), by the same seeds; trials
            in the order that the sweep had them.
        tuned: The sweep's score of each candidate by name.
        metric: The sweep's.
        tried: Trials that the candidates were chosen from.
        test_recordings: Recordings of the test part.
        notes: What a reader must know of how the runs were made.
    """
    candidates = [_candidate(name, trial, some, tuned[name], metric) for (name, trial), some in runs.items()]
    trials, baselines = ([one for one in candidates if (one.trial > 0) == deep] for deep in (True, False))
    trials, baselines = _by_validation(trials, metric), _by_validation(baselines, metric)
    best = next((one for one in trials[:1] if not math.isnan(one.validation.mean)), None)
    rivals = [] if best is None else [*trials[1:2], *baselines[:1]]
    parts: tuple[Part, ...] = ("validation", "test")
    return Confirmation(
        metric=metric,
        seeds=tuple(run.seed for run in candidates[0].runs),
        tried=tried,
        candidates=(*trials, *baselines),
        ahead=next(trial for _, trial in runs if trial),
        best=None if best is None else best.trial,
        comparisons=tuple(
            one for part in parts if best is not None for one in _comparisons(best, rivals, part, metric)
        ),
        test_recordings=test_recordings,
        notes=tuple(notes),
    )


def _candidate(name: str, trial: int, runs: Sequence[ConfirmingRun], tuned: float, metric: str) -> Candidate:
    validation = interval(_values(runs, "validation", metric))
    sign = 1.0 if METRICS[metric] == "max" else -1.0
    return Candidate(
        name=name,
        trial=trial,
        tuned=tuned,
        runs=tuple(runs),
        validation=validation,
        test=interval(_values(runs, "test", metric)),
        optimism=sign * (tuned - validation.mean),
    )


def _values(runs: Sequence[ConfirmingRun], part: Part, metric: str) -> list[float]:
    if part == "validation":
        return [run.validation.get(metric, math.nan) for run in runs]
    return [run.test.get(on_test_part(metric), math.nan) for run in runs]


def _by_validation(candidates: Sequence[Candidate], metric: str) -> list[Candidate]:
    """Sort by the mean over seeds, best first, candidates with a failed run last; equal ones stay in their order."""
    sign = -1.0 if METRICS[metric] == "max" else 1.0

    def key(one: Candidate) -> float:
        return math.inf if math.isnan(one.validation.mean) else sign * one.validation.mean

    return sorted(candidates, key=key)


def _comparisons(best: Candidate, rivals: Sequence[Candidate], part: Part, metric: str) -> list[Comparison]:
    results = [paired_test(_values(best.runs, part, metric), _values(one.runs, part, metric)) for one in rivals]
    adjusted = holm([result.t_p for result in results])
    sign = 1.0 if METRICS[metric] == "max" else -1.0
    return [
        Comparison(best.name, rival.name, part, result, p, better=sign * result.difference.mean > 0)
        for rival, result, p in zip(rivals, results, adjusted, strict=True)
    ]
