"""A sweep over folds whose best configurations are trained again with other seeds, on the cluster."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from raytrain.config.space import SpaceConfig
from raytrain.tuning.confirming import FOLDER
from raytrain.tuning.results import SweepResult, load_result

pytestmark = pytest.mark.ray


def test_folds_are_the_objective_and_the_winner_is_confirmed(
    sweep: Callable[..., SweepResult], tiny: Callable[..., SpaceConfig]
) -> None:
    overrides = {
        "folds": {"by": "by-recording", "most": 2},
        "confirm": {"top": 2, "seeds": 2},
        "baselines": {"names": ["logistic_regression"], "max_windows": 1},
        "resources.cpus_per_worker": 1,
        "refit": True,
    }
    result = sweep(tiny(overrides))
    best, confirmation = result.best, result.confirmation
    assert best is not None
    assert confirmation is not None

    for record in result.trials:
        assert len(record.curve) == 2
        for row in record.curve:
            own = [row[name] for name in row if name.startswith("val/fold=") and name.endswith("macro_f1")]
            assert len(own) == 4  # of windows and of recordings, in two folds
    record = next(one for one in result.trials if one.number == best.trial)
    assert best.judgements["validation"].metrics[result.metric] == best.reported == record.value(result.metric)
    scores = [fold.validation[result.metric] for fold in best.folds]
    assert best.reported == math.fsum(scores) / 2
    assert best.refit_test is not None

    assert best.trial == confirmation.best
    assert [len(one.runs) for one in confirmation.candidates] == [2, 2, 2]
    assert confirmation.seeds == (1, 2)
    kept = sorted(file.name for file in (Path(result.directory) / FOLDER).glob("*.json"))
    assert kept == ["00001-1.json", "00001-2.json", "00002-1.json", "00002-2.json", "logistic_regression-1.json"]
    for one in confirmation.candidates[:2]:
        for run in one.runs:
            file = Path(result.directory) / FOLDER / f"{one.trial:05d}-{run.seed}.json"
            assert json.loads(file.read_text("utf-8"))["run"]["validation"] == run.validation
    again = load_result(result.directory)
    assert again.confirmation == confirmation
    assert again.best is not None
    assert again.best.folds == best.folds
