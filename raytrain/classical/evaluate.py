"""Windows to features, features to a trained classical model, and its predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raytrain.classical.build import Classifier, find_classical
from raytrain.classical.envelope import observable_lines
from raytrain.classical.features import extract_features
from raytrain.data.windows import Windows
from raytrain.errors import DataError

__all__ = ["FeatureSet", "FittedBaseline", "features_of", "fit_baseline"]

_SAMPLES_AT_ONCE = 1 << 22  # 16 MB of float32


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """Features of N windows and what is known of them.

    Attributes:
        values: Features, float64 `[N, F]`.
        names: Name of each feature.
        targets: Class indices, int64 `[N]`.
        recordings: Index of the recording each window is of, int64 `[N]`.
        classes: Names of all K classes.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...]
    targets: NDArray[np.int64]
    recordings: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, slots=True, eq=False)
class FittedBaseline:
    """A trained classical model.

    Attributes:
        name: Its name in `CLASSICAL`.
        classifier: The trained classifier.
        features: Names of all features of the windows it was trained on.
        columns: Indices of the features it sees.
        classes: Names of all K classes, also of those it was not trained on.
    """

    name: str
    classifier: Classifier
    features: tuple[str, ...]
    columns: NDArray[np.intp]
    classes: tuple[str, ...]

    def predict_proba(self, features: FeatureSet) -> NDArray[np.float64]:
        """Return class probabilities `[N, K]`; 0 for a class the model was not trained on.

        Raises:
            DataError: The features or classes are not those of training.
        """
        if features.names != self.features:
            differing = sorted(set(features.names) ^ set(self.features))
            raise DataError(f"{self.name} was trained on other features; they differ in {', '.join(differing)}")
        if features.classes != self.classes:
            known, given = ", ".join(self.classes), ", ".join(features.classes)
            raise DataError(f"{self.name} was trained on the classes {known}; these windows have {given}")
        probabilities = np.zeros((len(features), len(self.classes)))
        seen = self.classifier.predict_proba(features.values[:, self.columns])
        probabilities[:, self.classifier.classes_] = seen
        return probabilities


def features_of(windows: Windows) -> FeatureSet:
    """Return the features of windows of the raw signal, a bounded number of which is in memory at a time.

    The lines measured are those that all segments of the store can show, whatever part they are in: so all
    parts of a split have the same features.

    Raises:
        DataError: The windows are too short for features.
    """
    store = windows.store
    lines = observable_lines(
        windows.length,
        fs_hz=store.fs_hz,
        shaft_speed_rpm=store.shaft_speed_rpm,
        fault_orders=store.fault_orders,
    )
    tables = [
        extract_features(
            some.signal,
            fs_hz=store.fs_hz,
            shaft_speed_rpm=some.shaft_speed_rpm,
            fault_orders=some.fault_orders,
            channels=store.channels,
            lines=lines,
        )
        for some in windows.arrays(max(1, _SAMPLES_AT_ONCE // (windows.length * len(store.channels))))
    ]
    values = np.concatenate([table.values for table in tables])
    return FeatureSet(values, tables[0].names, windows.targets, windows.recordings, store.classes)


def fit_baseline(name: str, train: FeatureSet, *, seed: int, threads: int = 1) -> FittedBaseline:
    """Train a classical model.

    Args:
        name: A name in `CLASSICAL`.
        train: Training windows.
        seed: Of the model's random part, if it has one.
        threads: CPU threads to use.

    Raises:
        ConfigError: The name is unknown.
        DataError: All windows are of one class, or lack the features that the model is about.
    """
    model = find_classical(name)
    if not any(map(model.needs, train.names)):
        raise DataError(
            f"{name} needs envelope lines at a bearing's fault frequencies, and these windows show none: "
            "give the recordings a bearing that is known, or use longer windows"
        )
    present = np.unique(train.targets)
    if len(present) < 2:
        only = ", ".join(train.classes[index] for index in present)
        raise DataError(f"{name} needs training windows of two classes at least, and all are of: {only}")
    columns = np.flatnonzero([model.uses(feature) for feature in train.names])
    classifier = model.create(seed, threads)
    classifier.fit(train.values[:, columns], train.targets)
    return FittedBaseline(name, classifier, train.names, columns, train.classes)
