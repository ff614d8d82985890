"""A winner over folds, judged: each fold's checkpoint evaluated again, and one model trained on all folds together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raytrain.config.schema import TrainConfig
from raytrain.data.segments import PARTS
from raytrain.data.store import SegmentStore
from raytrain.distributed.judge import Judgement, judge, refit
from raytrain.tuning.fold_scores import Aggregate, aggregated_judgement

__all__ = ["FoldScore", "judge_folds", "refit_folds"]


@dataclass(frozen=True, slots=True)
class FoldScore:
    """The model of one fold.

    Attributes:
        name: The groups that validate.
        train_segments: Stretches of recordings it was trained on.
        validation_segments: Stretches that validate.
        validation: `val/...` metrics on them.
        test: `test/...` metrics on the test part, which is the same for all folds.
    """

    name: str
    train_segments: int
    validation_segments: int
    validation: dict[str, float]
    test: dict[str, float]


def judge_folds(
    config: TrainConfig, *, store: SegmentStore, snapshot: Mapping[str, Any], aggregate: Aggregate
) -> tuple[dict[str, Judgement], tuple[FoldScore, ...]]:
    """Evaluate the checkpoint of every fold again.

    Args:
        config: The winner's.
        store: Prepared signals with their folds.
        snapshot: `FoldRuns.snapshot()["run"]` of the best epoch.
        aggregate: How validation is put together; it gives exactly what the trial reported.

    Returns:
        Judgements over all folds for `validation` and `test` (the mean of the folds' models, none of which was trained
        on all that is not tested), and what each fold is worth.
    """
    judged = {
        name: judge(config, store=store.fold(name), snapshot=one, parts=("validation", "test"))
        for name, one in snapshot["folds"].items()
    }
    together = {
        part: aggregated_judgement([one[part] for one in judged.values()], aggregate) for part in ("validation", "test")
    }
    scores = tuple(
        FoldScore(
            name=name,
            train_segments=int((store.folds[name] == PARTS.index("train")).sum()),
            validation_segments=int((store.folds[name] == PARTS.index("validation")).sum()),
            validation=one["validation"].metrics,
            test=one["test"].metrics,
        )
        for name, one in judged.items()
    )
    return together, scores


def refit_folds(
    config: TrainConfig, *, store: SegmentStore, history: Sequence[Mapping[str, float]], directory: Path
) -> tuple[dict[str, Any], Judgement]:
    """Train on all that is not tested, for as many epochs as `history` has, and test that.

    A schedule that watched validation repeats the mean of the folds' learning rates.
    """
    # Training and validation parts of any fold together are all that is not tested.
    anyone = store.fold(next(iter(store.folds)))
    return refit(config, store=anyone, history=history, directory=directory)
