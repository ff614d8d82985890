from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raytrain.callbacks import (
    CALLBACKS,
    CallbackContext,
    EarlyStopping,
    MetricLogger,
    MLflowLogger,
    ModelCheckpoint,
    TensorBoardLogger,
    create_callback,
    create_callbacks,
)
from raytrain.errors import ConfigError

NAMES = {
    "early_stopping", "ema", "epoch_table", "gradient_monitor", "learning_rate_monitor", "metric_logger", "mlflow",
    "model_checkpoint", "nan_guard", "progress_bar", "tensorboard", "timing",
}  # fmt: skip


@pytest.fixture
def context(tmp_path: Path) -> CallbackContext:
    return CallbackContext(tmp_path / "run", monitor="val/macro_f1", mode="max", epochs=7)


def test_the_names_are_those_that_users_know() -> None:
    assert set(CALLBACKS) == NAMES


@pytest.mark.parametrize("name", CALLBACKS)
def test_settings_are_keywords_with_defaults_and_documented(name: str) -> None:
    context, *settings = inspect.signature(CALLBACKS[name], eval_str=True).parameters.values()
    assert context.annotation is CallbackContext
    for setting in settings:
        assert setting.kind is setting.KEYWORD_ONLY
        assert setting.default is not setting.empty
        assert setting.annotation is not setting.empty
        assert f"        {setting.name}: " in (inspect.getdoc(CALLBACKS[name]) or "").replace("    ", " " * 8)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("early_stopping", {"monitor": "val/macro_f1", "mode": "max", "patience": 10}),
        ("model_checkpoint", {"monitor": "val/macro_f1", "mode": "max", "save_best_only": True}),
    ],
)
def test_what_is_compared_by_is_the_runs(context: CallbackContext, name: str, attributes: dict[str, Any]) -> None:
    callback = create_callback(name, context=context, settings={})
    assert {key: getattr(callback, key) for key in attributes} == attributes


@pytest.mark.parametrize(("name", "kind"), [("early_stopping", EarlyStopping), ("model_checkpoint", ModelCheckpoint)])
def test_another_metric_comes_with_its_direction(context: CallbackContext, name: str, kind: Callable[..., Any]) -> None:
    callback = create_callback(name, context=context, settings={"monitor": "val_loss", "mode": "min"})
    assert isinstance(callback, EarlyStopping | ModelCheckpoint)
    assert (callback.monitor, callback.mode) == ("val_loss", "min")
    for half in ({"monitor": "val_loss"}, {"mode": "min"}):
        with pytest.raises(ConfigError, match=r"^callbacks: monitor and mode must be given together or not at all"):
            create_callback(name, context=context, settings=half)


def test_files_lie_in_the_runs_folder(context: CallbackContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    names = ("model_checkpoint", "metric_logger", "tensorboard", "mlflow")
    checkpoint, log, events, store = create_callbacks({name: {} for name in names}, context=context)
    assert isinstance(checkpoint, ModelCheckpoint)
    assert isinstance(log, MetricLogger)
    assert isinstance(events, TensorBoardLogger)
    assert isinstance(store, MLflowLogger)
    assert checkpoint.filepath == context.directory / "checkpoints" / "best.pt"
    assert log.log_file == context.directory / "metrics.jsonl"
    assert events.log_dir == context.directory / "tensorboard"
    assert store.tracking_uri == f"sqlite:///{context.directory / 'mlflow.db'}"
    assert store.run_name == "run"


def test_mlflow_follows_its_environment_and_what_is_given_goes_first(
    context: CallbackContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///shared.db")
    uris = [
        getattr(create_callback("mlflow", context=context, settings=settings), "tracking_uri", None)
        for settings in ({}, {"tracking_uri": "sqlite:///own.db"})
    ]
    assert uris == ["sqlite:///shared.db", "sqlite:///own.db"]


def test_an_absolute_path_is_taken_as_it_is(context: CallbackContext, tmp_path: Path) -> None:
    log = create_callback("metric_logger", context=context, settings={"log_file": str(tmp_path / "other.jsonl")})
    assert isinstance(log, MetricLogger)
    assert log.log_file == tmp_path / "other.jsonl"


def test_an_unknown_name_is_told_with_the_nearest(context: CallbackContext) -> None:
    with pytest.raises(ConfigError, match=r"^callbacks: there is no callback 'emma'; did you mean 'ema'\?$"):
        create_callback("emma", context=context, settings={})
