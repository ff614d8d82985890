from __future__ import annotations

import dataclasses
import json

import pytest

from raytrain.tuning import figures
from raytrain.tuning.results import SweepResult


@pytest.mark.parametrize("name", figures.__all__)
@pytest.mark.parametrize("kept", [slice(0, 5), slice(0, 1), slice(1, 2), slice(2, 4), slice(3, 4), slice(0, 0)])
def test_every_figure_of_every_sweep_can_be_written_down(name: str, kept: slice, planned_result: SweepResult) -> None:
    """All trials, one, only failed ones, only NaN, none; with a winner only where there can be one."""
    trials = planned_result.trials[kept]
    best = planned_result.best if planned_result.trials[0] in trials else None
    figure = getattr(figures, name)(dataclasses.replace(planned_result, trials=trials, best=best))
    written = json.loads(figure.to_json())
    assert len(written["data"]) == len(figure.data)
    assert written["data"] or written["layout"]["annotations"][0]["text"]
