"""The estimator behind what a search is asked to tune, and whether it can be set as asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone

from raytrain.config.schema import TrainConfig
from raytrain.errors import ConfigError, DataError
from raytrain.tuning.cross_validation import configured
from raytrain.tuning.signal_classifier import SignalClassifier
from raytrain.tuning.signal_store import samples_of
from raytrain.tuning.space import Point

__all__ = ["SearchedModel", "check_candidates", "search_model"]

_FAMILIES = {
    "RandomForestClassifier": "random_forest",
    "RandomForestRegressor": "random_forest",
    "SVC": "svm",
    "SVR": "svm",
    "GradientBoostingClassifier": "gradient_boosting",
    "GradientBoostingRegressor": "gradient_boosting",
}


@dataclass(frozen=True, slots=True)
class SearchedModel:
    """What is tuned.

    Attributes:
        estimator: With scikit-learn's methods; a copy of what was given.
        name: Of its default space.
        prefix: Before the names of its parameters, as of a pipeline's last step.
    """

    estimator: Any
    name: str
    prefix: str = ""


def search_model(model: Any, X: Any, y: Any, *, epochs: int | None = None, on_gpu: bool = False) -> SearchedModel:  # noqa: ANN401, N803
    """Return the estimator that `model` stands for, after a look at the data it is to be trained on.

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.svm import SVC
    >>> found = search_model(make_pipeline(SVC()), [[0.0], [1.0]], [0, 1])
    >>> found.name, found.prefix
    ('svm', 'svc__')

    Args:
        model: A scikit-learn estimator, or a model of ours: its name, a `TrainConfig`, or settings as in YAML.
        X: Rows.
        y: Their targets.
        epochs: Of a model of ours; its own when absent.
        on_gpu: Whether a trial has a GPU; a model of ours whose device is `auto` is trained there, else on the CPU.

    Raises:
        ConfigError: It is no estimator, or there is no model of this name.
        DataError: X and y are not equally long, or X is not what a model of ours can read.
    """
    rows = X.shape[0] if hasattr(X, "shape") else len(X)  # sparse matrices have no length
    if len(y) != rows:
        raise DataError(f"X and y must be equally long, got {rows} rows and {len(y)} targets")
    if isinstance(model, str | TrainConfig | Mapping):
        model = SignalClassifier(model)
    if isinstance(model, SignalClassifier):
        return _of_ours(clone(model), X, epochs=epochs, on_gpu=on_gpu)
    if isinstance(model, type) or not (hasattr(model, "fit") and hasattr(model, "get_params")):
        raise ConfigError(
            "model must be a scikit-learn estimator, the name of a model of ours, a TrainConfig or settings of a run, "
            f"got {model!r}"
        )
    if epochs is not None:
        raise ConfigError(f"epochs: only models of ours are trained by epochs, and model is {type(model).__name__}")
    last, prefix = model, ""
    while hasattr(last, "steps"):
        prefix, last = f"{prefix}{last.steps[-1][0]}__", last.steps[-1][1]
    family = type(last).__name__
    return SearchedModel(clone(model), _FAMILIES.get(family, family), prefix)


def _of_ours(classifier: SignalClassifier, X: Any, *, epochs: int | None, on_gpu: bool) -> SearchedModel:  # noqa: ANN401, N803
    if epochs is not None:
        classifier.set_params(epochs=epochs)
    config = classifier.config(samples_of(X))
    if config.device == "auto":
        classifier.set_params(device="cuda" if on_gpu else "cpu")
    elif config.device == "cuda" and not on_gpu:
        raise ConfigError("device: cuda needs a GPU for each trial; give gpus_per_trial, or device: auto")
    return SearchedModel(classifier, config.model.name)


def check_candidates(estimator: Any, candidates: Iterable[Point], X: Any) -> None:  # noqa: ANN401, N803
    """Set the estimator to each candidate, before any is judged.

    Raises:
        ConfigError: It has no such parameter; or, for a model of ours, a setting breaks a rule.
    """
    samples = samples_of(X) if isinstance(estimator, SignalClassifier) else 0
    for candidate in candidates:
        try:
            made = configured(estimator, candidate)
            if isinstance(made, SignalClassifier):
                made.config(samples)
        except (TypeError, ValueError) as error:
            point = ", ".join(f"{name}={value}" for name, value in candidate.items())
            raise ConfigError(f"param_grid: {point} cannot be set: {error}") from error
