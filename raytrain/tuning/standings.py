"""Where each trial of a sweep with several objectives stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from raytrain.config.space import OBJECTIVES
from raytrain.tuning.pareto import pareto_front
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
    valued = []
    for record in trials:
        measured = (record.value(metric), *map(record.objectives.get, objectives))
        values = tuple(math.nan if value is None else value for value in measured)
        if all(map(math.isfinite, values)):
            valued.append((record, values))
    rivals = [(record, values) for record, values in valued if record.feasible]
    best = pareto_front([values for _, values in rivals], [OBJECTIVES[name] for name in (metric, *objectives)])
    front = {rivals[index][0].number for index in best}
    return [Standing(record, values, record.number in front) for record, values in valued]
