from __future__ import annotations

import math

import pytest

from raytrain.config.schema import METRICS
from raytrain.distributed.judge import Judgement, RecordingJudgement
from raytrain.tuning.fold_scores import aggregated, aggregated_judgement, of_folds


def test_the_worst_follows_each_metrics_direction() -> None:
    rows = [dict.fromkeys(METRICS, 0.2), dict.fromkeys(METRICS, 0.7), dict.fromkeys(METRICS, 0.4)]
    worst = aggregated(rows, "worst")
    assert worst == {name: 0.2 if way == "max" else 0.7 for name, way in METRICS.items()}
    assert aggregated(rows, "mean") == pytest.approx(dict.fromkeys(METRICS, 1.3 / 3))


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
def test_a_fold_without_a_number_leaves_none(aggregate: str) -> None:
    rows = [{"val/macro_f1": 0.2}, {"val/macro_f1": math.nan}, {"val/macro_f1": 0.1}]
    assert math.isnan(aggregated(rows, aggregate)["val/macro_f1"])  # type: ignore[arg-type]


def test_the_order_of_the_folds_does_not_matter() -> None:
    rows = [{"val/loss": value} for value in (0.1, 0.2, 0.3, 1e16, -1e16)]
    assert aggregated(rows, "mean") == aggregated(rows[::-1], "mean")


def test_own_metrics_are_those_a_run_can_be_judged_by() -> None:
    rows = {"7 mil": {"val/loss": 0.1, "train/loss": 9.0}, "14 mil": {"val/loss": 0.2, "train/loss": 9.0}}
    assert of_folds(rows) == {"val/fold=7 mil/loss": 0.1, "val/fold=14 mil/loss": 0.2}


def test_counts_add_up_and_recall_follows_from_them() -> None:
    one = Judgement({"val/accuracy": 0.5}, [0.5, math.nan], [[1, 1], [0, 0]], [[1, 0], [0, 0]])
    other = Judgement({"val/accuracy": 1.0}, [1.0, math.nan], [[6, 0], [0, 0]], [[1, 0], [0, 0]])
    together = aggregated_judgement([one, other], "worst")
    assert together.confusion == [[7, 1], [0, 0]]
    assert together.recording_confusion == [[2, 0], [0, 0]]
    assert together.metrics == {"val/accuracy": 0.5}
    assert together.recall[0] == 7 / 8
    assert math.isnan(together.recall[1])


def test_recordings_are_kept_once_for_each_fold() -> None:
    told = RecordingJudgement("r1", "inner", "inner", windows=4, right=0.5, probability=0.6)
    one = Judgement({"test/accuracy": 0.5}, [0.5], [[2]], [[1]], [told])
    assert aggregated_judgement([one, one], "mean").recordings == [told, told]
