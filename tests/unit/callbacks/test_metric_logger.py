from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raytrain.callbacks.metric_logger import MetricLogger
from raytrain.types import Progress

Make = Callable[..., Any]
EPOCHS = [{"train/loss": 0.1 + 0.2, "val/accuracy": 1.0}, {"train/loss": 1e-300, "val/accuracy": 0.5}]


def lines(path: Path) -> list[dict[str, Any]]:
    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text("utf-8").splitlines()]


def test_each_epoch_is_one_line_with_exact_numbers(told: Make, fit_state: Make, tmp_path: Path) -> None:
    log = tmp_path / "new" / "metrics.jsonl"
    told(MetricLogger(log), fit_state(), EPOCHS)
    assert lines(log) == [{"epoch": epoch, **row} for epoch, row in enumerate(EPOCHS, start=1)]
    assert log.read_text("utf-8").endswith("}\n")


def test_an_epoch_is_on_disk_as_soon_as_it_ends(fit_state: Make, tmp_path: Path) -> None:
    log, state = tmp_path / "metrics.jsonl", fit_state()
    callback = MetricLogger(log)
    callback.on_fit_start(state)
    assert log.read_text("utf-8") == ""
    state.metrics, state.progress = {"train/loss": 1.0}, Progress(epoch=1, step=4, fraction=0.5)
    callback.on_checkpoint(state)
    assert lines(log) == [{"epoch": 1, "train/loss": 1.0}]


def test_nan_is_null(told: Make, fit_state: Make, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    told(MetricLogger(log), fit_state(), [{"val/macro_f1": float("nan"), "val/loss": float("inf")}])
    assert lines(log) == [{"epoch": 1, "val/macro_f1": None, "val/loss": None}]


def test_a_new_run_starts_the_file_anew(told: Make, fit_state: Make, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text("of an earlier run\n")
    told(MetricLogger(log), fit_state(), EPOCHS[:1])
    assert lines(log) == [{"epoch": 1, **EPOCHS[0]}]


def test_a_resumed_run_drops_what_came_after_its_snapshot(told: Make, fit_state: Make, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    told(MetricLogger(log), fit_state(), [EPOCHS[0], {"train/loss": 9.0}, {"train/loss": 9.0}])
    state = fit_state()
    state.history, state.progress = [dict(EPOCHS[0])], Progress(epoch=1, step=4, fraction=0.5)
    told(MetricLogger(log), state, EPOCHS[1:])
    assert lines(log) == [{"epoch": epoch, **row} for epoch, row in enumerate(EPOCHS, start=1)]
