from __future__ import annotations

from raytrain.tuning.candidates import FixedCandidates
from raytrain.tuning.cross_validation import FoldScore

UNJUDGED = [FoldScore({"score": float("nan")}, {}, 0.0, 0.0, "stopped")]


def fold(score: float) -> list[FoldScore]:
    return [FoldScore({"score": score}, {}, 0.0, 0.0)]


def test_guarantee_09_equal_candidates_are_judged_once() -> None:
    candidates = FixedCandidates([{"a": 1}, {"a": 2}, {"a": 1}])
    assert candidates.limit == 2
    proposed = [candidates.propose(), candidates.propose()]
    assert candidates.propose() is None
    for one in proposed:
        assert one is not None
        candidates.observe(one, fold(float(one.parameters["a"])))
    assert candidates.gathered(UNJUDGED) == [({"a": 1}, fold(1.0)), ({"a": 2}, fold(2.0)), ({"a": 1}, fold(1.0))]


def test_what_was_never_judged_says_so() -> None:
    candidates = FixedCandidates([{"a": 1}, {"a": 2}])
    first = candidates.propose()
    assert first is not None
    candidates.observe(first, fold(0.5))
    assert candidates.gathered(UNJUDGED) == [({"a": 1}, fold(0.5)), ({"a": 2}, UNJUDGED)]
