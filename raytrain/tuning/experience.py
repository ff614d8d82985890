"""What earlier sweeps learned, for one that starts warm: points that lie in its space, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raytrain.config.space import OBJECTIVES, Distribution, SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.continuation import begun_space
from raytrain.tuning.distributions import contains
from raytrain.tuning.proposers import Outcome
from raytrain.tuning.records import EVENTS_FILE, TrialRecord, records_of
from raytrain.tuning.space import Point, active_parameters

__all__ = ["experience_of", "point_in"]


_LEARN_NOTHING = ("grid", "random", "quasi_random")


def experience_of(runs: Sequence[Path], space: SpaceConfig) -> list[tuple[Point, Outcome]]:
    """Return the ended trials of earlier sweeps whose points lie in `space`, with what they were worth.

    Parameters that `space` does not vary are left out of a point; a point that lacks one that it does is not used.

    Raises:
        ConfigError: The search learns nothing; or a run is no sweep, was judged by another metric, or has no point that
            lies in the space.
    """
    found: list[tuple[Point, Outcome]] = []
    if runs and space.search.algorithm in _LEARN_NOTHING:
        raise ConfigError(
            f"--warm-start-from {runs[0]}: {space.search.algorithm} learns nothing from trials; search with tpe, gp, "
            "cmaes, nsga2 or hyperopt, or start without it"
        )
    for run in runs:
        earlier = begun_space(run)
        if earlier.fixed.metric != space.fixed.metric:
            raise ConfigError(
                f"--warm-start-from {run}: it was judged by {earlier.fixed.metric}, this sweep is by "
                f"{space.fixed.metric}; set fixed.metric={earlier.fixed.metric}, or start without it"
            )
        records = records_of(run / EVENTS_FILE, metric=space.fixed.metric, folder=run / "trials").values()
        usable = [(point, outcome) for record in records if (outcome := _outcome(record, space)) is not None
                  if (point := point_in(space, record.point)) is not None]  # fmt: skip
        if not records:
            raise ConfigError(f"--warm-start-from {run}: it has no trials yet; run it first, or start without it")
        if not usable:
            raise ConfigError(
                f"--warm-start-from {run}: none of its {len(records)} trials is a point of this space; it varies "
                f"{', '.join(earlier.parameters)}, this one {', '.join(space.parameters)}"
            )
        found += usable
    return found


def point_in(space: SpaceConfig, values: Mapping[str, Any]) -> Point | None:
    """Return the point of `space` with these values; None where one is missing or out of its distribution.

    >>> lr = {"optimizer.lr": {"type": "uniform", "low": 0.0, "high": 1.0}}
    >>> space = SpaceConfig.model_validate({"name": "one", "parameters": lr})
    >>> point_in(space, {"optimizer.lr": 0.5, "epochs": 3}), point_in(space, {"optimizer.lr": 2.0})
    ({'optimizer.lr': 0.5}, None)
    """
    try:
        return active_parameters(space, lambda name, one: _checked(one, values[name]))
    except (KeyError, ValueError):
        return None


def _checked(one: Distribution, value: Any) -> Any:  # noqa: ANN401 - any value
    if not contains(one, value):
        raise ValueError(value)
    return value


def _outcome(record: TrialRecord, space: SpaceConfig) -> Outcome | None:
    """Return what became of a trial; None where it never ended, or lacks one of the objectives."""
    if record.status == "running":
        return None
    if record.best is None:
        return Outcome(None)
    record.measure(space.search)
    measured = {space.fixed.metric: record.best[space.fixed.metric], **record.objectives}
    if len(measured) < 1 + len(space.search.objectives):
        return None
    values = tuple(value if OBJECTIVES[name] == "max" else -value for name, value in measured.items())
    stopped_at = int(record.curve[-1]["epoch"]) if record.status == "stopped" else None
    known = len(record.violations) == len(space.search.constraints)  # it may not have measured all
    return Outcome(values, stopped_at, tuple(record.violations.values()) if known else ())
