from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from raytrain.callbacks.epoch_table import EpochTable

Make = Callable[..., Any]
ROW = {"train/loss": 1.25, "val/loss": 0.5, "val/macro_f1": 0.87654, "val/recording_macro_f1": 0.75, "train/lr": 3e-4}


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


def lines(screen: io.StringIO) -> list[str]:
    return screen.getvalue().splitlines()


def test_one_heading_and_one_line_per_epoch(
    told: Make, fit_state: Make, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([5.0, 10.0, 12.5, 20.0, 20.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    console = Console(file=screen, width=80)
    told(EpochTable(console, monitor="val/macro_f1", epochs=20), fit_state(), [ROW, ROW])
    assert lines(screen) == [
        "    epoch  train/loss    val/loss          val/macro_f1        lr  seconds",
        "   1/20        1.2500      0.5000                0.8765    0.0003     2.50",
        "   2/20        1.2500      0.5000                0.8765    0.0003     0.25",
    ]


@pytest.mark.parametrize("monitor", ["val/macro_f1", "val/recording_macro_f1"])
def test_numbers_end_below_the_end_of_their_heading(
    told: Make, fit_state: Make, screen: io.StringIO, monitor: str
) -> None:
    told(EpochTable(Console(file=screen, width=100), monitor=monitor, epochs=9), fit_state(), [ROW])
    heading, line = lines(screen)
    assert len(heading) == len(line)
    for title, number in (("train/loss", "1.2500"), (f" {monitor}", f"{ROW[monitor]:.4f}"), (" lr ", "0.0003 ")):
        assert heading.index(title) + len(title) == line.index(number) + len(number)


def test_a_run_without_validation_shows_dashes(told: Make, fit_state: Make, screen: io.StringIO) -> None:
    table = EpochTable(Console(file=screen, width=80), monitor="val/macro_f1", epochs=9)
    told(table, fit_state(), [{"train/loss": 1.25, "train/lr": 0.1}])
    assert lines(screen)[1].split()[:5] == ["1/9", "1.2500", "-", "-", "0.1"]


@pytest.mark.parametrize(("skipped", "note"), [(1.0, "1 step skipped so far"), (3.0, "3 steps skipped so far")])
def test_skipped_steps_are_told(told: Make, fit_state: Make, screen: io.StringIO, skipped: float, note: str) -> None:
    table = EpochTable(Console(file=screen, width=120), monitor="val/macro_f1", epochs=9)
    told(table, fit_state(), [ROW | {"train/skipped_steps": 0.0}, ROW | {"train/skipped_steps": skipped}])
    _, first, second = lines(screen)
    assert "skipped" not in first
    assert second.endswith(f"  {note}")


def test_an_epoch_that_was_interrupted_is_timed_from_where_it_goes_on(
    fit_state: Make, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    table, state = EpochTable(Console(file=screen, width=80), monitor="val/macro_f1", epochs=9), fit_state()
    table.on_fit_start(state)  # and no on_epoch_start: the epoch has begun before
    state.metrics = ROW
    table.on_checkpoint(state)
    assert lines(screen)[1].endswith("   2.50")


def test_nan_is_shown_as_such(told: Make, fit_state: Make, screen: io.StringIO) -> None:
    table = EpochTable(Console(file=screen, width=80), monitor="val/macro_f1", epochs=9)
    told(table, fit_state(), [ROW | {"val/macro_f1": float("nan")}])
    assert lines(screen)[1].split()[3] == "nan"
