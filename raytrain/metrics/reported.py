"""The metrics that every run and every baseline reports."""

from __future__ import annotations

import torch

from raytrain.metrics.tracker import MetricsTracker

__all__ = ["reported_metrics"]

_CALIBRATION_BINS = 15  # Guo et al. 2017


def reported_metrics(num_classes: int, num_recordings: int, *, device: torch.device | str = "cpu") -> MetricsTracker:
    """Return a tracker of what `raytrain.config.schema.METRICS` names.

    >>> tracker = reported_metrics(2, 1)
    >>> tracker.update(torch.tensor([[2.0, 0.0]]), torch.tensor([0]), recordings=torch.tensor([0]))
    >>> round(tracker.compute("val")["val/expected_calibration_error"], 4)
    0.1192
    """
    return MetricsTracker(num_classes, num_recordings, calibration_bins=_CALIBRATION_BINS, device=device)
