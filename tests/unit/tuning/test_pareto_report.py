from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from raytrain.tuning.pareto_report import print_pareto
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.report import print_report
from raytrain.tuning.results import SweepResult

METRIC, SIZE = "val/macro_f1", "model/parameters"


def printed(result: SweepResult, width: int = 80) -> str:
    console = Console(file=io.StringIO(), record=True, width=width)
    print_pareto(result, console)
    return console.export_text()


def trial(number: int, value: float, size: float, violation: float | None = None) -> TrialRecord:
    return TrialRecord(
        f"id{number}",
        number,
        {"optimizer.lr": number / 1000},
        status="finished",
        curve=[{"epoch": 1, "seconds": 1.0, METRIC: value}],
        best={"epoch": 1, METRIC: value, SIZE: size, "val/accuracy": value},
        objectives={SIZE: size},
        violations={} if violation is None else {SIZE: violation},
    )


def rows(text: str) -> list[list[str]]:
    return [words for line in text.splitlines() if (words := line.split()) and words[0].isdigit()]


@pytest.fixture
def result(sweep_result: SweepResult) -> SweepResult:
    trials = (trial(1, 0.9, 54070), trial(2, 0.85, 60000), trial(3, 0.8, 1000), trial(4, 0.95, 99000, violation=9000))
    return dataclasses.replace(sweep_result, trials=trials)


def test_the_front_is_told_best_metric_first(result: SweepResult) -> None:
    text = printed(result)
    assert "Pareto front: 2 of 4 trials, which none beats in everything" in text
    assert rows(text) == [["1", "0.9000", "54", "070", "lr=0.001"], ["3", "0.8000", "1", "000", "lr=0.003"]]
    assert "better: more val/macro_f1, less model/parameters" in text
    assert "trial" in text


def test_a_loss_is_better_when_it_is_less(result: SweepResult) -> None:
    for record in result.trials:
        record.best = {**(record.best or {}), "val/loss": 1 - record.number / 10}
    text = printed(dataclasses.replace(result, metric="val/loss"))
    assert [row[0] for row in rows(text)] == ["3"]
    assert "better: less val/loss, less model/parameters" in text


def test_one_objective_has_no_front(sweep_result: SweepResult) -> None:
    assert printed(sweep_result) == ""


def test_without_a_feasible_trial_there_is_no_front(result: SweepResult) -> None:
    assert printed(dataclasses.replace(result, trials=(trial(1, 0.9, 54070, violation=1.0),))) == ""


def test_a_long_front_is_cut_and_says_so(result: SweepResult) -> None:
    trials = tuple(trial(number, number / 100, number * 1000) for number in range(1, 21))
    text = printed(dataclasses.replace(result, trials=trials))
    assert [row[0] for row in rows(text)] == [str(number) for number in range(20, 5, -1)]
    assert "5 more in trials.csv" in text


@pytest.mark.parametrize("width", [60, 140])
def test_it_keeps_to_the_width(width: int, result: SweepResult) -> None:
    assert all(len(line) <= width for line in printed(result, width).splitlines())


def test_the_report_of_a_sweep_has_it_with_and_without_a_winner(result: SweepResult) -> None:
    for one in (result, dataclasses.replace(result, best=None)):
        console = Console(file=io.StringIO(), record=True, width=100)
        print_report(one, console)
        text = console.export_text()
        assert "Pareto front: 2 of 4 trials" in text
        assert "break a constraint, and cannot win: 4" in text
