"""The classical models by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raytrain.classical.features import is_envelope_line, is_fault_line
from raytrain.errors import ConfigError, nearest

__all__ = ["CLASSICAL", "ClassicalModel", "Classifier", "create_classical", "find_classical"]

_MAX_ITERATIONS = 10_000  # tens are usual on standardised features; classes that separate perfectly need more


class Classifier(Protocol):
    """What a scikit-learn classifier offers."""

    classes_: NDArray[np.int64]

    def fit(self, X: NDArray[np.float64], y: NDArray[np.int64]) -> object:  # noqa: N803 - scikit-learn's names
        """Learn from features `[N, F]` and class indices `[N]`."""
        ...

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's names
        """Return probabilities `[N, len(classes_)]`."""
        ...


@dataclass(frozen=True, slots=True)
class ClassicalModel:
    """A classical model.

    Attributes:
        create: Makes its classifier from a seed and a number of threads.
        uses: Whether it sees the feature of this name.
        needs: Whether the feature of this name is of the kind that it must see one of to mean anything.
        random: Whether its seed changes it.
    """

    create: Callable[[int, int], Classifier]
    uses: Callable[[str], bool]
    needs: Callable[[str], bool]
    random: bool = False


def _any_feature(_name: str) -> bool:
    return True


def _random_forest(seed: int, threads: int) -> Classifier:
    from sklearn.ensemble import RandomForestClassifier

    forest: Classifier = RandomForestClassifier(
        n_estimators=200, class_weight="balanced", n_jobs=threads, random_state=seed
    )
    return forest


def _logistic_regression(_seed: int, _threads: int) -> Classifier:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression: Classifier = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=_MAX_ITERATIONS)
    )
    return regression


CLASSICAL: Mapping[str, ClassicalModel] = {
    "envelope_lines": ClassicalModel(_logistic_regression, uses=is_envelope_line, needs=is_fault_line),
    "logistic_regression": ClassicalModel(_logistic_regression, uses=_any_feature, needs=_any_feature),
    "random_forest": ClassicalModel(_random_forest, uses=_any_feature, needs=_any_feature, random=True),
}
"""Name -> model. `envelope_lines` is logistic regression on what a vibration analyst looks at first."""


def find_classical(name: str) -> ClassicalModel:
    """Return the classical model of this name.

    Raises:
        ConfigError: There is none.
    """
    if name not in CLASSICAL:
        raise ConfigError(f"unknown classical model '{name}'; {nearest(name, CLASSICAL)}")
    return CLASSICAL[name]


def create_classical(name: str, *, seed: int, threads: int = 1) -> Classifier:
    """Return the untrained classifier of this name; classes are weighted by their inverse frequency.

    Args:
        name: A name in `CLASSICAL`.
        seed: Of the random forest; logistic regression has no random part.
        threads: Of the random forest; logistic regression takes the threads of the linear algebra library.

    Raises:
        ConfigError: The name is unknown.
    """
    return find_classical(name).create(seed, threads)
