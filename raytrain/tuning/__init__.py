"""Hyperparameter search on Ray: sweeps of training runs, and searches over estimators by cross-validation."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from raytrain.distributed.notebook_advice import leave_out_advice

if TYPE_CHECKING:
    from raytrain.tuning.bayesian_search import BayesianOptimizer
    from raytrain.tuning.default_spaces import default_grid, default_space
    from raytrain.tuning.grid_search import GridSearchOptimizer
    from raytrain.tuning.random_search import RandomSearchOptimizer
    from raytrain.tuning.signal_classifier import SignalClassifier
    from raytrain.tuning.signal_store import with_conditions

__all__ = [
    "BayesianOptimizer",
    "GridSearchOptimizer",
    "RandomSearchOptimizer",
    "SignalClassifier",
    "default_grid",
    "default_space",
    "with_conditions",
]

leave_out_advice()

_HOMES = {
    "BayesianOptimizer": "raytrain.tuning.bayesian_search",
    "GridSearchOptimizer": "raytrain.tuning.grid_search",
    "RandomSearchOptimizer": "raytrain.tuning.random_search",
    "SignalClassifier": "raytrain.tuning.signal_classifier",
    "default_grid": "raytrain.tuning.default_spaces",
    "default_space": "raytrain.tuning.default_spaces",
    "with_conditions": "raytrain.tuning.signal_store",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOMES:
        raise AttributeError(f"module 'raytrain.tuning' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
