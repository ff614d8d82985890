"""Metrics that are exact over samples, whatever the batches and workers."""

from raytrain.metrics.calibration import compute_expected_calibration_error
from raytrain.metrics.classification import (
    compute_accuracy,
    compute_balanced_accuracy,
    compute_confusion_matrix,
    compute_f1_score,
    compute_per_class_metrics,
)
from raytrain.metrics.confusion import PerClass
from raytrain.metrics.ranking import compute_auroc, compute_top_k_accuracy
from raytrain.metrics.tracker import MetricsTracker
from raytrain.metrics.voting import recording_vote

__all__ = [
    "MetricsTracker",
    "PerClass",
    "compute_accuracy",
    "compute_auroc",
    "compute_balanced_accuracy",
    "compute_confusion_matrix",
    "compute_expected_calibration_error",
    "compute_f1_score",
    "compute_per_class_metrics",
    "compute_top_k_accuracy",
    "recording_vote",
]
