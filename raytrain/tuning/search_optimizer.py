"""What the three optimizers share: the call, the results in scikit-learn's names, the refit, the plots."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import ray
from numpy.typing import ArrayLike
from sklearn.exceptions import FitFailedWarning

from raytrain.distributed.cluster import connect
from raytrain.errors import ConfigError, RunError
from raytrain.tuning.candidate_search import SearchResources, judge_candidates
from raytrain.tuning.candidates import Candidates, Judged
from raytrain.tuning.cross_validation import CrossValidation
from raytrain.tuning.fold_division import Folds, make_folds
from raytrain.tuning.parameter_space import ParameterGrids
from raytrain.tuning.scorers import SINGLE, Scoring, create_scorers
from raytrain.tuning.search_table import search_table
from raytrain.tuning.searched_model import search_model

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["SearchOptimizer", "SearchTask"]

_NO_GROUPS = (
    "no groups were given: windows of one recording may be in training and test rows of a fold, which makes scores too "
    "good; give groups, the recording or bearing of each row"
)
_GROUPED = "no fold has a group in both its training and its test rows"

_RESULTS = ("cv_results_", "best_params_", "best_score_", "best_index_", "best_estimator_", "refit_time_", "failures_")


@dataclass(frozen=True, slots=True)
class SearchTask:
    """A search that is ready to run.

    Attributes:
        judge: How a candidate is judged.
        space: What is tried.
        objective: The scorer that decides.
        notes: What a reader must know of its results.
    """

    judge: CrossValidation
    space: ParameterGrids
    objective: str
    notes: tuple[str, ...]


class SearchOptimizer(ABC):
    """A search over an estimator's parameters by cross-validation on Ray Tune; its three kinds differ in candidates.

    Attributes:
        cv_results_: The table as scikit-learn has it: column -> array.
        best_params_: Parameters of the best candidate: of the highest mean score, the first of equal ones.
        best_score_: Its mean score over the folds.
        best_index_: Its row.
        best_estimator_: The estimator with these parameters, trained on all rows; only where `refit` is not False.
        refit_time_: Seconds that took.
        scorer_: The scorer, or several by name.
        n_splits_: Folds.
        multimetric_: Whether there are several scorers.
        failures_: Fits and scores that failed: candidate, split, reason. Their scores are NaN.
        notes_: What a reader must know to judge the scores, such as that folds may share recordings.
    """

    cv_results_: dict[str, Any]
    best_params_: dict[str, Any]
    best_score_: float
    best_index_: int
    best_estimator_: Any
    refit_time_: float
    scorer_: Any
    n_splits_: int
    multimetric_: bool
    failures_: pd.DataFrame
    notes_: tuple[str, ...]

    def __init__(
        self,
        *,
        refit: bool | str = True,
        return_train_score: bool = False,
        epochs: int | None = None,
        cpus_per_trial: float = 1,
        gpus_per_trial: float = 0,
        max_concurrent_trials: int | None = None,
    ) -> None:
        if epochs is not None and epochs < 1:
            raise ConfigError(f"epochs must be at least 1, got {epochs}")
        self._resources = SearchResources(cpus_per_trial, gpus_per_trial, max_concurrent_trials)
        self._resources.check()
        self._refit, self._return_train_score, self._epochs = refit, return_train_score, epochs

    def search(  # noqa: PLR0917 - the customer's signature
        self,
        model: Any,  # noqa: ANN401 - an estimator of anyone's
        X: Any,  # noqa: ANN401, N803 - scikit-learn's name; arrays, frames, sparse matrices
        y: Any,  # noqa: ANN401 - a sequence of targets
        param_grid: ParameterGrids | None = None,
        cv: Folds = None,
        scoring: Scoring = None,
        *,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Judge candidates by cross-validation and train the best one on all rows; return self, with the results.

        Runs on the Ray that the process is connected to, else on that of `RAY_ADDRESS`, else on one of its own.

        Args:
            model: A scikit-learn estimator, or a model of ours: its name, a `TrainConfig`, or settings as in YAML.
            X: Rows. For models of ours windows `[N, C, T]` or `[N, T]`, or what `with_conditions` makes of them.
            y: Their targets `[N]`.
            param_grid: Parameter -> list of values, frozen `scipy.stats` distribution, or distribution of a search
                space; one mapping or several. Parameters of models of ours are dotted settings of a run, such as
                `optimizer.lr`. The model's default when absent.
            cv: Folds as scikit-learn takes them, 5 when absent. With `groups`, a number means folds that keep groups
                whole, with the classes in equal shares where that is possible.
            scoring: As scikit-learn takes it; the estimator's own score (accuracy of classifiers) when absent.
            groups: The recording or bearing of each row `[N]`. Without them `notes_` says that folds may leak.

        Raises:
            ConfigError: A parameter or scorer is unknown, or the cluster has no room for a trial.
            DataError: The rows cannot be divided so, or a fold would leak.
            RunError: No candidate could be scored on every fold; `get_results()` and `failures_` have what there is.
        """
        task = self._prepare(model, X, y, param_grid, cv=cv, scoring=scoring, groups=groups)
        candidates = self._candidates(task)
        for name in _RESULTS:
            vars(self).pop(name, None)
        with connect() as cluster:
            judge_candidates(candidates, task.judge, cluster=cluster, resources=self._resources)
            self._keep(task, candidates.gathered(task.judge.unjudged("not judged: the search was stopped before")))
            if self._refit:
                self._refit_best(task)
        return self

    def get_results(self) -> pd.DataFrame:
        """Return scikit-learn's `cv_results_` as a table, a row per candidate in the order they were proposed.

        Columns: `mean_fit_time`, ..., `param_<name>`, `params`, `split<i>_test_<scorer>`, `mean_test_<scorer>`,
        `std_test_<scorer>`, `rank_test_<scorer>`; the only scorer is called `score`, times are in seconds.
        `attrs["notes"]` has what a reader must know.

        Raises:
            RunError: Nothing was searched yet.
        """
        if not hasattr(self, "cv_results_"):
            raise RunError("there are no results yet; call search first")
        table = pd.DataFrame(self.cv_results_)
        table.attrs["notes"] = list(self.notes_)
        return table

    def plot_heatmap(self, x: str | None = None, y: str | None = None) -> Figure:
        """Return the best mean score at each pair of values of two parameters, by default the first two that vary."""
        from raytrain.tuning.search_plots import heatmap

        return heatmap(self.get_results(), x, y, scorer=self._objective)

    def plot_parameter(self, name: str) -> Figure:
        """Return each candidate's mean score, and its standard deviation over folds, against one parameter."""
        from raytrain.tuning.search_plots import parameter_against_score

        return parameter_against_score(self.get_results(), name, scorer=self._objective)

    def plot_history(self) -> Figure:
        """Return each candidate's mean score in the order they were proposed, and the best so far."""
        from raytrain.tuning.search_plots import history

        return history(self.get_results(), scorer=self._objective)

    def plot_importances(self) -> Figure:
        """Return the share of the scores' variance that each parameter explains."""
        from raytrain.tuning.search_plots import importances

        return importances(self.get_results(), scorer=self._objective)

    @abstractmethod
    def _default(self, model: str, prefix: str) -> ParameterGrids:
        """Return what is tried of a model when nothing is said."""

    @abstractmethod
    def _candidates(self, task: SearchTask) -> Candidates:
        """Return what is to be judged; raise ConfigError where that could not be set."""

    def _prepare(
        self,
        model: Any,  # noqa: ANN401
        X: Any,  # noqa: ANN401, N803
        y: Any,  # noqa: ANN401
        param_grid: ParameterGrids | None,
        *,
        cv: Folds,
        scoring: Scoring,
        groups: ArrayLike | None,
    ) -> SearchTask:
        found = search_model(model, X, y, epochs=self._epochs, on_gpu=self._resources.gpus > 0)
        scorers = create_scorers(found.estimator, scoring)
        folds = make_folds(found.estimator, X, y, cv=cv, groups=groups)
        return SearchTask(
            judge=CrossValidation(found.estimator, X, y, folds, scorers, self._return_train_score),
            space=self._default(found.name, found.prefix) if param_grid is None else param_grid,
            objective=self._chosen(scorers),
            notes=(_NO_GROUPS if groups is None else _GROUPED,),
        )

    def _chosen(self, scorers: Mapping[str, Any]) -> str:
        """Return the name of the scorer that decides."""
        if isinstance(self._refit, str) and self._refit in scorers:
            return self._refit
        if list(scorers) == [SINGLE] or not self._refit:
            return next(iter(scorers))
        raise ConfigError(f"refit must name the scorer that decides, one of {', '.join(scorers)}; got {self._refit!r}")

    def _keep(self, task: SearchTask, judged: Sequence[Judged]) -> None:
        """Keep the table and what follows from it.

        Raises:
            RunError: No candidate has a score.
        """
        scorers, self._objective = task.judge.scorers, task.objective
        self.n_splits_, self.multimetric_ = len(task.judge.folds), list(scorers) != [SINGLE]
        self.scorer_ = dict(scorers) if self.multimetric_ else scorers[SINGLE]
        self.cv_results_ = search_table([point for point, _ in judged], [folds for _, folds in judged])
        failed = [
            (row, split, fold.reason)
            for row, (_, folds) in enumerate(judged)
            for split, fold in enumerate(folds)
            if fold.reason
        ]
        self.failures_ = pd.DataFrame(failed, columns=["candidate", "split", "reason"])
        self.notes_ = (*task.notes, *_failure_notes(failed, fits=len(judged) * self.n_splits_))
        means = self.cv_results_[f"mean_test_{task.objective}"]
        if np.isnan(means).all():
            raise RunError(
                f"no candidate could be scored on every fold: {failed[0][2] if failed else 'scores are NaN'}"
            )
        if failed:
            warnings.warn(self.notes_[-1], FitFailedWarning, stacklevel=3)
        self.best_index_ = int(self.cv_results_[f"rank_test_{task.objective}"].argmin())
        self.best_score_ = float(means[self.best_index_])
        self.best_params_ = self.cv_results_["params"][self.best_index_]

    def _refit_best(self, task: SearchTask) -> None:
        """Train the best candidate on all rows: here, or where a trial has its GPU."""
        started = time.perf_counter()
        if self._resources.gpus:
            train = ray.remote(num_cpus=self._resources.cpus, num_gpus=self._resources.gpus)(_refitted)
            self.best_estimator_ = ray.get(train.remote(task.judge, self.best_params_))
        else:
            self.best_estimator_ = task.judge.refit(self.best_params_)
        self.refit_time_ = time.perf_counter() - started


def _refitted(judge: CrossValidation, parameters: dict[str, Any]) -> Any:  # noqa: ANN401 - an estimator
    return judge.refit(parameters)


def _failure_notes(failed: Sequence[tuple[int, int, str]], *, fits: int) -> tuple[str, ...]:
    if not failed:
        return ()
    return (f"{len(failed)} of {fits} fits failed and have NaN for a score, the first with: {failed[0][2]}",)
