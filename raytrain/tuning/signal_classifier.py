"""A model of ours as scikit-learn sees classifiers, so that both kinds are searched and judged alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from raytrain.config.build import build_training
from raytrain.config.load import apply_overrides, validate
from raytrain.config.parts import check_parts
from raytrain.config.schema import TrainConfig
from raytrain.config.transforms import build_transforms
from raytrain.data.loaders import WindowLoader
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.engine.fit import fit
from raytrain.engine.precision import choose_device
from raytrain.engine.seeding import restore_random_state, save_random_state, seed_everything
from raytrain.errors import ConfigError, DataError, RunError, nearest
from raytrain.models.build import MODELS
from raytrain.trainers.preparation import evaluation_scores
from raytrain.tuning.signal_store import signal_store
from raytrain.types import FINAL

__all__ = ["ModelSettings", "SignalClassifier", "run_settings"]

ModelSettings: TypeAlias = str | TrainConfig | Mapping[str, Any]
"""A model: its name, a whole configuration, or the settings of one as in YAML."""

_IMAGES = {"image": "stft", "views": "views"}
_OF_PREPARED_SIGNALS = {"length", "hop", "sample_rate_hz", "normalize"}
_EVALUATION_BATCH = 256


class SignalClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """A model of ours with the methods of a scikit-learn classifier, over windows instead of rows of features.

    X is float `[N, C, T]` or `[N, T]`, or what `raytrain.tuning.signal_store.with_conditions` makes of it for models
    that also read operating conditions; y has a label per window. `set_params` takes dotted settings of a run, such as
    `optimizer.lr`, `model.width`, `epochs`. Training is that of `raytrain.train` without a validation part: what needs
    one (`early_stopping`, `metric`) has no effect, nor has `data`, for which X and y stand; `callbacks` are refused.
    `windows.sample_rate_hz` says at what rate X is sampled. No random state of the process is moved.

    Source: L. Buitinck et al., "API design for machine learning software: experiences from the scikit-learn project",
    2013.

    >>> quiet, loud = np.random.default_rng(0).normal(size=(2, 8, 1, 256)).astype(np.float32)
    >>> X, y = np.concatenate([quiet, quiet + np.sin(np.arange(256))]), ["good"] * 8 + ["bad"] * 8
    >>> classifier = SignalClassifier("cnn1d").set_params(**{"epochs": 3, "model.depth": 2, "optimizer.lr": 0.01})
    >>> classifier.fit(X, y).predict_proba(loud).shape, classifier.classes_.tolist()
    ((8, 2), ['bad', 'good'])

    Args:
        model: The model and how it is trained. A bare name of one that reads images comes with the transform that
            makes them: `stft`, or all views.

    Attributes:
        classes_: The labels, sorted, `[K]`.
        model_: The trained network.
        history_: Metrics of each epoch.
        n_features_in_: Samples T of a window.

    Raises:
        ConfigError: A setting breaks a rule, or cannot be met from X and y alone.
        DataError: X is not such an array of finite numbers, or is not as long as y.
    """

    def __init__(self, model: ModelSettings = "wdcnn") -> None:
        self.model = model

    def set_params(self, **params: Any) -> SignalClassifier:  # noqa: ANN401 - scikit-learn's signature
        """Replace `model` as a whole, or dotted settings of its run; return self.

        Raises:
            ConfigError: A setting is none of a run.
        """
        if "model" in params:
            self.model = params.pop("model")
        for name in params:
            if (field := name.partition(".")[0]) not in TrainConfig.model_fields:
                raise ConfigError(
                    f"{name}: '{field}' is no setting of a run; {nearest(field, TrainConfig.model_fields)}"
                )
        if params:
            self.model = apply_overrides(run_settings(self.model), {name: _plain(one) for name, one in params.items()})
        return self

    def config(self, samples: int) -> TrainConfig:
        """Return the checked configuration of a run on windows of so many samples.

        Raises:
            ConfigError: It breaks a rule, or asks for what X and y do not have.
        """
        settings = run_settings(self.model)
        windows = dict(settings.get("windows") or {})
        if windows.setdefault("length", samples) != samples:
            raise ConfigError(f"windows.length: X has windows of {samples} samples, got {windows['length']}; omit it")
        if prepared := sorted(set(windows) - _OF_PREPARED_SIGNALS):
            raise ConfigError(f"windows.{prepared[0]}: X is searched as it is; prepare it so, and leave this out")
        if settings.get("callbacks"):
            raise ConfigError("callbacks: none are called in cross-validation; leave them out, or use raytrain.tune")
        config = validate(TrainConfig, {**settings, "windows": windows, "data": {}}, where="model")
        check_parts(config)
        return config

    def fit(self, X: ArrayLike, y: ArrayLike) -> SignalClassifier:  # noqa: N803 - scikit-learn's name
        """Train on windows X and labels y, from new weights; return self."""
        check_classification_targets(y)
        self.classes_, targets = np.unique(np.asarray(y), return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"y must have at least 2 classes to tell apart, got only {self.classes_.tolist()}")
        store = self._store(X, targets)
        self.n_features_in_ = int(store.samples[0])
        config = self.config(self.n_features_in_)
        with _undisturbed(config.threads):
            seed_everything(config.seed)
            training = build_training(config, store, validation=None)
            state = fit(training)
            self.model_, self.history_ = state.model, state.history
            # Anew, as the run's own transforms keep the images of its windows, by their number.
            uncached = config.model_copy(update={"image_cache_mb": 0})
            windows = Windows(store, ("train",), config.windows)
            made = build_transforms(uncached, windows, model=self.model_, objective=torch.nn.Identity())
        self._transforms = [transform for transform in made if transform.in_evaluation]
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Return the probability of each class for windows X, `[N, K]`."""
        return np.asarray(torch.from_numpy(self._scores(X)).softmax(dim=1).numpy())

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803 - scikit-learn's name
        """Return the likeliest label of each of the windows X, `[N]`."""
        likeliest = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[likeliest])

    def _scores(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Return the class scores of windows X, `[N, K]`."""
        if not hasattr(self, "model_"):
            raise RunError("this SignalClassifier is not trained yet; call fit first")
        store = self._store(X)
        config = self.config(int(store.samples[0]))
        with _undisturbed(config.threads):
            windows = Windows(store, ("train",), config.windows, device=choose_device(config.device))
            loader = WindowLoader(windows, batch_size=_EVALUATION_BATCH, shuffle=False)
            scores = [
                evaluation_scores(self.model_, batch, self._transforms, progress=FINAL).double().cpu()
                for batch in loader
            ]
        return np.asarray(torch.cat(scores).numpy())

    def _store(self, X: ArrayLike, targets: NDArray[np.int64] | None = None) -> SegmentStore:  # noqa: N803
        classes = tuple(str(one) for one in self.classes_)
        rate = (run_settings(self.model).get("windows") or {}).get("sample_rate_hz")
        return signal_store(X, targets, classes=classes, sample_rate_hz=rate)


def run_settings(model: ModelSettings) -> dict[str, Any]:
    """Return the settings of a run as they were given.

    >>> run_settings("cnn2d")
    {'model': {'name': 'cnn2d'}, 'tfr': {'name': 'stft'}}

    Raises:
        ConfigError: There is no model of this name.
    """
    if isinstance(model, TrainConfig):
        return model.given
    if not isinstance(model, str):
        return dict(model)
    if model not in MODELS:
        raise ConfigError(f"model: there is no model {model!r}; {nearest(model, MODELS)}")
    images = _IMAGES.get(MODELS[model].input_domain)
    return {"model": {"name": model}, **({} if images is None else {"tfr": {"name": images}})}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any setting
    """Return a setting without NumPy's types, which arrays of values bring along."""
    return value.item() if isinstance(value, np.generic) else value


@contextmanager
def _undisturbed(threads: int) -> Iterator[None]:
    """Use so many threads, and afterwards leave them and all random states of the process as they were."""
    before, random_state = torch.get_num_threads(), save_random_state()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        restore_random_state(random_state)
