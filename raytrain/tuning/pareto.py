"""Which trials no other trial beats in everything at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from raytrain.config.space import OBJECTIVES
from raytrain.tuning.records import TrialRecord

__all__ = ["Standing", "pareto_standings"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a trial stands among the others.

    Attributes:
        record: The trial.
        values: Its metric, then each further objective, as measured.
        on_front: Whether it is feasible and no feasible trial is at least as good in all and better in one.
    """

    record: TrialRecord
    values: tuple[float, ...]
    on_front: bool


def pareto_standings(trials: Sequence[TrialRecord], *, metric: str, objectives: Sequence[str]) -> list[Standing]:
    """Return the standing of each trial that has every value, in their order.

    Args:
        trials: Of one sweep.
        metric: What it was judged by.
        objectives: What else it should be good at, of `OBJECTIVES`.
    """
    signs = [1.0 if OBJECTIVES[name] == "max" else -1.0 for name in (metric, *objectives)]
    valued = []
    for record in trials:
        first = record.value(metric)
        values = tuple(math.nan if one is None else one for one in (first, *map(record.objectives.get, objectives)))
        if all(map(math.isfinite, values)):
            valued.append((record, values))
    gains = {
        record.trial_id: tuple(sign * value for sign, value in zip(signs, values, strict=True))
        for record, values in valued
    }
    rivals = [gains[record.trial_id] for record, _ in valued if record.feasible]
    return [
        Standing(record, values, record.feasible and not any(_beats(rival, gains[record.trial_id]) for rival in rivals))
        for record, values in valued
    ]


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(mine >= theirs for mine, theirs in pairs) and any(mine > theirs for mine, theirs in pairs)
