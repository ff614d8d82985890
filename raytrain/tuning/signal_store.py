"""Windows that are already cut, as an array, in the form that training takes its signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raytrain.data.store import SegmentStore
from raytrain.errors import DataError

__all__ = ["samples_of", "signal_store", "with_conditions"]

_SIGNAL = "signal"


def with_conditions(X: ArrayLike, conditions: Mapping[str, ArrayLike]) -> NDArray[Any]:  # noqa: N803
    """Return windows and their operating conditions as one structured array `[N]`, which divides like any other.

    >>> X = with_conditions(np.zeros((3, 1, 64)), {"shaft_speed_rpm": [1797, 1772, 1750]})
    >>> X.shape, X["signal"].shape, X[:2]["shaft_speed_rpm"].tolist()
    ((3,), (3, 1, 64), [1797.0, 1772.0])

    Args:
        X: Windows `[N, C, T]` or `[N, T]`.
        conditions: Values `[N]` by name: `shaft_speed_rpm`, `load`, `viscosity_pa_s`, `sommerfeld_number`.

    Raises:
        DataError: A condition has not one value per window.
    """
    windows = _windows(X)
    columns = {name: np.asarray(values, dtype=np.float32) for name, values in conditions.items()}
    for name, values in columns.items():
        if values.shape != windows.shape[:1]:
            raise DataError(f"{name}: there must be one value per window, {len(windows)}, got {list(values.shape)}")
    fields = [(_SIGNAL, np.float32, windows.shape[1:]), *((name, np.float32) for name in columns)]
    joined = np.empty(len(windows), dtype=fields)
    joined[_SIGNAL] = windows
    for name, values in columns.items():
        joined[name] = values
    return joined


def signal_store(
    X: ArrayLike,  # noqa: N803 - scikit-learn's name
    targets: NDArray[np.int64] | None,
    *,
    classes: Sequence[str],
    sample_rate_hz: float | None,
) -> SegmentStore:
    """Return windows as a store in which each is a recording of its own, all in the training part.

    Args:
        X: Windows `[N, C, T]` or `[N, T]`, or those of `with_conditions`.
        targets: Index of each window's class; 0 where they are not known.
        classes: Names of the classes.
        sample_rate_hz: Of X; 1 where it is not known, so that frequencies are per sample.

    Raises:
        DataError: X is no such array of finite numbers, or has another length than the targets.
    """
    conditions = _conditions(X)
    windows = _windows(X)
    count, channels, samples = windows.shape
    if targets is not None and len(targets) != count:
        raise DataError(f"X and y must be equally long, got {count} windows and {len(targets)} labels")
    unknown = np.full(count, np.nan, dtype=np.float32)
    return SegmentStore(
        signal=windows.transpose(1, 0, 2).reshape(channels, count * samples),
        fs_hz=sample_rate_hz or 1.0,
        offset=np.arange(count, dtype=np.int64) * samples,
        samples=np.full(count, samples, dtype=np.int64),
        start=np.zeros(count, dtype=np.int64),
        part=np.zeros(count, dtype=np.int8),
        target=np.zeros(count, dtype=np.int64) if targets is None else targets,
        recording=np.arange(count, dtype=np.int64),
        shaft_speed_rpm=conditions.pop("shaft_speed_rpm", unknown),
        load=conditions.pop("load", unknown),
        fault_orders=np.full((count, 4), np.nan),
        classes=tuple(classes),
        recording_ids=tuple(f"window {number}" for number in range(1, count + 1)),
        channels=tuple(f"ch{number}" for number in range(1, channels + 1)),
        conditions=conditions,
    )


def samples_of(X: ArrayLike) -> int:  # noqa: N803 - scikit-learn's name
    """Return the length T of windows `[N, C, T]` or `[N, T]`, in samples.

    Raises:
        DataError: X is no such array of finite numbers.
    """
    return int(_windows(X).shape[-1])


def _windows(X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803 - scikit-learn's name
    """Return X as float32 `[N, C, T]`."""
    array = np.asarray(X)
    if array.dtype.names is not None:
        array = array[_SIGNAL]
    if array.dtype.kind not in "iuf" or array.ndim not in (2, 3) or array.size == 0:
        raise DataError(
            f"X must be windows of numbers, [windows, channels, samples] or [windows, samples], got {array.dtype} "
            f"{list(array.shape)}"
        )
    windows = array[:, None] if array.ndim == 2 else array
    with np.errstate(over="ignore"):  # becomes infinite, which is refused below
        windows = windows.astype(np.float32, copy=False)
    if not np.isfinite(windows).all():
        bad = np.flatnonzero(~np.isfinite(windows).all(axis=(1, 2)))
        raise DataError(f"X must be finite, but {len(bad)} windows have NaN or infinite samples, first X[{bad[0]}]")
    return windows


def _conditions(X: ArrayLike) -> dict[str, NDArray[np.float32]]:  # noqa: N803 - scikit-learn's name
    array = np.asarray(X)
    names = [name for name in array.dtype.names or () if name != _SIGNAL]
    return {name: np.ascontiguousarray(array[name]) for name in names}
