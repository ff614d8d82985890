"""What watches, steers and records a run: callbacks of the training loop."""

from raytrain.callbacks.build import CALLBACKS, create_callback, create_callbacks
from raytrain.callbacks.callback_list import CallbackList
from raytrain.callbacks.context import CallbackContext
from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.callbacks.epoch_table import EpochTable
from raytrain.callbacks.exponential_moving_average import ExponentialMovingAverage
from raytrain.callbacks.gradient_monitor import GradientMonitor
from raytrain.callbacks.learning_rate import LearningRateMonitor, LearningRateScheduler
from raytrain.callbacks.metric_logger import MetricLogger, read_metrics
from raytrain.callbacks.mlflow_logger import MLflowLogger
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.callbacks.nan_guard import NaNGuard
from raytrain.callbacks.progress_bar import ProgressBar
from raytrain.callbacks.tensorboard_logger import TensorBoardLogger
from raytrain.callbacks.timing import TimingCallback

__all__ = [
    "CALLBACKS",
    "CallbackContext",
    "CallbackList",
    "EarlyStopping",
    "EpochTable",
    "ExponentialMovingAverage",
    "GradientMonitor",
    "LearningRateMonitor",
    "LearningRateScheduler",
    "MLflowLogger",
    "MetricLogger",
    "ModelCheckpoint",
    "NaNGuard",
    "ProgressBar",
    "TensorBoardLogger",
    "TimingCallback",
    "create_callback",
    "create_callbacks",
    "read_metrics",
]
