from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.callbacks.early_stopping import EarlyStopping, improves, monitored
from raytrain.errors import ConfigError

Make = Callable[..., Any]
NAN = math.nan


@pytest.mark.parametrize(
    ("value", "best", "mode", "min_delta", "expected"),
    [
        (0.5, None, "min", 0.0, True),
        (math.inf, None, "min", 0.0, True),
        (0.5, 0.5, "min", 0.0, False),
        (0.5, 0.5, "max", 0.0, False),
        (0.25, 0.5, "min", 0.25, False),
        (0.2, 0.5, "min", 0.25, True),
        (0.75, 0.5, "max", 0.25, False),
        (0.8, 0.5, "max", 0.25, True),
        (NAN, None, "min", 0.0, False),
        (NAN, 0.5, "max", 0.0, False),
    ],
)
def test_improves(
    value: float, best: float | None, mode: Literal["min", "max"], min_delta: float, expected: bool
) -> None:
    assert improves(value, best, mode=mode, min_delta=min_delta) is expected


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.sampled_from(["min", "max"]))
def test_the_last_improvement_is_the_first_extreme(values: list[float], mode: Literal["min", "max"]) -> None:
    best: float | None = None
    for value in values:
        if improves(value, best, mode=mode):
            best = value
    assert best == (min(values) if mode == "min" else max(values))


@pytest.mark.parametrize(
    ("values", "patience", "mode", "min_delta", "epochs"),
    [
        ([5, 4, 3, 2, 1], 1, "min", 0.0, 5),
        ([5, 5, 5, 5, 5], 2, "min", 0.0, 3),
        ([5, 6, 4, 6, 6, 6], 2, "min", 0.0, 5),
        ([1, 2, 3, 2, 2, 9], 2, "max", 0.0, 5),
        ([5.0, 4.9, 4.8, 4.7, 4.6], 2, "min", 0.5, 3),
        ([5.0, 4.7, 4.4, 4.1, 3.8], 2, "min", 0.5, 5),
        ([NAN, NAN, NAN], 2, "min", 0.0, 2),
        ([5, NAN, 4, NAN, NAN, 1], 2, "min", 0.0, 5),
    ],
)
def test_it_stops_after_patience_epochs_in_a_row_without_improvement(
    *,
    told: Make,
    fit_state: Make,
    values: list[float],
    patience: int,
    mode: Literal["min", "max"],
    min_delta: float,
    epochs: int,
) -> None:
    callback = EarlyStopping("m", patience=patience, mode=mode, min_delta=min_delta)
    state = fit_state()
    assert told(callback, state, [{"m": value} for value in values]) == epochs
    stopped = epochs < len(values) or callback.epochs_without_improvement == patience
    assert state.stop_reason == (f"m has not improved for {patience} epochs" if stopped else None)


def test_slow_progress_is_measured_from_the_best_not_from_the_epoch_before(told: Make, fit_state: Make) -> None:
    callback = EarlyStopping("m", patience=3, min_delta=0.5)
    assert told(callback, fit_state(), [{"m": 5 - 0.3 * epoch} for epoch in range(12)]) == 12
    assert callback.best == pytest.approx(5 - 0.3 * 10)


def test_another_reason_to_stop_is_left_when_this_one_has_none(told: Make, fit_state: Make) -> None:
    state = fit_state()
    state.stop_reason = "enough"
    told(EarlyStopping("m"), state, [{"m": 1.0}])
    assert state.stop_reason == "enough"


def test_a_metric_the_run_does_not_report_is_told_with_the_nearest(told: Make, fit_state: Make) -> None:
    message = r"^monitor: 'val/macro_f2' is not reported; did you mean 'val/macro_f1'\?$"
    with pytest.raises(ConfigError, match=message):
        told(EarlyStopping("val/macro_f2"), fit_state(), [{"val/macro_f1": 0.5, "val/loss": 1.0}])


def test_without_a_near_name_all_are_told() -> None:
    with pytest.raises(ConfigError, match=r"^monitor: 'zzz' is not reported; valid: train/loss, train/lr$"):
        monitored({"train/lr": 0.1, "train/loss": 1.0}, "zzz")


@pytest.mark.parametrize(
    ("monitor", "expected"),
    [("val/loss", 1.0), ("val_loss", 1.0), ("train_loss", 2.0), ("val_macro_f1", 0.5), ("val_top_1", 3.0)],
)
def test_a_metric_may_be_spelled_with_an_underscore(monitor: str, expected: float) -> None:
    metrics = {"val/loss": 1.0, "train/loss": 2.0, "val/macro_f1": 0.5, "val_top_1": 3.0, "val/top_1": 4.0}
    assert monitored(metrics, monitor) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": 0}, r"^callbacks.early_stopping.patience must be at least 1, got 0$"),
        ({"min_delta": -0.5}, r"^callbacks.early_stopping.min_delta must be at least 0 and finite, got -0.5$"),
        ({"min_delta": NAN}, r"^callbacks.early_stopping.min_delta must be at least 0 and finite, got nan$"),
    ],
)
def test_an_impossible_setting_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EarlyStopping(**settings)
