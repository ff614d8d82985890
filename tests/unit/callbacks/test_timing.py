from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from raytrain.callbacks.timing import TimingCallback

Make = Callable[..., Any]


def test_epochs_and_steps_are_timed(fit_state: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two epochs: start, three steps and the end; start, one step and the end.
    clock = iter([10.0, 10.5, 12.5, 13.0, 20.0, 100.0, 101.0, 101.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    callback, state, seen = TimingCallback(), fit_state(), []
    for steps in (3, 1):
        state.metrics = {}
        callback.on_epoch_start(state)
        for _ in range(steps):
            callback.on_step_end(state)
        callback.on_epoch_end(state)
        seen.append(state.metrics)
    assert seen == [
        {"time/epoch_s": 10.0, "time/step_s": 1.0, "time/step_s_max": 2.0},
        {"time/epoch_s": 1.5, "time/step_s": 1.0, "time/step_s_max": 1.0},
    ]


def test_metrics_that_were_there_stay(fit_state: Make) -> None:
    callback, state = TimingCallback(), fit_state()
    callback.on_epoch_start(state)
    state.metrics = {"train/loss": 1.0}
    callback.on_epoch_end(state)
    assert state.metrics["train/loss"] == 1.0
    assert state.metrics["time/epoch_s"] >= state.metrics["time/step_s"] == 0.0
