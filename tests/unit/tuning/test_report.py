from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from raytrain.distributed.train import TrainResult
from raytrain.tuning.report import print_report, print_training
from raytrain.tuning.results import Best, SweepResult


def report(result: SweepResult | TrainResult, width: int = 80) -> str:
    console = Console(file=io.StringIO(), record=True, width=width)
    if isinstance(result, SweepResult):
        print_report(result, console)
    else:
        print_training(result, console)
    return console.export_text()


@pytest.mark.parametrize("markup", [True, False])
def test_it_looks_the_same_on_any_console(markup: bool, sweep_result: SweepResult) -> None:
    console = Console(file=io.StringIO(), record=True, width=80, markup=markup, highlight=not markup)
    print_report(sweep_result, console)
    assert console.export_text() == report(sweep_result)


def lines_with(text: str, *parts: str) -> list[str]:
    return [line for line in text.splitlines() if all(part in line for part in parts)]


def with_best(result: SweepResult, **changes: Any) -> SweepResult:  # noqa: ANN401 - fields of Best
    assert isinstance(result.best, Best)
    return dataclasses.replace(result, best=dataclasses.replace(result.best, **changes))


def test_who_won_and_what_it_is_worth(sweep_result: SweepResult) -> None:
    text = report(sweep_result)
    assert "quick: 5 trials by tpe with ASHA in 1 min 23 s" in text
    assert "1 finished, 2 stopped, 2 failed; epochs in all: 5" in text
    assert "split: recordings are divided by recording" in text
    assert "Best: trial 1, epoch 2" in text
    assert "  optimizer.lr: 0.0012345\n" in text
    assert "  model.name: wdcnn\n" in text
    assert "val/macro_f1 0.900000, the same when its checkpoint is evaluated again" in text
    (scores,) = lines_with(text, "test (untouched)")
    assert scores.split()[-4:] == ["0.8000", "0.8100", "0.8300", "0.8400"]
    (refit,) = lines_with(text, "test, refit")
    assert refit.split()[-4:] == ["0.8200", "0.8300", "0.8500", "0.8600"]
    assert "LEAKY" not in text
    assert "Interrupted" not in text


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("metric", ["val/macro_f1", "val/recording_accuracy"])
def test_leaderboard_fits_and_cuts_nothing(width: int, metric: str, sweep_result: SweepResult) -> None:
    (forest, skipped) = sweep_result.baselines
    named = dataclasses.replace(forest, name="logistic_regression")
    text = report(dataclasses.replace(sweep_result, metric=metric, baselines=(named, forest, skipped)), width)
    unwrapped = ("Files", "Repeat", "Again", "Figures")
    assert all(len(line) <= width for line in text.splitlines() if not line.startswith(unwrapped))
    assert "…" not in text
    assert f"Leaderboard by {metric}" in text
    (row,) = lines_with(text, "2  random_forest")
    assert row.split()[-5:] == ["0.9500", "0.9800", "0.7000", "0.7300", "0.7100"]
    assert lines_with(text, "1  logistic_regression")
    assert bool(lines_with(text, "trial 1", "lr=0.00123, model=wdcnn")) == (width == 140)
    (stopped,) = lines_with(text, "trial 2*")
    assert stopped.split()[-2:] == ["0.5500", "0.5800"]
    assert "* ended early" in text


def test_a_sweep_judged_by_loss_shows_the_loss(sweep_result: SweepResult) -> None:
    text = report(dataclasses.replace(sweep_result, metric="val/loss"))
    (row,) = lines_with(text, " trial 1 ", "0.9300")
    assert row.split()[:4] == ["1", "trial", "1", "0.1000"]


def test_many_trials_are_cut_but_baselines_stay(sweep_result: SweepResult) -> None:
    (first, *_) = sweep_result.trials
    trials = tuple(
        dataclasses.replace(first, number=number, best=first.curve[0] | {"val/macro_f1": 1 - number / 100})
        for number in range(1, 31)
    )
    worst = dataclasses.replace(sweep_result.baselines[0], validation={"val/macro_f1": 0.1})
    text = report(dataclasses.replace(sweep_result, trials=trials, baselines=(worst,)))
    assert lines_with(text, "15  trial 15")
    assert not lines_with(text, "trial 16")
    assert lines_with(text, "31  random_forest")
    assert "15 more in leaderboard.csv" in text


def test_failures_are_told_with_their_reasons(sweep_result: SweepResult) -> None:
    text = report(sweep_result)
    assert "failed: trial 3: CUDA out of memory" in text
    assert "failed: trial 4: never a finite number" in text
    (_, _, failed, *_) = sweep_result.trials
    many = tuple(dataclasses.replace(failed, number=index, reason=f"reason {index // 2}") for index in range(12))
    text = report(dataclasses.replace(sweep_result, trials=many, best=None))
    assert "failed: trials 0, 1: reason 0" in text
    assert "failed: trials 4, 5: reason 2" in text
    assert "3 more reasons in trials.csv" in text
    assert "reason 3" not in text


def test_a_skipped_baseline_says_why(sweep_result: SweepResult) -> None:
    text = report(sweep_result)
    assert "envelope_lines: not run: bearing 'my own' has no known geometry" in text
    assert len(lines_with(text, "envelope_lines")) == 1


def test_the_deep_model_beats_the_classical_one(sweep_result: SweepResult) -> None:
    text = report(sweep_result, 140)
    assert "The deep model beats the best classical one on the test part (random_forest, +0.1000 macro-F1)." in text
    (rival,) = lines_with(text, "test, random_forest")
    assert rival.split()[-4:] == ["0.7000", "0.7100", "0.7300", "0.7400"]


@pytest.mark.parametrize(("score", "gap"), [(0.85, "-0.0500"), (0.80, "+0.0000")])
def test_the_deep_model_does_not_beat_the_classical_one(score: float, gap: str, sweep_result: SweepResult) -> None:
    (forest, skipped) = sweep_result.baselines
    better = dataclasses.replace(forest, name="svm", test={**forest.test, "test/macro_f1": score})
    text = report(dataclasses.replace(sweep_result, baselines=(forest, better, skipped)), 140)
    assert f"The deep model does not beat the best classical one on the test part (svm, {gap} macro-F1)." in text


def test_without_baselines_nothing_is_claimed(sweep_result: SweepResult) -> None:
    told = "No classical baseline was run, so nothing says whether a deep model is needed here."
    for baselines in ((), sweep_result.baselines[1:]):
        text = report(dataclasses.replace(sweep_result, baselines=baselines), 140)
        assert told in text
        assert "beat" not in text


def test_a_checkpoint_that_does_not_repeat_its_score_is_told_in_full(sweep_result: SweepResult) -> None:
    text = report(with_best(sweep_result, reported=0.9000000000000001), 140)
    assert "val/macro_f1 was reported as 0.9000000000000001; its checkpoint evaluated again gives 0.9" in text
    assert "the same when" not in text


def test_a_leaky_split_is_told_wherever_scores_are(sweep_result: SweepResult) -> None:
    text = report(dataclasses.replace(sweep_result, leaky=True))
    assert text.lstrip().startswith("LEAKY SPLIT: windows of one recording are in training and test.")
    assert lines_with(text, "test (LEAKY)")
    assert "Leaderboard (LEAKY)" in text
    assert "untouched" not in text


def test_an_interrupted_sweep_says_so(sweep_result: SweepResult) -> None:
    text = report(dataclasses.replace(sweep_result, interrupted=True), 140)
    assert "Interrupted: the trials that had ended, and the best epochs of the others, are kept." in text


def test_no_refit_no_column(sweep_result: SweepResult) -> None:
    (forest, _) = sweep_result.baselines
    bare = dataclasses.replace(sweep_result, baselines=(dataclasses.replace(forest, refit_test={}),))
    text = report(with_best(bare, refit_test=None))
    assert "refit" not in text.split("Files")[0]


def test_no_best(sweep_result: SweepResult) -> None:
    failed = sweep_result.trials[2:]
    text = report(dataclasses.replace(sweep_result, best=None, baselines=(), trials=failed), 140)
    assert "No trial completed an epoch with a finite val/macro_f1, so there is no best model." in text
    assert "Leaderboard" not in text
    assert "Confusion" not in text
    assert lines_with(text, "Files")
    baselines_remain = report(dataclasses.replace(sweep_result, best=None, trials=failed))
    assert lines_with(baselines_remain, "1  random_forest")


def test_confusion_has_recalls_and_a_dash_where_there_is_none(sweep_result: SweepResult) -> None:
    table = report(sweep_result).split("Confusion on the test part")[1]
    (ball,) = lines_with(table, "  ball ", "30")
    assert ball.split() == ["ball", "30", "10", "0", "0", "0.750"]
    (normal,) = lines_with(table, "  normal ", "-")
    assert normal.split() == ["normal", "0", "0", "0", "0", "-"]


def test_paths_and_commands_can_be_copied_whole(sweep_result: SweepResult) -> None:
    """However long a path is and whatever is in it, it stays one line and means the same to a shell."""
    directory = Path("/data/my runs") / ("x" * 100) / "[bold]quick"
    command = "raytrain tune quick --set 'optimizer.lr={type: uniform}' " + "--where a=b " * 10
    text = report(dataclasses.replace(sweep_result, directory=directory, command=command))
    assert f"\nFiles   {directory}\n" in text
    assert f"\nRepeat  {command}\n" in text
    assert f"\nAgain   raytrain results '{directory}'\n" in text


def test_brackets_are_not_markup(sweep_result: SweepResult) -> None:
    (_, _, failed, *_) = sweep_result.trials
    odd = dataclasses.replace(failed, reason="[red]index[/red] [0]")
    changed = dataclasses.replace(sweep_result, notes=("a [bold]note[/bold]",), trials=(sweep_result.trials[0], odd))
    text = report(with_best(changed, point={"windows.envelope_band_hz": [500, 2000], "model.name": "[b]"}))
    assert "split: a [bold]note[/bold]" in text
    assert "failed: trial 3: [red]index[/red] [0]" in text
    assert "windows.envelope_band_hz: [500, 2000]" in text
    assert "model.name: [b]" in text


def test_short_sweeps_are_told_in_seconds(sweep_result: SweepResult) -> None:
    assert "ASHA in 42 s" in report(dataclasses.replace(sweep_result, seconds=41.7))
    assert "ASHA in 1 h 0 min" in report(dataclasses.replace(sweep_result, seconds=3599.8))


@pytest.mark.parametrize("leaky", [True, False])
def test_report_of_a_single_run(leaky: bool, sweep_result: SweepResult, tmp_path: Path) -> None:
    assert sweep_result.best is not None
    result = TrainResult(
        directory=tmp_path,
        classes=sweep_result.classes,
        leaky=leaky,
        notes=("a [bold]note",),
        metric="val/macro_f1",
        best_epoch=7,
        history=[{}] * 9,
        judgements=sweep_result.best.judgements,
    )
    text = report(result)
    assert ("LEAKY SPLIT" in text) == leaky
    assert "split: a [bold]note" in text
    assert "Best epoch: 7 of 9" in text
    (scores,) = lines_with(text, "test (LEAKY)" if leaky else "test (untouched)")
    assert scores.split()[-4:] == ["0.8000", "0.8100", "0.8300", "0.8400"]
    assert lines_with(text, "validation", "0.9000", "0.9400")
    assert "Confusion on the test part" in text
    assert f"Files   {tmp_path}" in text
