from __future__ import annotations

import io
import re
import sys
import time
import types
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from rich.console import Console

from raytrain.callbacks import progress_bar
from raytrain.callbacks.progress_bar import ProgressBar
from raytrain.engine.fit import fit
from raytrain.types import FitState, Progress

Make = Callable[..., Any]


def last_picture(screen: io.StringIO) -> list[str]:
    """Return the lines of the bars that a terminal shows at the end: those written after the cursor last went up."""
    picture = re.split(r"\x1b\[\d*A", screen.getvalue())[-1]
    lines = re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]|\r", "", picture).splitlines()
    return [line.rstrip() for line in lines if line.strip()]


def terminal(screen: io.StringIO) -> Console:
    return Console(file=screen, width=100, force_terminal=True, color_system=None)


def test_a_run_ends_with_both_bars_full_and_the_losses(training: Make) -> None:
    screen = io.StringIO()
    state = fit(training(lambda _: [ProgressBar(terminal(screen), epochs=4, steps_per_epoch=5)]))
    run, epoch = last_picture(screen)
    row = state.history[-1]
    assert run.startswith("run ")
    assert epoch.startswith("epoch 4/4 ")
    assert "100%" in run
    assert "100%" in epoch
    assert epoch.endswith(f"train/loss {row['train/loss']:.4f}  val/loss {row['val/loss']:.4f}")


@pytest.mark.parametrize("steps_per_epoch", [8, None])
def test_within_an_epoch_the_step_and_its_loss_are_shown(
    fit_state: Make, monkeypatch: pytest.MonkeyPatch, steps_per_epoch: int | None
) -> None:
    monkeypatch.setattr(progress_bar, "_REFRESH_S", 0.0)
    screen, state = io.StringIO(), fit_state()
    bar = ProgressBar(terminal(screen), steps_per_epoch=steps_per_epoch)
    bar.on_fit_start(state)
    for epoch in range(2):
        bar.on_epoch_start(state)
        for step in range(1, 9 if epoch == 0 else 3):
            state.step_loss = torch.tensor(0.25)
            state.progress = Progress(epoch=epoch, step=8 * epoch + step, fraction=(8 * epoch + step) / 40)
            bar.on_step_end(state)
        if epoch == 0:
            state.metrics = {"train/loss": 0.5}
            bar.on_epoch_end(state)
            state.progress = Progress(epoch=1, step=8, fraction=0.2)
    bar.on_fit_end(state)
    run, second = last_picture(screen)
    assert second.startswith("epoch 2 ")
    assert " 25%" in run
    assert " 25%" in second  # of the eight steps that were given, or counted in the first epoch
    assert second.endswith("loss 0.2500")


def test_the_loss_is_read_ten_times_a_second_at_most(fit_state: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loss(torch.Tensor):
        reads = 0

        def item(self) -> float:
            Loss.reads += 1
            return 0.5

    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    state: FitState = fit_state()
    bar = ProgressBar(terminal(io.StringIO()))
    bar.on_fit_start(state)
    bar.on_epoch_start(state)
    state.step_loss = torch.tensor(0.5).as_subclass(Loss)
    for _ in range(1000):
        clock[0] += 0.001
        bar.on_step_end(state)
    bar.on_fit_end(state)
    assert 9 <= Loss.reads <= 11


@pytest.mark.parametrize("is_writer", [True, False])
def test_what_is_no_terminal_stays_quiet_and_so_do_other_ranks(told: Make, fit_state: Make, is_writer: bool) -> None:
    screen = io.StringIO()
    console = Console(file=screen) if is_writer else terminal(screen)
    told(ProgressBar(console), fit_state(is_writer=is_writer), [{"train/loss": 1.0}] * 2)
    assert screen.getvalue() == ""


def test_a_notebook_shows_the_bars_in_a_widget(told: Make, fit_state: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # What rich asks of a notebook: a widget for output, and a function that displays it.
    shown: list[object] = []

    class Output(nullcontext[None]):
        def clear_output(self, *, wait: bool) -> None:
            shown.append("cleared")

    modules = {name: types.ModuleType(name) for name in ("ipywidgets", "IPython", "IPython.display")}
    modules["ipywidgets"].__dict__["Output"] = Output
    modules["IPython.display"].__dict__["display"] = shown.append
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    told(ProgressBar(Console(file=io.StringIO(), force_jupyter=True)), fit_state(), [{"train/loss": 1.0}])
    assert isinstance(shown[0], Output)


def test_lines_printed_meanwhile_stand_above_the_bars(fit_state: Make) -> None:
    screen, state = io.StringIO(), fit_state()
    console = terminal(screen)
    bar = ProgressBar(console)
    bar.on_fit_start(state)
    bar.on_epoch_start(state)
    console.print("a line of another callback")
    bar.on_fit_end(state)
    assert "a line of another callback" in screen.getvalue()
    assert [line.split()[0] for line in last_picture(screen)] == ["run", "epoch"]


def test_the_terminal_is_given_back(fit_state: Make) -> None:
    screen, state = io.StringIO(), fit_state()
    bar = ProgressBar(terminal(screen))
    bar.on_fit_start(state)
    bar.on_fit_end(state)
    shown = screen.getvalue()
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor, hidden and shown
    bar.on_fit_end(state)
    assert screen.getvalue() == shown
