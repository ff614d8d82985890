"""Every combination of given values, judged by cross-validation."""

from __future__ import annotations

from raytrain.tuning.candidates import FixedCandidates
from raytrain.tuning.default_spaces import default_grid
from raytrain.tuning.parameter_space import ParameterGrids, enumerate_candidates
from raytrain.tuning.search_optimizer import SearchOptimizer, SearchTask
from raytrain.tuning.searched_model import check_candidates
from raytrain.tuning.space import Point

__all__ = ["GridSearchOptimizer"]


class GridSearchOptimizer(SearchOptimizer):
    """Judge every combination of given values by cross-validation on Ray Tune, each exactly once.

    The table of results is that of scikit-learn's `GridSearchCV` on the same folds, number for number. A fit that fails
    has NaN for its score and its reason in `failures_`.

    Source: scikit-learn's `GridSearchCV`, of which it has the attributes.

    >>> GridSearchOptimizer().candidates({"kernel": ["rbf"], "C": [1, 10]})
    [{'C': 1, 'kernel': 'rbf'}, {'C': 10, 'kernel': 'rbf'}]

    On a cluster, or on this machine:

    >>> search = GridSearchOptimizer(epochs=5).search(
    ...     "wdcnn", X, y, {"optimizer.lr": [1e-3, 1e-2]}, cv=4, scoring="f1_macro", groups=recordings
    ... )  # doctest: +SKIP
    >>> search.get_results()  # doctest: +SKIP

    Args:
        refit: Whether to train the best candidate on all rows; with several scorers, the name of the one that decides.
        return_train_score: Whether to score training rows too.
        epochs: Of models of ours; those of their configuration (20) when absent.
        cpus_per_trial: CPUs of a trial, which has one thread unless the estimator is told otherwise.
        gpus_per_trial: GPUs of a trial, or a share of one. With 0 a model of ours is trained on the CPU.
        max_concurrent_trials: Trials at once at most; as many as there is room for when absent.

    Raises:
        ConfigError: A setting is impossible.
    """

    def candidates(self, param_grid: ParameterGrids) -> list[Point]:
        """Return what would be judged, in order.

        Raises:
            ConfigError: A parameter is continuous or has no values.
        """
        return enumerate_candidates(param_grid)

    def _default(self, model: str, prefix: str) -> ParameterGrids:
        return default_grid(model, prefix=prefix)

    def _candidates(self, task: SearchTask) -> FixedCandidates:
        candidates = self.candidates(task.space)
        check_candidates(task.judge.estimator, candidates, task.judge.X)
        return FixedCandidates(candidates)
