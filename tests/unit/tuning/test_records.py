"""What a sweep's events tell of its trials."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from raytrain.errors import RunError
from raytrain.tuning.records import TrialRecord, records_of

METRIC = "val/macro_f1"


def start(number: int, **point: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"event": "start", "trial": f"id{number}", "number": number, "point": point}


def epoch(number: int, index: int, value: float | None) -> dict[str, Any]:
    told = {"epoch": index, "seconds": 1.5 * index, "pid": 17, "metrics": {METRIC: value}}
    return {"event": "epoch", "number": number, **told}


def end(number: int, status: str, reason: str = "") -> dict[str, Any]:
    return {"event": "end", "number": number, "status": status, "reason": reason}


def written(folder: Path, *events: dict[str, Any], rest: str = "") -> Path:
    path = folder / "events.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events) + rest, encoding="utf-8")
    return path


def recorded(path: Path, metric: str = METRIC) -> list[TrialRecord]:
    return list(records_of(path, metric=metric, folder=path.parent / "trials").values())


def test_trials_are_told_as_they_went(tmp_path: Path) -> None:
    events = [start(1, lr=0.1), start(2, lr=0.2), epoch(1, 1, 0.5), epoch(2, 1, None), epoch(1, 2, 0.4)]
    path = written(tmp_path, *events, end(1, "stopped", "by the scheduler"))
    first, second = recorded(path)
    assert (first.trial_id, first.number, first.point) == ("id1", 1, {"lr": 0.1})
    assert (first.status, first.reason, first.value(METRIC)) == ("stopped", "by the scheduler", 0.5)
    assert first.curve == [{"epoch": 1, "seconds": 1.5, METRIC: 0.5}, {"epoch": 2, "seconds": 3.0, METRIC: 0.4}]
    assert (second.status, second.best) == ("running", None)
    assert math.isnan(second.curve[0][METRIC])


def test_what_is_known_of_a_trial_is_told(tmp_path: Path) -> None:
    known = {"attributes": {"seed": 3, "begun": 2}}
    told = epoch(1, 1, 0.5) | {"host": "node-7"}
    (record,) = recorded(written(tmp_path, start(1) | known, told, epoch(1, 2, 0.5)))
    assert record.attributes == {"seed": 3, "begun": 2, "host": "node-7"}


def test_the_best_epoch_of_a_loss_is_the_least(tmp_path: Path) -> None:
    rows = [
        epoch(1, index, 0.9) | {"metrics": {METRIC: 0.9, "val/loss": loss}}
        for index, loss in enumerate((0.5, 0.25, 0.75), start=1)
    ]
    (record,) = recorded(written(tmp_path, start(1), *rows), "val/loss")
    assert record.best is not None
    assert record.best["epoch"] == 2


def test_a_trial_that_went_on_from_an_earlier_epoch_has_each_epoch_once(tmp_path: Path) -> None:
    before = [start(1), epoch(1, 1, 0.1), epoch(1, 2, 0.9), epoch(1, 3, 0.3)]
    path = written(tmp_path, *before, start(1), epoch(1, 2, 0.5), epoch(1, 3, 0.6))
    (record,) = recorded(path)
    assert [row[METRIC] for row in record.curve] == [0.1, 0.5, 0.6]
    assert record.value(METRIC) == 0.6


def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    line = json.dumps(epoch(1, 2, 0.5))
    (record,) = recorded(written(tmp_path, start(1), epoch(1, 1, 0.25), rest=line[:40]))
    assert len(record.curve) == 1


def test_nothing_written_yet_is_no_trial(tmp_path: Path) -> None:
    assert recorded(written(tmp_path)) == []


@pytest.mark.parametrize("line", ["{", "[]", json.dumps(epoch(7, 1, 0.5))])
def test_a_damaged_line_is_named(line: str, tmp_path: Path) -> None:
    path = written(tmp_path, start(1), rest=f"{line}\n" + json.dumps(start(2)) + "\n")
    with pytest.raises(RunError, match=r"events\.jsonl, line 2: is damaged"):
        recorded(path)
