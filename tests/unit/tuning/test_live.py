from __future__ import annotations

import io
import pickle
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console, RenderableType

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.distributed.notebook_console import NotebookConsole
from raytrain.tuning.live import LiveTable
from raytrain.tuning.recorder import Recorder
from raytrain.tuning.records import Status, TrialRecord


def make_space(metric: str = "val/macro_f1") -> SpaceConfig:
    parameters = {"optimizer.lr": {"type": "uniform", "low": 0, "high": 1}}
    settings = {"name": "trying", "fixed": {"metric": metric}, "parameters": parameters}
    return validate(SpaceConfig, settings, where="search space")


def record(number: int, status: Status, value: float | None, *, metric: str = "val/macro_f1") -> TrialRecord:
    best = None if value is None else {"epoch": 1.0, metric: value}
    curve = [] if best is None else [best]
    point = {"optimizer.lr": number / 100, "model.name": "wdcnn"}
    return TrialRecord(f"id_{number}", number, point, status=status, curve=curve, best=best)


def shown(records: list[TrialRecord], tmp_path: Path, *, metric: str = "val/macro_f1", total: int = 20) -> list[str]:
    """Return the lines of the table in a terminal a hundred columns wide."""
    recorder = Recorder(make_space(metric), tmp_path)
    recorder.records = {one.number: one for one in records}
    console = Console(file=io.StringIO(), record=True, width=100, force_terminal=True)
    console.print(LiveTable(recorder, make_space(metric), total, console)._render())
    return console.export_text().splitlines()


def numbers(lines: list[str]) -> list[int]:
    """Return the trials of the rows, by their number in the first column."""
    cells = [line.split() for line in lines]
    return [int(row[0]) for row in cells if row and row[0].isdigit()]


def test_counts_and_rows(tmp_path: Path) -> None:
    records = [
        record(1, "finished", 0.5),
        record(2, "failed", None),
        record(3, "stopped", 0.75),
        record(4, "running", 0.25),
        record(5, "running", None),
    ]
    text = "\n".join(lines := shown(records, tmp_path))
    assert "trying: 3/20 trials" in text
    assert "2 running, 1 finished, 1 stopped, 1 failed  0:00" in text
    assert numbers(lines) == [4, 5, 3, 1, 2]
    (row,) = [line for line in lines if line.strip().startswith("3 ")]
    assert row.split() == ["3", "stopped", "1", "0.7500", "lr=0.03,", "model=wdcnn"]
    assert "best val/macro_f1" in text


def test_less_is_better_where_the_metric_says_so(tmp_path: Path) -> None:
    values = [0.5, 0.1, None, 0.3]
    records = [record(number, "finished", value, metric="val/loss") for number, value in enumerate(values, start=1)]
    assert numbers(shown(records, tmp_path, metric="val/loss")) == [2, 4, 1, 3]


def test_a_perfect_loss_of_zero_is_first(tmp_path: Path) -> None:
    records = [record(1, "finished", 0.1, metric="val/loss"), record(2, "finished", 0.0, metric="val/loss")]
    assert numbers(shown(records, tmp_path, metric="val/loss")) == [2, 1]


def test_many_trials_show_those_running_and_the_best(tmp_path: Path) -> None:
    records = [record(number, "stopped", number / 100) for number in range(1, 30)] + [record(30, "running", None)]
    assert numbers(shown(records, tmp_path, total=40)) == [30, *range(29, 18, -1)]


def test_before_the_first_trial(tmp_path: Path) -> None:
    lines = shown([], tmp_path)
    assert "trying: 0/20 trials" in lines[0]
    assert numbers(lines) == []


def test_long_settings_do_not_break_the_line(tmp_path: Path) -> None:
    long = record(1, "running", 0.5)
    long.point |= {f"model.setting_{index}": 1.25 for index in range(20)}
    lines = shown([long], tmp_path)
    assert all(len(line) <= 100 for line in lines)
    assert numbers(lines) == [1]
    assert lines[-1].split()[:4] == ["1", "running", "1", "0.5000"]
    assert lines[-1].endswith("…")


def make_table(tmp_path: Path, console: Console, records: list[TrialRecord]) -> LiveTable:
    recorder = Recorder(make_space(), tmp_path)
    recorder.records = {one.number: one for one in records}
    return LiveTable(recorder, make_space(), 4, console)


def test_without_a_terminal_each_ended_trial_is_one_line(tmp_path: Path) -> None:
    output = io.StringIO()
    records = [record(1, "finished", 0.5), record(2, "failed", None), record(3, "running", None)]
    records[1].reason = "CUDA [bold]error[/bold]: out of memory " + "x" * 200
    table = make_table(tmp_path, Console(file=output, width=80), records)
    table.start()
    table.on_trial_complete(0, [], SimpleNamespace(config={"number": 0}))
    table.on_trial_error(0, [], SimpleNamespace(config={"number": 1}))
    table.stop()
    assert output.getvalue().splitlines() == [
        "[2/4] trial 1 finished after 1 epochs: val/macro_f1 0.5000",
        f"[2/4] trial 2 failed ({records[1].reason}) after 0 epochs: no result",
    ]


def test_in_a_terminal_the_table_comes_and_goes(tmp_path: Path) -> None:
    output = io.StringIO()
    console = Console(file=output, width=100, force_terminal=True, force_interactive=True)
    table = make_table(tmp_path, console, [record(1, "running", 0.5)])
    table.start()
    table.on_trial_complete(0, [], SimpleNamespace(config={"number": 0}))
    table.stop()
    assert "trying: 0/4 trials" in output.getvalue()
    assert "[0/4]" not in output.getvalue()
    length = len(output.getvalue())
    table.stop()
    assert len(output.getvalue()) == length


def test_in_a_notebook_the_table_is_replaced_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def show(console: NotebookConsole, live: RenderableType) -> None:
        paper = Console(file=io.StringIO(), width=100)
        paper.print(live)
        shown.append(cast("io.StringIO", paper.file).getvalue())

    monkeypatch.setattr(NotebookConsole, "show", show)
    table = make_table(tmp_path, NotebookConsole(), [record(1, "running", 0.5)])
    table.start()
    for now in (100.0, 100.1, 101.0):  # the second comes too early to be seen
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        table.on_step_end(1, [])
    assert len(shown) == 3
    table._recorder.records[1].status = "finished"
    table.on_trial_complete(3, [], SimpleNamespace(config={"number": 0}))
    table.stop()
    assert len(shown) == 4
    assert "0/4 trials" in shown[0]
    assert "1/4 trials" in shown[-1]
    assert "[1/4]" not in "".join(shown)


def test_of_a_notebook_nothing_is_pickled(tmp_path: Path) -> None:
    table = make_table(tmp_path, NotebookConsole(), [record(1, "running", 0.5)])
    copy: LiveTable = pickle.loads(pickle.dumps(table))  # noqa: S301 - made here
    assert [vars(copy)[name] for name in ("_console", "_notebook", "_live")] == [None] * 3


@pytest.mark.parametrize("terminal", [True, False])
def test_it_pickles_while_it_shows(terminal: bool, tmp_path: Path) -> None:
    """Tune pickles its callbacks, and neither a console nor a thread that draws can be."""
    console = Console(file=io.StringIO(), force_terminal=terminal)
    table = make_table(tmp_path, console, [record(1, "running", 0.5)])
    table.start()
    try:
        copy: LiveTable = pickle.loads(pickle.dumps(table))  # noqa: S301 - made here
    finally:
        table.stop()
    assert copy._recorder.records == table._recorder.records
    assert vars(copy)["_console"] is None
    assert copy._live is None
