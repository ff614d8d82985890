"""The table of a search, column by column that of scikit-learn's `cv_results_`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from raytrain.tuning.cross_validation import FoldScore

__all__ = ["parameter_columns", "search_table"]


def search_table(candidates: Sequence[Mapping[str, Any]], scores: Sequence[Sequence[FoldScore]]) -> dict[str, Any]:
    """Return times, parameters, scores of each split with mean, standard deviation and rank, a row per candidate.

    Means weigh splits alike; the standard deviation divides by their number; equal means share the better rank, and
    a candidate without a mean ranks last.

    Args:
        candidates: Parameters.
        scores: Of each candidate on each fold; at least one of one.
    """
    table: dict[str, Any] = {}
    for name, seconds in (("fit_time", _fit_time), ("score_time", _score_time)):
        times = _rows(scores, seconds)
        table[f"mean_{name}"], table[f"std_{name}"] = times.mean(axis=1), _deviation(times)
    table |= parameter_columns(candidates)
    table["params"] = [dict(one) for one in candidates]
    for name in scores[0][0].test:
        table |= _score_columns(f"test_{name}", _rows(scores, _test_score(name)))
        table[f"rank_test_{name}"] = _ranks(table[f"mean_test_{name}"])
        if scores[0][0].train:
            table |= _score_columns(f"train_{name}", _rows(scores, _train_score(name)))
    return table


def parameter_columns(candidates: Sequence[Mapping[str, Any]]) -> dict[str, np.ma.MaskedArray[Any, Any]]:
    """Return a column `param_<name>` per parameter, masked where a candidate lacks it.

    >>> parameter_columns([{"C": 1, "gamma": 0.1}, {"C": 2}])["param_gamma"].tolist()
    [0.1, None]
    """
    columns: dict[str, np.ma.MaskedArray[Any, Any]] = {}
    for name in dict.fromkeys(name for one in candidates for name in one):
        given = {row: one[name] for row, one in enumerate(candidates) if name in one}
        column = np.ma.MaskedArray(np.empty(len(candidates), dtype=_type(list(given.values()))), mask=True)
        for row, value in given.items():
            column[row] = value
        columns[f"param_{name}"] = column
    return columns


def _type(values: list[Any]) -> np.dtype[Any]:
    """Return numbers' own type; texts and whatever is no single value are objects."""
    try:
        array = np.array(values)
    except ValueError:  # lists of different lengths
        return np.dtype(object)
    return array.dtype if array.ndim == 1 and array.dtype.kind != "U" else np.dtype(object)


def _score_columns(name: str, rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    splits = {f"split{split}_{name}": column for split, column in enumerate(rows.T)}
    return {**splits, f"mean_{name}": rows.mean(axis=1), f"std_{name}": _deviation(rows)}


def _rows(scores: Sequence[Sequence[FoldScore]], number: Callable[[FoldScore], float]) -> NDArray[np.float64]:
    return np.array([[number(fold) for fold in folds] for folds in scores], dtype=np.float64)


def _fit_time(fold: FoldScore) -> float:
    return fold.fit_time_s


def _score_time(fold: FoldScore) -> float:
    return fold.score_time_s


def _test_score(name: str) -> Callable[[FoldScore], float]:
    return lambda fold: fold.test[name]


def _train_score(name: str) -> Callable[[FoldScore], float]:
    return lambda fold: fold.train[name]


def _deviation(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((rows - rows.mean(axis=1, keepdims=True)) ** 2).mean(axis=1)))


def _ranks(means: NDArray[np.float64]) -> NDArray[np.int32]:
    if np.isnan(means).all():
        return np.ones(len(means), dtype=np.int32)
    comparable = np.where(np.isnan(means), np.nanmin(means) - 1, means)
    return rankdata(-comparable, method="min").astype(np.int32)
