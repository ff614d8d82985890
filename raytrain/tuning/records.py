"""What happened to each trial, written down as it happens."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from raytrain.callbacks.early_stopping import improves
from raytrain.config.schema import METRICS
from raytrain.config.space import SpaceConfig
from raytrain.engine.manifest import finite
from raytrain.tuning.space import Point

__all__ = ["Recorder", "Status", "TrialRecord"]

Status = Literal["running", "finished", "stopped", "failed"]
_METRIC_PREFIXES = ("train/", "val/")


@dataclass(slots=True)
class TrialRecord:
    """One trial.

    Attributes:
        trial_id: Tune's id of it.
        number: From 1, in the order of starting.
        point: Its parameters.
        status: `finished` ran to its own end; `stopped` was ended by the scheduler, the budget or Ctrl-C; `failed`
            raised an error or never had a finite value of the sweep's metric.
        curve: The metrics of each epoch, with `epoch` and `seconds` since the trial's start.
        best: Its best epoch's metrics.
        reason: Why it ended, where there is something to say.
        directory: Where Tune keeps its files.
        checkpoint: The folder of its best epoch's checkpoint; empty before the first.
        started: Clock at its start, in seconds.
        attributes: What else is known of it: host, seed, how often it was begun again after a crash.
        objectives: What it is worth beside the metric, e.g. `model/parameters`.
        violations: By how much it breaks each constraint; empty where there are none, 0 where it keeps to one.
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

    def value(self, metric: str) -> float | None:
        """Return the best value of the sweep's metric, None before the first epoch."""
        return None if self.best is None else self.best[metric]


class Recorder(Callback):  # type: ignore[misc]  # ray is untyped
    """Keeps a record of every trial in memory, and each event as a line of `events.jsonl`, flushed.

    Args:
        space: The sweep.
        log: The file.
    """

    def __init__(self, space: SpaceConfig, log: Path) -> None:
        self.metric = space.fixed.metric
        self.records: dict[str, TrialRecord] = {}
        self._path = log
        self._log: TextIO | None = None
        budget_s = space.search.time_budget_s
        self._deadline = None if budget_s is None else time.monotonic() + budget_s

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file out of what Tune writes down of its callbacks."""
        return self.__dict__ | {"_log": None}

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        """Open a record."""
        if trial.trial_id not in self.records:
            point = dict(trial.config["point"])
            record = TrialRecord(trial.trial_id, len(self.records) + 1, point, started=time.monotonic())
            self.records[trial.trial_id] = record
            self._write(event="start", trial=trial.trial_id, number=record.number, point=point)

    def on_trial_result(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        result: dict[str, Any],
        **_: Any,
    ) -> None:
        """Add an epoch."""
        record = self.records[trial.trial_id]
        metrics = {key: value for key, value in result.items() if key.startswith(_METRIC_PREFIXES)}
        row = {"epoch": result["epoch"], "seconds": time.monotonic() - record.started, **metrics}
        record.curve.append(row)
        value = row[self.metric]
        if math.isfinite(value) and improves(value, record.value(self.metric), mode=METRICS[self.metric]):
            record.best = row
        record.directory = trial.path or ""
        record.status = "finished" if result["finished"] else "running"
        record.reason = result["stop_reason"]
        self._write(event="epoch", trial=trial.trial_id, pid=result.get("pid"), **row)

    def on_checkpoint(
        self,
        iteration: int,
        trials: list[TuneTrial],
        trial: TuneTrial,
        checkpoint: Any,
        **_: Any,
    ) -> None:
        """Note where the trial's checkpoint is; one is written only for an epoch better than all before."""
        self.records[trial.trial_id].checkpoint = checkpoint.path

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        """Close the record of a trial that ended without an error."""
        record = self.records[trial.trial_id]
        late = self._deadline is not None and time.monotonic() >= self._deadline
        self._end(record, "by the time budget" if late else "by the scheduler")

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        """Close the record of a trial that failed."""
        if trial.trial_id not in self.records:
            self.on_trial_start(iteration, trials, trial)
        record = self.records[trial.trial_id]
        record.status, record.reason = "failed", _reason(trial)
        self._write_end(record)

    def close(self, *, reason: str) -> None:
        """Mark the trials that were still running as stopped for `reason`, and close the file."""
        for record in self.records.values():
            if record.status == "running":
                self._end(record, reason)
        if self._log is not None:
            self._log.close()
            self._log = None

    def _end(self, record: TrialRecord, reason: str) -> None:
        """Close a record; `reason` is what stopped a trial that was not at its own end."""
        if record.status == "running":
            record.status, record.reason = "stopped", reason
        if record.curve and record.best is None:
            record.status, record.reason = "failed", f"{self.metric} was never a finite number"
        self._write_end(record)

    def _write_end(self, record: TrialRecord) -> None:
        self._write(event="end", trial=record.trial_id, status=record.status, reason=record.reason)

    def _write(self, **event: Any) -> None:
        if self._log is None:
            self._log = self._path.open("a", encoding="utf-8")
        self._log.write(json.dumps(finite(event), allow_nan=False) + "\n")
        self._log.flush()


def _reason(trial: TuneTrial) -> str:
    """Return the error's own text: the last line of what Tune wrote of it, beside its driver until it is synced."""
    try:
        lines = Path(trial.error_file or "").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown error"
    last = next((line.strip() for line in reversed(lines) if line.strip()), "unknown error")
    return last.removeprefix("raytrain.errors.")
