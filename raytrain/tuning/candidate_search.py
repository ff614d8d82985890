"""Candidates judged on Ray Tune: a trial is a candidate, its processes serve one after another, the data is shared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ray import tune
from ray.tune.error import TuneError
from ray.tune.search import Searcher
from rich.console import Console

from raytrain.distributed.cluster import Cluster
from raytrain.errors import ConfigError
from raytrain.tuning.cross_validation import CrossValidation, FoldScore
from raytrain.tuning.interruption import interruptible, run_error
from raytrain.tuning.judging import Candidate, Judging
from raytrain.tuning.parameter_space import distinct
from raytrain.tuning.space import Point

__all__ = ["Candidates", "FixedCandidates", "Judged", "SearchResources", "judge_candidates"]

Judged: TypeAlias = tuple[Point, Sequence[FoldScore]]
"""Parameters, and how the estimator did with them on each fold."""

_RETRIES = 2  # of a process that died; what an estimator raises is a result


class Candidates(Protocol):
    """Where candidates come from, and who keeps how they did."""

    @property
    def limit(self) -> int:
        """How many may be proposed at most."""
        ...

    def propose(self) -> Candidate | None:
        """Return the next candidate, None when there is none left."""
        ...

    def observe(self, candidate: Candidate, folds: Sequence[FoldScore]) -> None:
        """Learn how a candidate did."""
        ...

    def gathered(self, unjudged: Sequence[FoldScore]) -> list[Judged]:
        """Return every candidate in order with its scores, `unjudged` where there are none."""
        ...


class FixedCandidates:
    """Candidates that are known from the start, in order; equal ones are judged once."""

    def __init__(self, parameters: Sequence[Point]) -> None:
        self._distinct, self._order = distinct(parameters)
        self._next = 0
        self._scores: dict[int, Sequence[FoldScore]] = {}

    @property
    def limit(self) -> int:
        """How many are to be judged."""
        return len(self._distinct)

    def propose(self) -> Candidate | None:
        """Return the next candidate."""
        if self._next == len(self._distinct):
            return None
        self._next += 1
        return Candidate(self._next - 1, self._distinct[self._next - 1])

    def observe(self, candidate: Candidate, folds: Sequence[FoldScore]) -> None:
        """Keep how it did; nothing follows from it for the others."""
        self._scores[candidate.number] = folds

    def gathered(self, unjudged: Sequence[FoldScore]) -> list[Judged]:
        """Return all candidates, those that were given twice twice."""
        return [(self._distinct[number], self._scores.get(number, unjudged)) for number in self._order]


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
            raise ConfigError(f"a trial needs cpus_per_trial > 0 and gpus_per_trial >= 0, got {self.cpus:g}, {self.gpus:g}")
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
                num_samples=candidates.limit,
                max_concurrent_trials=min(room, candidates.limit, resources.most or room),
                reuse_actors=True,
                trial_dirname_creator=_trial_id,
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=folder,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
                verbose=0,
            ),
        )
        with interruptible(Console(stderr=True)) as interruption:
            try:
                searcher.failed(tuner.fit())
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

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        candidate = self._candidates.propose()
        if candidate is None:
            return str(Searcher.FINISHED)
        self._running[trial_id] = candidate
        return {"candidate": candidate}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Wait for the end: a trial has one result."""

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        # Of one that failed, the reason is known when all trials have ended: see `failed`.
        if trial_id in self._running and not error and result is not None and "folds" in result:
            self._candidates.observe(self._running.pop(trial_id), result["folds"])

    def failed(self, results: tune.ResultGrid) -> None:
        """Take from Tune why trials failed; as what an estimator raises is a result, it is their processes that did."""
        errors = {one.config["candidate"].number: str(one.error) for one in results if one.error is not None}
        for trial_id, candidate in list(self._running.items()):
            if candidate.number in errors:
                reason = f"its process failed: {errors[candidate.number].strip().splitlines()[-1]}"
                self._candidates.observe(self._running.pop(trial_id), self._judge.unjudged(reason))

    def close(self, reason: str) -> None:
        """Give up what is still running."""
        for trial_id in list(self._running):
            self._candidates.observe(self._running.pop(trial_id), self._judge.unjudged(reason))

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: what is to be kept, the candidates keep."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""
