"""What happened to each trial of a sweep, as its events tell."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from raytrain.callbacks.early_stopping import improves
from raytrain.config.schema import METRICS
from raytrain.config.space import Bound, SearchConfig
from raytrain.engine.checkpoint import BEST
from raytrain.errors import RunError
from raytrain.tuning.space import Point
from raytrain.tuning.trial_files import trial_directory

__all__ = ["EVENTS_FILE", "Status", "TrialRecord", "add_epoch", "read_events", "records_of", "violation"]

Status = Literal["running", "finished", "stopped", "failed"]
EVENTS_FILE = "events.jsonl"


@dataclass(slots=True)
class TrialRecord:
    """One trial.

    Attributes:
        trial_id: Tune's id of it; of the latest process, where it went on in another.
        number: From 1, in the order of proposing; its number in the study is one less.
        point: Its parameters; in a population, those it had last.
        status: `finished` ran to its own end; `stopped` was ended by the scheduler, the budget or Ctrl-C; `failed`
            raised an error or never had a finite value of the sweep's metric.
        curve: The metrics of each epoch, with `epoch` and `seconds` that the trial ran until then.
        best: Its best epoch's metrics.
        reason: Why it ended, where there is something to say.
        directory: Where its files are.
        checkpoint: The checkpoint of its best epoch; empty before the first.
        started: Clock at its start, in seconds.
        attributes: What else is known of it: host, seed, how often it was begun again after a crash.
        objectives: What it is worth beside the metric, e.g. `model/parameters`.
        violations: By how much it breaks each constraint; empty where there are none, 0 or less where it keeps to one.
    """

    trial_id: str
    number: int
    point: Point
    status: Status = "running"
    curve: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, float] | None = None
    reason: str = ""
    directory: str = ""
    checkpoint: str = ""
    started: float = 0.0
    attributes: dict[str, Any] = field(default_factory=dict)
    objectives: dict[str, float] = field(default_factory=dict)
    violations: dict[str, float] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        """Whether it keeps to every constraint."""
        return all(amount <= 0 for amount in self.violations.values())

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self.curve[-1]["seconds"] if self.curve else 0.0

    def value(self, metric: str) -> float | None:
        """Return the best value of the sweep's metric, None before the first epoch."""
        return None if self.best is None else self.best[metric]

    def add(self, row: dict[str, float], metric: str) -> None:
        """Add an epoch to the curve; one that is there already takes the place of that and of all after it."""
        while self.curve and self.curve[-1]["epoch"] >= row["epoch"]:
            self.curve.pop()
        self.curve.append(row)
        if self.best is not None and self.best["epoch"] >= row["epoch"]:
            self.best = None
        for one in self.curve if self.best is None else [row]:
            if math.isfinite(one[metric]) and improves(one[metric], self.value(metric), mode=METRICS[metric]):
                self.best = one

    def measure(self, search: SearchConfig) -> None:
        """Take what it is worth beside the metric, and which constraints it breaks, from its best epoch."""
        row = self.best or {}
        self.objectives = {name: row[name] for name in search.objectives if name in row}
        self.violations = {
            name: violation(bound, row[name]) for name, bound in search.constraints.items() if name in row
        }


def violation(bound: Bound, value: float) -> float:
    """Return by how much a value is out of its bound; 0 or less within it, and infinite where it is NaN.

    >>> violation(Bound(most=50), 60), violation(Bound(least=0.5), 0.75)
    (10.0, -0.25)
    """
    if math.isnan(value):
        return math.inf
    return float(
        max(
            -math.inf if bound.least is None else bound.least - value,
            -math.inf if bound.most is None else value - bound.most,
        )
    )


def read_events(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a sweep; a last line that a crash cut short is left out.

    Raises:
        RunError: Another line is damaged.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    except FileNotFoundError:
        return
    for number, line in enumerate(lines, start=1):
        if line.endswith("\n"):
            with _naming(log, number):
                event = json.loads(line)
                int(event["number"])
            yield event


def records_of(log: Path, *, metric: str, folder: Path) -> dict[int, TrialRecord]:
    """Return every trial of a sweep by its number, as its events tell; those that never ended are running.

    A trial that went on from an earlier epoch has each epoch once, as it was run last.

    Args:
        log: The sweep's events.
        metric: What it is judged by.
        folder: Where the trials' folders are.

    Raises:
        RunError: A line other than the last is damaged.
    """
    records: dict[int, TrialRecord] = {}
    for number, event in enumerate(read_events(log), start=1):
        with _naming(log, number):
            _take(records, event, metric, folder)
    return records


def _take(records: dict[int, TrialRecord], event: dict[str, Any], metric: str, folder: Path) -> None:
    number = event["number"]
    match event["event"]:
        case "start":
            record = records.setdefault(number, TrialRecord(event["trial"], number, event["point"]))
            record.trial_id, record.point, record.status = event["trial"], event["point"], "running"
            record.attributes = {**record.attributes, **event.get("attributes", {})}
        case "epoch":
            row = {name: math.nan if value is None else value for name, value in event["metrics"].items()}
            row |= {"epoch": event["epoch"], "seconds": event["seconds"]}
            add_epoch(records[number], row, metric=metric, folder=folder)
            if "host" in event:
                records[number].attributes = {**records[number].attributes, "host": event["host"]}
        case "change":
            records[number].point = event["point"]
        case "end":
            records[number].status, records[number].reason = event["status"], event["reason"]


@contextmanager
def _naming(log: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{log}, line {number}: is damaged ({type(error).__name__}: {error}); remove the line to see the rest"
        ) from error


def add_epoch(record: TrialRecord, row: dict[str, float], *, metric: str, folder: Path) -> None:
    """Add an epoch to a record, and name its files below `folder`."""
    record.add(row, metric)
    directory = trial_directory(folder, record.number - 1)
    record.directory = str(directory)
    record.checkpoint = "" if record.best is None else str(directory / BEST)
