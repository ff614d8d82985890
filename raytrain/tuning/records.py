"""What happened to each trial, written down as it happens, and read again by a sweep that goes on."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from raytrain.callbacks.early_stopping import improves
from raytrain.config.schema import METRICS
from raytrain.config.space import Bound, SearchConfig, SpaceConfig
from raytrain.engine.checkpoint import BEST
from raytrain.engine.manifest import finite
from raytrain.errors import RunError
from raytrain.tuning.space import Point
from raytrain.tuning.trial_files import trial_directory

__all__ = ["EVENTS_FILE", "Recorder", "Status", "TrialRecord", "read_events", "records_of", "violation"]

Status = Literal["running", "finished", "stopped", "failed"]
EVENTS_FILE = "events.jsonl"
_METRIC_PREFIXES = ("train/", "val/", "model/")
_FACT_PREFIX = "model/"


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
            _add(records[number], row | {"epoch": event["epoch"], "seconds": event["seconds"]}, metric, folder)
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


def _add(record: TrialRecord, row: dict[str, float], metric: str, folder: Path) -> None:
    record.add(row, metric)
    directory = trial_directory(folder, record.number - 1)
    record.directory = str(directory)
    record.checkpoint = "" if record.best is None else str(directory / BEST)


class Recorder(Callback):  # type: ignore[misc]  # ray is untyped
    """Keeps a record of every trial in memory, and each event as a line of `events.jsonl`, flushed.

    Attributes:
        path: The file of events.
        goes_on: Whether the trial of a number, from 0, is begun again after its process died.

    Args:
        space: The sweep.
        directory: The sweep's folder; the events of an earlier session there are gone on from.
        goes_on: Whether the trial of a number, from 0, is begun again after its process died.
    """

    def __init__(self, space: SpaceConfig, directory: Path) -> None:
        self.goes_on: Callable[[int], bool] = _never
        self.metric = space.fixed.metric
        self._space = space
        self.path = directory / EVENTS_FILE
        self._folder = directory / "trials"
        _cut_partial_line(self.path)
        self.records = records_of(self.path, metric=self.metric, folder=self._folder)
        for record in self.records.values():
            record.measure(space.search)
        self._log: TextIO | None = None
        self._clock: dict[int, float] = {}
        budget_s = space.search.time_budget_s
        self._deadline = None if budget_s is None else time.monotonic() + budget_s

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file out of what Tune writes down of its callbacks."""
        return self.__dict__ | {"_log": None, "goes_on": _never}

    def of(self, trial: TuneTrial) -> TrialRecord:
        """Return the record of one of Tune's trials."""
        return self.records[int(trial.config["number"]) + 1]

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        """Open a record, or go on with the one of a trial that was interrupted."""
        number, point = int(trial.config["number"]) + 1, dict(trial.config["point"])
        known = self.records.get(number)
        if known is None:
            known = self.records[number] = TrialRecord(trial.trial_id, number, point, started=time.monotonic())
            known.attributes = {"seed": point.get("seed", self._space.fixed.seed), "begun": 1}
        elif known.trial_id != trial.trial_id or number in self._clock:
            known.attributes = {**known.attributes, "begun": known.attributes.get("begun", 1) + 1}
        known.trial_id, known.point, known.status = trial.trial_id, point, "running"
        known.directory = str(trial_directory(self._folder, number - 1))
        self._clock[number] = time.monotonic() - known.seconds
        self._write(event="start", trial=trial.trial_id, number=number, point=point, attributes=known.attributes)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, Any],
        **_: Any,
    ) -> None:
        """Add an epoch, and those before it that a process or a driver that died did not tell."""
        record = self.of(trial)
        if "failed" in result:
            record.status, record.reason = "failed", result["failed"]
            return
        facts = {key: value for key, value in result.items() if key.startswith(_FACT_PREFIX)}
        for epoch, row in enumerate(json.loads(result.get("earlier", "[]")), start=1):
            if len(record.curve) < epoch < result["epoch"]:
                self._epoch(record, epoch, row | facts, pid=None)
        if "point" in result and json.loads(result["point"]) != record.point:  # a copy of another trial's
            record.point = json.loads(result["point"])
            self._write(event="change", number=record.number, epoch=result["epoch"], point=record.point)
        self._epoch(record, int(result["epoch"]), result, pid=result.get("pid"))
        record.attributes = {**record.attributes, "host": result.get("hostname")}
        record.status = "finished" if result["finished"] else "running"
        record.reason = result["stop_reason"]

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        """Close the record of a trial that ended without an error."""
        late = self._deadline is not None and time.monotonic() >= self._deadline
        self._end(self.of(trial), "by the time budget" if late else "by the scheduler")

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        """Close the record of a trial whose process died, unless it is begun again."""
        if int(trial.config["number"]) + 1 not in self.records:
            self.on_trial_start(iteration, trials, trial)
        record = self.of(trial)
        if self.goes_on(record.number - 1):
            return
        record.status, record.reason = "failed", _reason(trial)
        self._write_end(record)

    def settle(self, number: int, status: Status, reason: str) -> None:
        """Close a record as the study tells, which heard of the trial's end before a crash."""
        record = self.records[number]
        record.status, record.reason = status, reason
        self._write_end(record)

    def close(self, *, reason: str) -> None:
        """Mark the trials that were still running as stopped for `reason`, and close the file."""
        for record in self.records.values():
            if record.status == "running":
                self._end(record, reason)
        if self._log is not None:
            self._log.close()
            self._log = None

    def _epoch(self, record: TrialRecord, epoch: int, result: dict[str, Any], *, pid: int | None) -> None:
        metrics = {key: value for key, value in result.items() if key.startswith(_METRIC_PREFIXES)}
        seconds = time.monotonic() - self._clock[record.number]
        _add(record, {"epoch": epoch, "seconds": seconds, **metrics}, self.metric, self._folder)
        record.measure(self._space.search)
        self._write(event="epoch", number=record.number, epoch=epoch, seconds=seconds, pid=pid, metrics=metrics)

    def _end(self, record: TrialRecord, reason: str) -> None:
        """Close a record; `reason` is what stopped a trial that was not at its own end."""
        if record.status == "running":
            record.status, record.reason = "stopped", reason
        if record.status != "failed" and record.curve and record.best is None:
            record.status, record.reason = "failed", f"{self.metric} was never a finite number"
        self._write_end(record)

    def _write_end(self, record: TrialRecord) -> None:
        self._write(event="end", number=record.number, status=record.status, reason=record.reason)

    def _write(self, **event: Any) -> None:
        if self._log is None:
            self._log = self.path.open("a", encoding="utf-8")
        self._log.write(json.dumps(finite(event), allow_nan=False) + "\n")
        self._log.flush()


def _never(number: int) -> bool:  # noqa: ARG001 - of any trial
    return False


def _cut_partial_line(path: Path) -> None:
    """Take off what a crash left of a last line, so that the next event does not stand behind it."""
    if path.is_file():
        content = path.read_bytes()
        if not content.endswith(b"\n") and content:
            with path.open("rb+") as file:
                file.truncate(content.rfind(b"\n") + 1)


def _reason(trial: TuneTrial) -> str:
    """Return the error's own text: the last line of what Tune wrote of it, beside its driver until it is synced."""
    try:
        lines = Path(trial.error_file or "").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown error"
    last = next((line.strip() for line in reversed(lines) if line.strip()), "unknown error")
    return last.removeprefix("raytrain.errors.")
