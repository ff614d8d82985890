"""A sweep's trials written down as they go, in memory and as events in a file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from ray.tune import Callback
from ray.tune.experiment import Trial as TuneTrial

from raytrain.config.space import SpaceConfig
from raytrain.engine.manifest import finite
from raytrain.tuning.records import EVENTS_FILE, Status, TrialRecord, add_epoch, records_of
from raytrain.tuning.trial_files import trial_directory

__all__ = ["Recorder", "error_reason"]

_METRIC_PREFIXES = ("train/", "val/", "model/")
_FACT_PREFIX = "model/"


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
                self._epoch(record, epoch, row | facts)
        if "point" in result and json.loads(result["point"]) != record.point:  # a copy of another trial's
            record.point = json.loads(result["point"])
            self._write(event="change", number=record.number, epoch=result["epoch"], point=record.point)
        host = result.get("hostname")
        record.attributes = {**record.attributes, "host": host}
        self._epoch(record, int(result["epoch"]), result, pid=result.get("pid"), host=host)
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
        record.status, record.reason = "failed", error_reason(trial)
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

    def _epoch(self, record: TrialRecord, epoch: int, result: dict[str, Any], **process: Any) -> None:
        metrics = {key: value for key, value in result.items() if key.startswith(_METRIC_PREFIXES)}
        seconds = time.monotonic() - self._clock[record.number]
        row = {"epoch": epoch, "seconds": seconds, **metrics}
        add_epoch(record, row, metric=self.metric, folder=self._folder)
        record.measure(self._space.search)
        self._write(event="epoch", number=record.number, epoch=epoch, seconds=seconds, metrics=metrics, **process)

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


def error_reason(trial: TuneTrial) -> str:
    """Return the error's own text: the last line of what Tune wrote of it, beside its driver until it is synced."""
    try:
        lines = Path(trial.error_file or "").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown error"
    last = next((line.strip() for line in reversed(lines) if line.strip()), "unknown error")
    advice = " Some common causes include"  # Ray's, five lines for every process that dies
    return last.removeprefix("raytrain.errors.").partition(advice)[0]
