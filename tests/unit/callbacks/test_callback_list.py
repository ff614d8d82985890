from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raytrain.callbacks.callback_list import CallbackList
from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.engine.fit import fit
from raytrain.errors import RunError
from raytrain.types import Callback, FitState

Make = Callable[..., Any]
HOOKS = ["on_fit_start", "on_epoch_start", "on_step_end", "on_epoch_end", "on_checkpoint", "on_fit_end"]


class Recorder(Callback):
    """Writes down, under its name, each hook that is called."""

    def __init__(self, name: str, calls: list[str]) -> None:
        for hook in HOOKS:
            setattr(self, hook, lambda _state, hook=hook: calls.append(f"{name}.{hook}"))


def calls_of(callback: Callback, state: FitState) -> None:
    for hook in HOOKS:
        getattr(callback, hook)(state)


def test_hooks_are_called_in_order(fit_state: Make) -> None:
    calls: list[str] = []
    calls_of(CallbackList([Recorder("a", calls), Recorder("b", calls)]), fit_state())
    assert calls == [f"{name}.{hook}" for hook in HOOKS for name in "ab"]


def test_in_a_real_run_a_list_is_as_good_as_its_callbacks(training: Make) -> None:
    listed: list[str] = []
    apart: list[str] = []
    fit(training(lambda _: [CallbackList([Recorder("a", listed), Recorder("b", listed)])], epochs=2))
    fit(training(lambda _: [Recorder("a", apart), Recorder("b", apart)], epochs=2))
    assert listed == apart
    assert len(listed) == 2 * (1 + 2 * (1 + 5 + 1 + 1) + 1)


def test_all_are_told_the_end_also_when_one_raises(fit_state: Make) -> None:
    calls: list[str] = []

    class Broken(Callback):
        def on_fit_end(self, state: FitState) -> None:
            raise OSError("disk full")

    callbacks = CallbackList([Recorder("a", calls), Broken(), Recorder("b", calls)])
    with pytest.raises(OSError, match="disk full"):
        callbacks.on_fit_end(fit_state())
    assert calls == ["a.on_fit_end", "b.on_fit_end"]


def test_one_more_is_called_last(fit_state: Make) -> None:
    calls: list[str] = []
    callbacks = CallbackList([Recorder("a", calls)])
    callbacks.append(Recorder("b", calls))
    callbacks.on_epoch_end(fit_state())
    assert calls == ["a.on_epoch_end", "b.on_epoch_end"]
    assert len(callbacks) == len(list(callbacks)) == 2


def test_each_keeps_its_own_state(told: Make, fit_state: Make) -> None:
    first, second = EarlyStopping("a", patience=9), EarlyStopping("b", patience=9)
    told(CallbackList([first, second]), fit_state(), [{"a": 1.0, "b": 2.0}, {"a": 0.5, "b": 3.0}])
    state = CallbackList([first, second]).state_dict()
    restored = [EarlyStopping("a"), EarlyStopping("b")]
    CallbackList(restored).load_state_dict(state)
    assert [(one.best, one.epochs_without_improvement) for one in restored] == [(0.5, 0), (2.0, 1)]


def test_the_state_of_another_number_is_refused() -> None:
    state = CallbackList([EarlyStopping()]).state_dict()
    with pytest.raises(RunError, match=r"^snapshot has the state of 1 callbacks in a list, the run has 2; resume with"):
        CallbackList([EarlyStopping(), EarlyStopping()]).load_state_dict(state)
