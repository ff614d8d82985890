"""Sweeps that aim at more than the metric, and that are bound by something."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from optuna.trial import TrialState
from rich.console import Console

from raytrain.config.load import apply_overrides
from raytrain.config.paradigms import plain
from raytrain.config.space import SpaceConfig
from raytrain.tuning.continuation import begun_space
from raytrain.tuning.recorded_study import load_study
from raytrain.tuning.report import print_report
from raytrain.tuning.results import SweepResult, load_result
from raytrain.tuning.storage_location import read_location

pytestmark = pytest.mark.ray

Sweep = Callable[..., SweepResult]
Tiny = Callable[..., SpaceConfig]
Resume = Callable[..., SweepResult]

SIZE = "model/parameters"
WIDTHS = {"parameters": {"model.width": {"type": "choice", "values": [4, 6, 8]}}}


def printed(result: SweepResult) -> str:
    console = Console(file=io.StringIO(), record=True, width=120)
    print_report(result, console)
    return console.export_text()


def test_several_objectives_give_a_front(sweep: Sweep, tiny: Tiny) -> None:
    search = {"algorithm": "nsga2", "trials": 3, "objectives": [SIZE]}
    result = sweep(tiny(WIDTHS | {"search": search, "fixed.epochs": 1}))
    study = load_study(read_location(result.directory))
    assert study.metric_names == ["val/macro_f1", SIZE]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    sizes = {record.point["model.width"]: record.objectives[SIZE] for record in result.trials}
    assert sizes[4] < sizes[6] < sizes[8]
    for record, trial in zip(result.trials, study.trials, strict=True):
        assert trial.values == [record.value(result.metric), record.objectives[SIZE]]
    front = {trial.number + 1 for trial in study.best_trials}
    text = printed(result)
    assert f"Pareto front: {len(front)} of 3 trials" in text
    assert next(one.number for one in result.trials if one.point["model.width"] == 4) in front
    assert load_result(result.directory) == result


def test_what_breaks_a_constraint_does_not_win(sweep: Sweep, tiny: Tiny, resume: Resume) -> None:
    search = {"algorithm": "random", "trials": 3, "constraints": {SIZE: {"most": 400}}}
    result = sweep(tiny(WIDTHS | {"search": search, "fixed.epochs": 1}))
    study = load_study(read_location(result.directory))
    feasible = {}
    for record, trial in zip(result.trials, study.trials, strict=True):
        size = (record.best or {})[SIZE]
        assert record.violations == {SIZE: size - 400}
        assert trial.user_attrs["violations"] == [size - 400]
        feasible[record.number] = record.feasible
        assert record.feasible == (size <= 400)
    assert {True, False} == set(feasible.values()), "the bound divides them"
    assert result.best is not None
    assert feasible[result.best.trial]
    best = max(record.value(result.metric) or 0 for record in result.trials if record.feasible)
    assert result.best.reported == best
    broken = [str(number) for number, kept in feasible.items() if not kept]
    assert f"break a constraint, and cannot win: {', '.join(broken)}" in printed(result)

    settings: dict[str, Any] = plain(begun_space(result.directory))
    bound = SpaceConfig.model_validate(apply_overrides(settings, {"search.constraints": {SIZE: {"most": 10}}}))
    none = resume(result.directory, bound, force=True)
    assert none.best is None
    smallest = next(record for record in none.trials if record.point["model.width"] == 4)
    assert f"trial {smallest.number} comes nearest and breaks {SIZE} by {smallest.violations[SIZE]:.4g}" in " ".join(
        printed(none).split()
    )
