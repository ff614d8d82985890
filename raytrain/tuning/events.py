"""The trials of a run that has no result yet, from the lines it wrote while it went on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from raytrain.callbacks.early_stopping import improves
from raytrain.config.schema import METRICS
from raytrain.errors import RunError
from raytrain.tuning.records import TrialRecord

__all__ = ["EVENTS_FILE", "read_events"]

EVENTS_FILE = "events.jsonl"
_NOT_METRICS = ("event", "trial", "number", "pid", "metrics")


def read_events(path: Path, *, metric: str) -> tuple[TrialRecord, ...]:
    """Return the trials that `events.jsonl` tells of, in the order of starting.

    A trial without an end keeps the status `running`. A trial that went on after a crash from an earlier epoch has
    each epoch once, as it was run last. The last line may be cut off, as a killed process leaves it.

    Args:
        path: The file.
        metric: What the sweep is judged by.

    Raises:
        RunError: A line other than the last is damaged.
    """
    records: dict[int, TrialRecord] = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            _add(records, json.loads(line))
        except (KeyError, TypeError, ValueError) as error:
            if number == len(lines) and not line.endswith("\n"):
                break
            raise RunError(
                f"{path}, line {number}: is damaged ({type(error).__name__}: {error}); remove the line to see the rest"
            ) from error
    for record in records.values():
        record.best = _best(record.curve, metric)
    return tuple(records.values())


def _add(records: dict[int, TrialRecord], event: dict[str, Any]) -> None:
    number = _number_of(records, event)
    match event["event"]:
        case "start":
            record = records.setdefault(number, TrialRecord(event["trial"], number, {}))
            record.trial_id, record.point, record.status = event["trial"], dict(event["point"]), "running"
            record.attributes = {**record.attributes, **event.get("attributes", {})}
        case "epoch":
            fields = {key: value for key, value in event.items() if key not in _NOT_METRICS}
            row = {key: _number(value) for key, value in {**fields, **event.get("metrics", {})}.items()}
            curve = records[number].curve
            curve[:] = [one for one in curve if one["epoch"] < row["epoch"]]
            curve.append(row)
        case "end":
            records[number].status, records[number].reason = event["status"], event["reason"]


def _number_of(records: dict[int, TrialRecord], event: dict[str, Any]) -> int:
    """Return the number of an event's trial; raytrain 0.1 named it in the first event only, in others by its id."""
    if "number" in event:
        return int(event["number"])
    return {record.trial_id: record.number for record in records.values()}[event["trial"]]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _best(curve: list[dict[str, float]], metric: str) -> dict[str, float] | None:
    best: dict[str, float] | None = None
    for row in curve:
        value = row.get(metric, math.nan)
        if math.isfinite(value) and improves(value, None if best is None else best[metric], mode=METRICS[metric]):
            best = row
    return best
