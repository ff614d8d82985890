"""Candidates that a model of the scores proposes, judged by cross-validation."""

from __future__ import annotations

import numpy as np
import optuna

from raytrain.errors import ConfigError
from raytrain.tuning.default_spaces import default_space
from raytrain.tuning.labelled_space import sample_labelled
from raytrain.tuning.parameter_space import ParameterGrids, labelled_space
from raytrain.tuning.search_optimizer import SearchOptimizer, SearchTask
from raytrain.tuning.search_study import StudyCandidates, StudyStorage, open_study, search_signature
from raytrain.tuning.searched_model import check_candidates

__all__ = ["BayesianOptimizer"]

_PROBES = 16


class BayesianOptimizer(SearchOptimizer):
    """Judge the candidates that Optuna's TPE proposes, by cross-validation on Ray Tune.

    The first third, between 4 and 10, are random. Candidates that run at the same time are proposed without knowing of
    each other's scores, so results repeat with a `random_state` only where `max_concurrent_trials` is 1. Every
    candidate is a trial of an Optuna study: COMPLETE with its mean score, or FAIL with the reason. With a `storage` the
    next search of the same study goes on from there: what it judged counts, and is in the results.

    Source: J. Bergstra, R. Bardenet, Y. Bengio, B. Kegl, "Algorithms for hyper-parameter optimization", 2011.

    >>> BayesianOptimizer(n_trials=0)
    Traceback (most recent call last):
    ...
    raytrain.errors.ConfigError: n_trials must be at least 1, got 0

    On a cluster, or on this machine:

    >>> search = BayesianOptimizer(n_trials=40, storage="sqlite:///studies.db").search(
    ...     SVC(), X, y, {"C": scipy.stats.loguniform(0.01, 100), "gamma": scipy.stats.loguniform(1e-4, 1)}
    ... )  # doctest: +SKIP
    >>> search.plot_importances()  # doctest: +SKIP

    Args:
        n_trials: Candidates to judge, beside those a stored study has already.
        random_state: Seed of the proposals; another one at each search when absent.
        storage: Where the study is kept: the address of a database, the path of a journal file, or Optuna's own object;
            in memory when absent. One search at a time writes to a study.
        study_name: Of the study in the storage.
        refit: Whether to train the best candidate on all rows; with several scorers, the name of the one that decides.
        return_train_score: Whether to score training rows too.
        epochs: Of models of ours; those of their configuration (20) when absent.
        cpus_per_trial: CPUs of a trial, which has one thread unless the estimator is told otherwise.
        gpus_per_trial: GPUs of a trial, or a share of one. With 0 a model of ours is trained on the CPU.
        max_concurrent_trials: Trials at once at most; as many as there is room for when absent.

    Attributes:
        study_: The Optuna study.

    Raises:
        ConfigError: A setting is impossible.
    """

    study_: optuna.Study

    def __init__(
        self,
        *,
        n_trials: int = 30,
        random_state: int | None = None,
        storage: StudyStorage = None,
        study_name: str = "search",
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
        if n_trials < 1:
            raise ConfigError(f"n_trials must be at least 1, got {n_trials}")
        self._n_trials, self._random_state = n_trials, random_state
        self._storage, self._study_name = storage, study_name

    def _default(self, model: str, prefix: str) -> ParameterGrids:
        return default_space(model, prefix=prefix)

    def _candidates(self, task: SearchTask) -> StudyCandidates:
        labelled = labelled_space(task.space)
        probes = sample_labelled(labelled, count=_PROBES, seed=0)
        check_candidates(task.judge.estimator, probes, task.judge.X)
        signature = search_signature(task.judge, labelled.config(), objective=task.objective)
        self.study_ = open_study(self._storage, name=self._study_name, signature=signature)
        # Of the number of trials too, or a study that goes on would propose what it proposed before.
        entropy = None if self._random_state is None else [self._random_state, len(self.study_.trials)]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        return StudyCandidates(labelled, self.study_, objective=task.objective, trials=self._n_trials, seed=seed)
