"""The callbacks by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

from raytrain.callbacks.callback_list import CallbackList
from raytrain.callbacks.context import CallbackContext
from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.callbacks.epoch_table import EpochTable
from raytrain.callbacks.exponential_moving_average import ExponentialMovingAverage
from raytrain.callbacks.gradient_monitor import GradientMonitor
from raytrain.callbacks.learning_rate import LearningRateMonitor
from raytrain.callbacks.metric_logger import MetricLogger
from raytrain.callbacks.mlflow_logger import MLflowLogger
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.callbacks.nan_guard import NaNGuard
from raytrain.callbacks.progress_bar import ProgressBar
from raytrain.callbacks.tensorboard_logger import TensorBoardLogger
from raytrain.callbacks.timing import TimingCallback
from raytrain.errors import ConfigError, nearest
from raytrain.types import Callback

__all__ = ["CALLBACKS", "create_callback", "create_callbacks"]


def _early_stopping(
    context: CallbackContext,
    *,
    monitor: str | None = None,
    patience: int = 10,
    mode: Literal["min", "max"] | None = None,
    min_delta: float = 0.0,
) -> Callback:
    """Stop when the metric no longer improves.

    Args:
        context: The run.
        monitor: Metric key; the run's own when null.
        patience: Epochs without improvement that are tolerated.
        mode: `min` or `max`, to be given with `monitor`.
        min_delta: Changes up to this much do not count as improvement.
    """
    monitor, mode = context.compared_by(monitor, mode)
    return EarlyStopping(monitor, patience=patience, mode=mode, min_delta=min_delta)


def _model_checkpoint(
    context: CallbackContext,
    *,
    filepath: str = "checkpoints",
    monitor: str | None = None,
    mode: Literal["min", "max"] | None = None,
    save_best_only: bool = True,
    save_top_k: int = 1,
    every_steps: int | None = None,
) -> Callback:
    """Keep the checkpoints of the best epochs, and of the last.

    Args:
        context: The run.
        filepath: File of the best epoch, ending in `.pt`, or a folder; in the run's folder unless absolute.
        monitor: Metric key; the run's own when null.
        mode: `min` or `max`, to be given with `monitor`.
        save_best_only: Whether to leave out the last epoch's.
        save_top_k: Best epochs to keep.
        every_steps: Optimizer steps between checkpoints within an epoch; none there when null. To be the last callback.
    """
    monitor, mode = context.compared_by(monitor, mode)
    path = context.directory / filepath
    return ModelCheckpoint(
        path,
        monitor=monitor,
        mode=mode,
        save_best_only=save_best_only,
        save_top_k=save_top_k,
        every_steps=every_steps,
    )


def _learning_rate_monitor(context: CallbackContext) -> Callback:  # noqa: ARG001 - all are called alike
    """Add each parameter group's learning rate to the metrics."""
    return LearningRateMonitor()


def _gradient_monitor(
    context: CallbackContext,  # noqa: ARG001 - all are called alike
    *,
    log_interval: int = 100,
    alert_threshold: float = 10.0,
    vanishing_threshold: float = 1e-7,
) -> Callback:
    """Add gradient norms to the metrics, and warn when gradients vanish or explode.

    Args:
        context: The run.
        log_interval: Steps between looks.
        alert_threshold: A larger norm of all gradients before clipping is exploding.
        vanishing_threshold: A layer whose norms in an epoch are all smaller is vanishing.
    """
    return GradientMonitor(
        log_interval=log_interval, alert_threshold=alert_threshold, vanishing_threshold=vanishing_threshold
    )


def _timing(context: CallbackContext) -> Callback:  # noqa: ARG001 - all are called alike
    """Add the seconds of epochs and steps to the metrics."""
    return TimingCallback()


def _metric_logger(context: CallbackContext, *, log_file: str = "metrics.jsonl") -> Callback:
    """Write each epoch's metrics as a line of JSON.

    Args:
        context: The run.
        log_file: Where to; in the run's folder unless absolute.
    """
    return MetricLogger(context.directory / log_file)


def _tensorboard(
    context: CallbackContext, *, log_dir: str = "tensorboard", step_interval: int | None = None
) -> Callback:
    """Write metrics for TensorBoard.

    Args:
        context: The run.
        log_dir: Where to; in the run's folder unless absolute.
        step_interval: Optimizer steps between scalars of a step; none when null.
    """
    return TensorBoardLogger(context.directory / log_dir, step_interval=step_interval)


def _mlflow(
    context: CallbackContext,
    *,
    experiment_name: str = "raytrain",
    run_name: str | None = None,
    tracking_uri: str | None = None,
) -> Callback:
    """Log metrics to MLflow, an optional extra.

    Args:
        context: The run.
        experiment_name: The MLflow experiment; made where there is none.
        run_name: The name of the run's folder when null.
        tracking_uri: Of the store; when null that of MLFLOW_TRACKING_URI, else `mlflow.db` in the run's folder.
    """
    chosen = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    uri = chosen or f"sqlite:///{(context.directory / 'mlflow.db').resolve()}"
    return MLflowLogger(experiment_name, run_name or context.directory.name, tracking_uri=uri)


def _nan_guard(context: CallbackContext, *, check_interval: int = 1) -> Callback:  # noqa: ARG001 - all are called alike
    """Stop when the loss or the gradient is NaN or infinite.

    Args:
        context: The run.
        check_interval: Steps between looks, each of which waits for the device.
    """
    return NaNGuard(check_interval=check_interval)


def _ema(context: CallbackContext, *, decay: float = 0.999, warmup: bool = True) -> Callback:  # noqa: ARG001 - as above
    """Judge and keep an exponential moving average of the weights.

    Args:
        context: The run.
        decay: Share of the average that each step keeps.
        warmup: Whether the first steps keep less, for short runs.
    """
    return ExponentialMovingAverage(decay=decay, warmup=warmup)


def _progress_bar(context: CallbackContext) -> Callback:
    """Show a live bar of run and epoch in a terminal or notebook."""
    return ProgressBar(context.console, epochs=context.epochs)


def _epoch_table(context: CallbackContext) -> Callback:
    """Print one line of the main metrics per epoch."""
    from rich.console import Console

    return EpochTable(context.console or Console(), monitor=context.monitor, epochs=context.epochs)


CALLBACKS: dict[str, Callable[..., Callback]] = {
    "early_stopping": _early_stopping,
    "ema": _ema,
    "epoch_table": _epoch_table,
    "gradient_monitor": _gradient_monitor,
    "learning_rate_monitor": _learning_rate_monitor,
    "metric_logger": _metric_logger,
    "mlflow": _mlflow,
    "model_checkpoint": _model_checkpoint,
    "nan_guard": _nan_guard,
    "progress_bar": _progress_bar,
    "tensorboard": _tensorboard,
    "timing": _timing,
}
"""Name -> function, called as `create(context, *, settings...)`."""


def create_callback(name: str, *, context: CallbackContext, settings: Mapping[str, Any]) -> Callback:
    """Create the callback `name` for a run.

    Args:
        name: A key of `CALLBACKS`.
        context: The run.
        settings: Its keyword settings.

    Raises:
        ConfigError: No callback has this name, or a setting is impossible.

    >>> from pathlib import Path
    >>> context = CallbackContext(Path("runs/one"), monitor="val/macro_f1", mode="max", epochs=20)
    >>> create_callback("model_checkpoint", context=context, settings={"filepath": "best.pt"}).filepath.as_posix()
    'runs/one/best.pt'
    """
    if name not in CALLBACKS:
        raise ConfigError(f"callbacks: there is no callback {name!r}; {nearest(name, CALLBACKS)}")
    return CALLBACKS[name](context, **settings)


def create_callbacks(parts: Mapping[str, Mapping[str, Any]], *, context: CallbackContext) -> CallbackList:
    """Create several callbacks for a run, in the order they are named in.

    Args:
        parts: Names, each with its keyword settings.
        context: The run.

    Raises:
        ConfigError: No callback has one of the names, or a setting is impossible.

    >>> from pathlib import Path
    >>> context = CallbackContext(Path("runs/one"), monitor="val/macro_f1", mode="max", epochs=20)
    >>> parts = {"ema": {"decay": 0.99}, "timing": {}}
    >>> [type(callback).__name__ for callback in create_callbacks(parts, context=context)]
    ['ExponentialMovingAverage', 'TimingCallback']
    """
    return CallbackList(create_callback(name, context=context, settings=settings) for name, settings in parts.items())
