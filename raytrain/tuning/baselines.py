"""The classical models of a sweep's leaderboard, on the same splits, run by the same cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch

from raytrain.classical.evaluate import FeatureSet, FittedBaseline, features_of, fit_baseline
from raytrain.config.schema import METRICS, WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.errors import DataError
from raytrain.metrics.reported import reported_metrics

__all__ = ["BaselineResult", "best_baselines", "evaluate_baselines", "start_baselines"]


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """One classical model at one window length.

    Attributes:
        name: The model.
        window_length: Samples per window.
        window_s: Seconds per window.
        validation: `val/...` metrics, trained on the training part.
        test: `test/...` metrics of the same model.
        refit_test: `test/...` metrics, trained on training and validation parts together.
        skipped: Why there is no result; empty when there is one.
    """

    name: str
    window_length: int
    window_s: float
    validation: dict[str, float]
    test: dict[str, float]
    refit_test: dict[str, float]
    skipped: str = ""


def start_baselines(space: SpaceConfig, store: ray.ObjectRef, windows: Sequence[WindowConfig]) -> list[ray.ObjectRef]:
    """Start one task per window length; each evaluates every baseline. They queue for CPUs beside the trials."""
    task = ray.remote(evaluate_baselines).options(num_cpus=1, max_retries=1)
    names = space.baselines.names
    return [task.remote(store, one, names, seed=space.fixed.seed) for one in windows] if names else []


def evaluate_baselines(
    store: SegmentStore, windows: WindowConfig, names: Sequence[str], *, seed: int
) -> list[BaselineResult]:
    """Fit each baseline on the training part and score it; then once more on training and validation parts."""
    torch.set_num_threads(1)
    train, validation, test = (features_of(Windows(store, [part], windows)) for part in ("train", "validation", "test"))
    recordings = len(store.recording_ids)
    results = []
    for name in names:
        shared: dict[str, Any] = {
            "name": name,
            "window_length": windows.length,
            "window_s": windows.length / store.fs_hz,
        }
        try:
            fitted = fit_baseline(name, train, seed=seed)
            refitted = fit_baseline(name, _joined(train, validation), seed=seed)
        except DataError as error:
            results.append(BaselineResult(**shared, validation={}, test={}, refit_test={}, skipped=str(error)))
            continue
        results.append(
            BaselineResult(
                **shared,
                validation=_metrics(fitted, validation, recordings, prefix="val"),
                test=_metrics(fitted, test, recordings, prefix="test"),
                refit_test=_metrics(refitted, test, recordings, prefix="test"),
            )
        )
    return results


def best_baselines(results: Sequence[BaselineResult], *, metric: str) -> list[BaselineResult]:
    """Return for each model the window length that validates best; models that could not run keep their reason."""
    chosen: dict[str, BaselineResult] = {}
    sign = 1.0 if METRICS[metric] == "max" else -1.0
    for result in results:
        held = chosen.get(result.name)
        if (
            held is None
            or held.skipped
            or (not result.skipped and sign * result.validation[metric] > sign * held.validation[metric])
        ):
            chosen[result.name] = result
    return list(chosen.values())


def _joined(first: FeatureSet, second: FeatureSet) -> FeatureSet:
    return FeatureSet(
        values=np.concatenate([first.values, second.values]),
        names=first.names,
        targets=np.concatenate([first.targets, second.targets]),
        recordings=np.concatenate([first.recordings, second.recordings]),
        classes=first.classes,
    )


def _metrics(fitted: FittedBaseline, features: FeatureSet, recordings: int, *, prefix: str) -> dict[str, float]:
    probabilities = torch.from_numpy(fitted.predict_proba(features))
    targets = torch.from_numpy(features.targets)
    logits = probabilities.clamp_min(np.finfo(np.float64).tiny).log()
    tracker = reported_metrics(len(features.classes), recordings)
    loss = torch.nn.functional.nll_loss(logits, targets)
    tracker.update(logits, targets, recordings=torch.from_numpy(features.recordings), loss=loss)
    return tracker.compute(prefix)
