from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raytrain.callbacks.metric_logger import MetricLogger, read_metrics
from raytrain.errors import RunError
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


def test_the_reader_returns_what_was_logged(told: Make, fit_state: Make, tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    told(MetricLogger(log), fit_state(), [*EPOCHS, {"val/auroc": math.nan}])
    *rows, last = read_metrics(log)
    assert rows == [{"epoch": epoch, **row} for epoch, row in enumerate(EPOCHS, start=1)]
    assert last["epoch"] == 3
    assert math.isnan(last["val/auroc"])


def test_a_file_cut_at_any_byte_gives_the_whole_lines_before_and_resumes(
    told: Make, fit_state: Make, tmp_path: Path
) -> None:
    log = tmp_path / "metrics.jsonl"
    told(MetricLogger(log), fit_state(), EPOCHS)
    whole, rows = log.read_bytes(), read_metrics(log)
    for length in range(len(whole)):
        log.write_bytes(whole[:length])
        assert read_metrics(log) == rows[: whole[:length].count(b"\n")]
        state = fit_state()
        state.history, state.progress = [dict(EPOCHS[0])], Progress(epoch=1, step=4, fraction=0.5)
        told(MetricLogger(log), state, EPOCHS[1:])
        assert log.read_bytes() == whole


def test_a_process_killed_in_mid_write_loses_no_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    code = f"""
import os, signal
from pathlib import Path
from types import SimpleNamespace
from raytrain.callbacks.metric_logger import MetricLogger
run = SimpleNamespace(is_writer=True, history=[], progress=SimpleNamespace(epoch=0), metrics={{}})
logger = MetricLogger({str(log)!r})
logger.on_fit_start(run)
for epoch in (1, 2, 3):
    run.progress.epoch, run.metrics = epoch, {{"val/loss": 1 / epoch}}
    logger.on_checkpoint(run)
with Path({str(log)!r}).open("a") as file:  # what the kernel took of the fourth line when the kill came
    file.write('{{"epoch": 4, "val')
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert read_metrics(log) == [{"epoch": epoch, "val/loss": 1 / epoch} for epoch in (1, 2, 3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"epoch": 1}\n{"epo\n{"epoch": 3}\n',
            r"metrics.jsonl, line 2 is not JSON; the file was changed after it was",
        ),
        ("[1, 2]\n", r"line 1 is no row of metrics; give the metrics.jsonl of a training run$"),
        ('{"epoch": 1, "trial": "a"}\n', r"line 1 is no row of metrics"),
    ],
)
def test_what_no_kill_leaves_behind_is_refused(tmp_path: Path, content: str, message: str) -> None:
    log = tmp_path / "metrics.jsonl"
    log.write_text(content)
    with pytest.raises(RunError, match=message):
        read_metrics(log)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none.jsonl cannot be read: No such file or directory$"):
        read_metrics(tmp_path / "none.jsonl")
