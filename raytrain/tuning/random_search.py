"""Random combinations of values and distributions, judged by cross-validation."""

from __future__ import annotations

from raytrain.errors import ConfigError
from raytrain.tuning.candidates import FixedCandidates
from raytrain.tuning.default_spaces import default_space
from raytrain.tuning.parameter_space import ParameterGrids, sample_candidates
from raytrain.tuning.search_optimizer import SearchOptimizer, SearchTask
from raytrain.tuning.searched_model import check_candidates
from raytrain.tuning.space import Point

__all__ = ["RandomSearchOptimizer"]


class RandomSearchOptimizer(SearchOptimizer):
    """Judge random candidates by cross-validation on Ray Tune.

    With a seed, the candidates are those of scikit-learn's `RandomizedSearchCV` of the same `random_state`, for lists
    and `scipy.stats` distributions; lists alone are drawn from without repetition. A space of parameters that depend
    on others (`when`) is drawn from parents first, and no point of it twice. Equal candidates are judged once.

    Source: J. Bergstra, Y. Bengio, "Random search for hyper-parameter optimization", 2012; attributes are those of
    scikit-learn's `RandomizedSearchCV`.

    >>> RandomSearchOptimizer(n_iter=2, random_state=0).candidates({"C": [1, 10, 100], "kernel": ["rbf", "linear"]})
    [{'kernel': 'linear', 'C': 100}, {'kernel': 'rbf', 'C': 10}]

    Args:
        n_iter: Candidates; all there are where lists have fewer combinations.
        random_state: Seed of the candidates; other ones at each search when absent.
        refit: Whether to train the best candidate on all rows; with several scorers, the name of the one that decides.
        return_train_score: Whether to score training rows too.
        epochs: Of models of ours; those of their configuration (20) when absent.
        cpus_per_trial: CPUs of a trial, which has one thread unless the estimator is told otherwise.
        gpus_per_trial: GPUs of a trial, or a share of one. With 0 a model of ours is trained on the CPU.
        max_concurrent_trials: Trials at once at most; as many as there is room for when absent.

    Raises:
        ConfigError: A setting is impossible.
    """

    def __init__(
        self,
        *,
        n_iter: int = 10,
        random_state: int | None = None,
        refit: bool | str = True,
        return_train_score: bool = False,
        epochs: int | None = None,
        cpus_per_trial: float = 1,
        gpus_per_trial: float = 0,
        max_concurrent_trials: int | None = None,
    ) -> None:
        super().__init__(
            refit=refit,
            return_train_score=return_train_score,
            epochs=epochs,
            cpus_per_trial=cpus_per_trial,
            gpus_per_trial=gpus_per_trial,
            max_concurrent_trials=max_concurrent_trials,
        )
        if n_iter < 1:
            raise ConfigError(f"n_iter must be at least 1, got {n_iter}")
        self._n_iter, self._random_state = n_iter, random_state

    def candidates(self, param_grid: ParameterGrids) -> list[Point]:
        """Return what would be judged, in order; the same each time only with a `random_state`.

        Raises:
            ConfigError: A parameter is neither a list of values nor a distribution.
        """
        return sample_candidates(param_grid, count=self._n_iter, random_state=self._random_state)

    def _default(self, model: str, prefix: str) -> ParameterGrids:
        return default_space(model, prefix=prefix)

    def _candidates(self, task: SearchTask) -> FixedCandidates:
        candidates = self.candidates(task.space)
        check_candidates(task.judge.estimator, candidates, task.judge.X)
        return FixedCandidates(candidates)
