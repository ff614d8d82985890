"""What is worth trying of each model when nothing else is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raytrain.errors import ConfigError, nearest

__all__ = ["DEFAULT_GRIDS", "DEFAULT_SPACES", "default_grid", "default_space"]

Space = dict[str, Any]


def _log(low: float, high: float) -> Space:
    return {"type": "loguniform", "low": low, "high": high}


def _real(low: float, high: float) -> Space:
    return {"type": "uniform", "low": low, "high": high}


def _int(low: int, high: int, step: int = 1) -> Space:
    return {"type": "int", "low": low, "high": high, "step": step}


def _one_of(*values: Any) -> Space:  # noqa: ANN401 - any JSON values
    return {"type": "choice", "values": list(values)}


_TRAINING: Space = {"optimizer.lr": _log(3e-4, 3e-2), "optimizer.weight_decay": _log(1e-5, 1e-1)}
_CONVOLUTIONS: Space = {**_TRAINING, "model.width": _one_of(8, 16, 32), "model.dropout": _real(0.0, 0.5)}
_KERNELS: Space = {**_CONVOLUTIONS, "model.depth": _int(2, 4), "model.kernel_size": _one_of(5, 9, 17)}
_LEARNING_RATES = [1e-3, 3e-3, 1e-2]

DEFAULT_SPACES: Mapping[str, Space] = {
    "cnn1d": {**_KERNELS, "model.pooling": _one_of("average", "max", "both")},
    "cnn2d": {**_CONVOLUTIONS, "model.depth": _int(2, 4)},
    "cnn_lstm": {
        **_CONVOLUTIONS,
        "model.hidden": _one_of(32, 64, 128),
        "model.bidirectional": {"type": "choice", "values": [False, True]},
    },
    "multi_scale_cnn": {**_CONVOLUTIONS, "model.scales": _int(2, 4), "model.kernel_size": _one_of(5, 9, 17)},
    "multi_view": {**_CONVOLUTIONS, "model.depth": _int(2, 4)},
    "patch_transformer": {
        **_TRAINING,
        "model.width": _one_of(32, 64, 128),
        "model.depth": _int(2, 4),
        "model.patch_length": _one_of(64, 128),
        "model.patch_stride": _one_of(32, 64),
        "model.dropout": _real(0.0, 0.3),
    },
    "physics_hybrid": {**_KERNELS, "model.orders": _one_of(8, 16, 32), "model.hidden": _one_of(32, 64)},
    "resnet1d": {**_CONVOLUTIONS, "model.first_kernel": _one_of(7, 15, 31)},
    "resnet2d": _CONVOLUTIONS,
    "ticnn": {**_CONVOLUTIONS, "model.most_interference": _real(0.3, 0.9)},
    "wdcnn": {**_CONVOLUTIONS, "model.first_kernel": _one_of(32, 64, 128)},
    # Depth and leaves: P. Probst, M. Wright, A.-L. Boulesteix, "Hyperparameters and tuning strategies for random
    # forest", 2019; more trees only ever help, so their number is bounded by what they cost.
    "random_forest": {
        "n_estimators": _int(100, 500, 50),
        "max_features": _one_of("sqrt", "log2", 0.5),
        "max_depth": _one_of(None, 8, 16, 32),
        "min_samples_leaf": {"type": "int", "low": 1, "high": 16, "log": True},
    },
    # C. Hsu, C. Chang, C. Lin, "A practical guide to support vector classification", 2003: both in powers; C not up to
    # their 2^15, where a linear kernel takes minutes on classes that overlap.
    "svm": {
        "kernel": _one_of("rbf", "linear"),
        "C": _log(1e-2, 1e3),
        "gamma": {**_log(1e-4, 10.0), "when": {"kernel": "rbf"}},
    },
    # T. Hastie, R. Tibshirani, J. Friedman, "The elements of statistical learning", 2009, chapter 10: shallow trees,
    # slow learning, subsampling.
    "gradient_boosting": {
        "learning_rate": _log(0.01, 0.3),
        "n_estimators": _int(50, 300, 50),
        "max_depth": _int(2, 6),
        "subsample": _real(0.5, 1.0),
        "min_samples_leaf": {"type": "int", "low": 1, "high": 16, "log": True},
    },
}
"""Model -> parameter -> distribution, as in a search space: for random search and TPE."""

DEFAULT_GRIDS: Mapping[str, Space | list[Space]] = {
    **{
        name: {"optimizer.lr": _LEARNING_RATES, "model.width": space["model.width"]["values"]}
        for name, space in DEFAULT_SPACES.items()
        if "model.width" in space
    },
    "random_forest": {"n_estimators": [100, 300], "max_features": ["sqrt", 0.5], "min_samples_leaf": [1, 4]},
    "svm": [
        {"kernel": ["rbf"], "C": [1.0, 10.0, 100.0], "gamma": ["scale", 0.01, 0.1]},
        {"kernel": ["linear"], "C": [0.1, 1.0, 10.0]},
    ],
    "gradient_boosting": {"learning_rate": [0.03, 0.1], "n_estimators": [100, 200], "max_depth": [2, 3, 4]},
}
"""Model -> the values of a grid small enough to be tried out in full."""


def default_space(model: str, *, prefix: str = "") -> Space:
    """Return distributions of the parameters worth tuning of a model, for random search and TPE.

    >>> default_space("svm", prefix="svc__")["svc__gamma"]["when"]
    {'svc__kernel': 'rbf'}

    Args:
        model: A model of ours, or `random_forest`, `svm`, `gradient_boosting`.
        prefix: Put before each name, as for a step of a pipeline.

    Raises:
        ConfigError: There is no default for it.
    """
    space: Space = _known(DEFAULT_SPACES, model)
    return {prefix + name: _prefixed(one, prefix) for name, one in space.items()}


def default_grid(model: str, *, prefix: str = "") -> Space | list[Space]:
    """Return the values of a small grid for a model, as `default_space` its distributions.

    >>> default_grid("cnn1d")
    {'optimizer.lr': [0.001, 0.003, 0.01], 'model.width': [8, 16, 32]}

    Raises:
        ConfigError: There is no default for it.
    """
    grid: Space | list[Space] = _known(DEFAULT_GRIDS, model)
    if isinstance(grid, list):
        return [{prefix + name: list(values) for name, values in one.items()} for one in grid]
    return {prefix + name: list(values) for name, values in grid.items()}


def _known(table: Mapping[str, Any], model: str) -> Any:  # noqa: ANN401 - an entry
    if model not in table:
        raise ConfigError(f"param_grid: there is no default for '{model}', give one; {nearest(model, table)}")
    return table[model]


def _prefixed(one: Space, prefix: str) -> Space:
    if "when" not in one:
        return dict(one)
    return {**one, "when": {prefix + parent: values for parent, values in one["when"].items()}}
