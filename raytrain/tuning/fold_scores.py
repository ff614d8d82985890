"""What a configuration is worth over its folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from raytrain.config.schema import METRICS
from raytrain.distributed.judge import Judgement

__all__ = ["Aggregate", "aggregated", "aggregated_judgement", "fold_key", "of_folds"]

Aggregate: TypeAlias = Literal["mean", "worst"]


def fold_key(fold: str, metric: str) -> str:
    """Return the name of a fold's own metric.

    >>> fold_key("14 mil", "val/macro_f1")
    'val/fold=14 mil/macro_f1'
    """
    part, name = metric.split("/", 1)
    return f"{part}/fold={fold}/{name}"


def of_folds(rows: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return every fold's own validation metrics, of those a run can be judged by.

    Args:
        rows: Metrics by fold.
    """
    return {fold_key(fold, metric): row[metric] for fold, row in rows.items() for metric in METRICS if metric in row}


def aggregated(rows: Sequence[Mapping[str, float]], aggregate: Aggregate) -> dict[str, float]:
    """Return each metric over the folds; NaN where a fold's is.

    `worst` is the least of what should be high and the greatest of what should be low. It is taken of the metrics that
    a run can be judged by; of all others (`train/loss`, `test/macro_f1`) it is the mean in any case.

    Args:
        rows: Metrics of each fold, all with the same names.
        aggregate: How validation metrics are put together.

    >>> rows = [{"val/macro_f1": 0.9, "train/loss": 0.2}, {"val/macro_f1": 0.5, "train/loss": 0.4}]
    >>> {name: round(value, 3) for name, value in aggregated(rows, "worst").items()}
    {'val/macro_f1': 0.5, 'train/loss': 0.3}
    """
    return {name: _over_folds(name, [row[name] for row in rows], aggregate) for name in rows[0]}


def aggregated_judgement(judgements: Sequence[Judgement], aggregate: Aggregate) -> Judgement:
    """Return the judgement of all folds: metrics put together, counts added up, recall from the counts.

    A recording of the test part is in it once for each fold's model.
    """
    confusion = np.sum([one.confusion for one in judgements], axis=0)
    recordings = np.sum([one.recording_confusion for one in judgements], axis=0)
    totals = confusion.sum(axis=1)
    return Judgement(
        metrics=aggregated([one.metrics for one in judgements], aggregate),
        recall=[
            int(hits) / int(total) if total else math.nan
            for hits, total in zip(confusion.diagonal(), totals, strict=True)
        ],
        confusion=confusion.tolist(),
        recording_confusion=recordings.tolist(),
        recordings=[told for one in judgements for told in one.recordings],
    )


def _over_folds(name: str, values: Sequence[float], aggregate: Aggregate) -> float:
    if any(math.isnan(value) for value in values):
        return math.nan
    if aggregate == "worst" and name in METRICS:
        return min(values) if METRICS[name] == "max" else max(values)
    return math.fsum(values) / len(values)
