"""What a search over an estimator judges: where candidates come from, and who keeps how they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from raytrain.tuning.cross_validation import FoldScore
from raytrain.tuning.judging import Candidate
from raytrain.tuning.parameter_space import distinct
from raytrain.tuning.space import Point

__all__ = ["Candidates", "FixedCandidates", "Judged"]

Judged: TypeAlias = tuple[Point, Sequence[FoldScore]]
"""Parameters, and how the estimator did with them on each fold."""


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
