"""The classical models of a sweep's leaderboard, on the same splits, run by the same cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from raytrain.classical.build import CLASSICAL
from raytrain.classical.evaluate import FeatureSet, FittedBaseline, features_of, fit_baseline
from raytrain.config.schema import METRICS, WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.segments import PartName
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.errors import DataError
from raytrain.metrics.reported import reported_metrics
from raytrain.tuning.fold_scores import Aggregate, aggregated

__all__ = ["BaselineResult", "best_baselines", "evaluate_baselines", "repeat_baseline", "start_baselines"]


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """One classical model at one window length.

    Attributes:
        name: The model.
        window_length: Samples per window.
        window_s: Seconds per window.
        validation: `val/...` metrics, trained on the training part; over the folds where there are some.
        test: `test/...` metrics of the same model; the mean of the folds' models.
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
    names, aggregate = space.baselines.names, "mean" if space.folds is None else space.folds.aggregate
    seed = space.fixed.seed
    return [task.remote(store, one, names, seed=seed, aggregate=aggregate) for one in windows] if names else []


def evaluate_baselines(
    store: SegmentStore, windows: WindowConfig, names: Sequence[str], *, seed: int, aggregate: Aggregate = "mean"
) -> list[BaselineResult]:
    """Fit each baseline on the training part and score it; then once more on all that is not tested.

    Args:
        store: Raw signals; where they have folds, the baseline is fitted and scored in each.
        windows: What features are computed from.
        names: Names in `raytrain.classical`.
        seed: Of those that are random.
        aggregate: What a baseline is worth over folds, as a trial is.
    """
    torch.set_num_threads(1)
    material = _material(store, windows)
    results = []
    for name in names:
        shared: dict[str, Any] = {
            "name": name,
            "window_length": windows.length,
            "window_s": windows.length / store.fs_hz,
        }
        try:
            validation, test = _scores(name, material, seed=seed, aggregate=aggregate)
            refitted = fit_baseline(name, material.learnt, seed=seed)
        except DataError as error:
            results.append(BaselineResult(**shared, validation={}, test={}, refit_test={}, skipped=str(error)))
            continue
        refit_test = _metrics(refitted, material.test, material.recordings, prefix="test")
        results.append(BaselineResult(**shared, validation=validation, test=test, refit_test=refit_test))
    return results


def repeat_baseline(
    store: SegmentStore, windows: WindowConfig, name: str, *, seeds: Sequence[int], aggregate: Aggregate = "mean"
) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Return a baseline's `val/...` and `test/...` metrics for each seed; the same ones where it has no random part."""
    torch.set_num_threads(1)
    material = _material(store, windows)
    if not CLASSICAL[name].random:
        return [_scores(name, material, seed=0, aggregate=aggregate)] * len(seeds)
    return [_scores(name, material, seed=seed, aggregate=aggregate) for seed in seeds]


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


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """Features of what is not tested, of what is, and which of the former validate: once, or once per fold."""

    learnt: FeatureSet
    test: FeatureSet
    validates: list[NDArray[np.bool_]]
    recordings: int


def _material(store: SegmentStore, windows: WindowConfig) -> _Material:
    parts: list[PartName] = ["train"] if store.folds else ["train", "validation"]
    learnt = Windows(store, parts, windows)
    divided = [store.fold(name) for name in store.folds] or [store]
    return _Material(
        learnt=features_of(learnt),
        test=features_of(Windows(store, ["test"], windows)),
        validates=[np.isin(_places(learnt), _places(Windows(one, ["validation"], windows))) for one in divided],
        recordings=len(store.recording_ids),
    )


def _places(windows: Windows) -> NDArray[np.int64]:
    """Return a number for each window that no other window of the store has."""
    longest = int((windows.store.start + windows.store.samples).max())
    places: NDArray[np.int64] = windows.recordings * longest + windows.window_start
    return places


def _scores(
    name: str, material: _Material, *, seed: int, aggregate: Aggregate
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the validation and test metrics of a baseline, over the folds where there are some."""
    validation, test = [], []
    for validates in material.validates:
        fitted = fit_baseline(name, _rows(material.learnt, ~validates), seed=seed)
        held_out = _rows(material.learnt, validates)
        validation.append(_metrics(fitted, held_out, material.recordings, prefix="val"))
        test.append(_metrics(fitted, material.test, material.recordings, prefix="test"))
    return aggregated(validation, aggregate), aggregated(test, aggregate)


def _rows(features: FeatureSet, chosen: NDArray[np.bool_]) -> FeatureSet:
    return FeatureSet(
        values=features.values[chosen],
        names=features.names,
        targets=features.targets[chosen],
        recordings=features.recordings[chosen],
        classes=features.classes,
    )


def _metrics(fitted: FittedBaseline, features: FeatureSet, recordings: int, *, prefix: str) -> dict[str, float]:
    probabilities = torch.from_numpy(fitted.predict_proba(features))
    targets = torch.from_numpy(features.targets)
    logits = probabilities.clamp_min(np.finfo(np.float64).tiny).log()
    tracker = reported_metrics(len(features.classes), recordings)
    loss = torch.nn.functional.nll_loss(logits, targets)
    tracker.update(logits, targets, recordings=torch.from_numpy(features.recordings), loss=loss)
    return tracker.compute(prefix)
