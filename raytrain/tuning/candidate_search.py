"""Candidates judged on Ray Tune: a trial is a candidate, its processes serve one after another, the data is shared."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import Callback
from ray.tune.error import TuneError
from ray.tune.search import Searcher
from rich.console import Console

from raytrain.distributed.cluster import Cluster
from raytrain.errors import ConfigError
from raytrain.tuning.candidates import Candidates
from raytrain.tuning.cross_validation import CrossValidation
from raytrain.tuning.interruption import interruptible, run_error
from raytrain.tuning.judging import Candidate, Judging
from raytrain.tuning.recorder import error_reason
from raytrain.tuning.silent_reporter import SilentReporter

__all__ = ["SearchResources", "judge_candidates"]

_RETRIES = 1  # of a process that died; what an estimator raises is a result


@dataclass(frozen=True, slots=True)
class SearchResources:
    """What one candidate is judged with.

    Attributes:
        cpus: CPUs of its process.
        gpus: GPUs of its process, or a share of one.
        most: Candidates at once at most; as many as the cluster has room for when None.
    """

    cpus: float = 1
    gpus: float = 0
    most: int | None = None

    @property
    def bundle(self) -> dict[str, float]:
        """Ray's name for it."""
        return {kind: amount for kind, amount in (("CPU", self.cpus), ("GPU", self.gpus)) if amount}

    def check(self) -> None:
        """Refuse what no cluster can give.

        Raises:
            ConfigError: An amount is not positive.
        """
        if self.cpus <= 0 or self.gpus < 0:
            raise ConfigError(
                f"a trial needs cpus_per_trial > 0 and gpus_per_trial >= 0, got {self.cpus:g}, {self.gpus:g}"
            )
        if self.most is not None and self.most < 1:
            raise ConfigError(f"max_concurrent_trials must be at least 1, got {self.most}")


def judge_candidates(
    candidates: Candidates, judge: CrossValidation, *, cluster: Cluster, resources: SearchResources
) -> None:
    """Judge candidates until there are none left, or until Ctrl-C; `candidates` is told of each.

    One whose process died, or that an interruption cut off, has NaN for its scores, and says why.

    Raises:
        ConfigError: The cluster has no room for one trial.
        RunError: Tune itself broke off, as where the disk is full.
    """
    if candidates.limit == 0:
        return
    room = cluster.concurrent(resources.bundle, workers=1)
    searcher = _CandidateSearcher(candidates, judge)
    with tempfile.TemporaryDirectory(prefix="raytrain-search-") as folder:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(Judging, judge=judge), tune.PlacementGroupFactory([resources.bundle])
            ),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                num_samples=-1,  # the searcher knows when all are done
                max_concurrent_trials=min(room, candidates.limit, resources.most or room),
                reuse_actors=True,
                trial_dirname_creator=_trial_id,
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=folder,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=0),  # the searcher begins them again
                callbacks=[_Deaths(searcher)],
                progress_reporter=SilentReporter(),
                verbose=0,
            ),
        )
        with interruptible(Console(stderr=True)) as interruption:
            try:
                tuner.fit()
            except (OSError, TuneError) as error:
                raise run_error(error, Path(folder)) from error
            finally:
                searcher.close("stopped by Ctrl-C" if interruption.happened else "its trial did not end")


def _trial_id(trial: Any) -> str:  # noqa: ANN401 - Tune's trial
    return str(trial.trial_id)


class _CandidateSearcher(Searcher):  # type: ignore[misc]  # ray is untyped
    """Hands candidates to Tune, and takes their scores from it."""

    def __init__(self, candidates: Candidates, judge: CrossValidation) -> None:
        super().__init__()
        self._candidates = candidates
        self._judge = judge
        self._running: dict[str, Candidate] = {}
        self._again: list[Candidate] = []
        self._deaths: Counter[int] = Counter()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next candidate as a trial's configuration; None to be asked again, as one may be judged again."""
        candidate = self._again.pop() if self._again else self._candidates.propose()
        if candidate is None:
            return None if self._running else str(Searcher.FINISHED)
        self._running[trial_id] = candidate
        return {"candidate": candidate}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Wait for the end: a trial has one result."""

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002 - Tune's signature
    ) -> None:
        """Pass on the scores of a candidate; of one that failed, Tune tells why a moment later: see `died`."""
        if trial_id in self._running and not error and result is not None and "folds" in result:
            self._candidates.observe(self._running.pop(trial_id), result["folds"])

    def died(self, trial_id: str, reason: str) -> None:
        """Have a candidate judged again whose process died, or give it up; what an estimator raises is a result."""
        candidate = self._running.pop(trial_id)
        self._deaths[candidate.number] += 1
        if self._deaths[candidate.number] <= _RETRIES:
            self._again.append(candidate)
        else:
            self._candidates.observe(candidate, self._judge.unjudged(f"its process failed: {reason}"))

    def close(self, reason: str) -> None:
        """Give up what is still running, or waits to be judged again."""
        for candidate in self._again:
            self._candidates.observe(candidate, self._judge.unjudged(reason))
        for trial_id in list(self._running):
            self._candidates.observe(self._running.pop(trial_id), self._judge.unjudged(reason))

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: what is to be kept, the candidates keep."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""


class _Deaths(Callback):  # type: ignore[misc]  # ray is untyped
    """Tells the searcher of processes that died."""

    def __init__(self, searcher: _CandidateSearcher) -> None:
        self._searcher = searcher

    def __getstate__(self) -> dict[str, Any]:
        """Leave the candidates out of what Tune writes down."""
        return {}

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        """Pass on why."""
        self._searcher.died(trial.trial_id, error_reason(trial))
