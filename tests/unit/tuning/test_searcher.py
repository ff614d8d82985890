from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.tuning.proposers import Outcome
from raytrain.tuning.recorded_study import create_study, load_study
from raytrain.tuning.searcher import StudySearcher, outcome_of
from raytrain.tuning.space import Point, grid_points, is_active
from raytrain.tuning.storage_location import StudyLocation

CONTINUOUS: dict[str, Any] = {
    "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1.0},
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
    "model.depth": {"type": "int", "low": 2, "high": 4, "when": {"model.name": "cnn1d"}},
    "windows.envelope_band_hz": {"type": "choice", "values": [None, [500, 2000]]},
}
FINITE: dict[str, Any] = {
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
    "model.depth": {"type": "int", "low": 2, "high": 4, "when": {"model.name": "cnn1d"}},
    "windows.length": {"type": "choice", "values": [512, 1024]},
}
POINTS = (3 + 1) * 2


def make_space(
    parameters: dict[str, Any],
    *,
    algorithm: str = "random",
    metric: str = "val/macro_f1",
    trials: int = 16,
    seed: int = 0,
    retries: int = 0,
) -> SpaceConfig:
    settings = {
        "name": "trying",
        "fixed": {"metric": metric},
        "parameters": parameters,
        "search": {"algorithm": algorithm, "trials": trials, "seed": seed, "retries": retries},
    }
    return validate(SpaceConfig, settings, where="search space")


class Sweep:
    """Drives a searcher as Tune does: a result it stops a trial at goes to on_trial_complete alone."""

    def __init__(self, space: SpaceConfig, journal: Path) -> None:
        self.metric = space.fixed.metric
        self.location = StudyLocation(f"journal:{journal}", "trying")
        self.study = create_study(space, self.location)
        self.space = space
        self.searcher = self._searcher()
        self._ids = iter(range(1000))
        self._numbers: dict[str, int] = {}

    def _searcher(self) -> StudySearcher:
        return StudySearcher(self.space, self.study, folder=Path("trials"), planned=self.space.search.trials)

    def reopen(self) -> None:
        """Go on in another process, which knows no more than the study."""
        self.study = load_study(self.location, writing=True)
        self.searcher = self._searcher()

    def start(self) -> tuple[str, Point]:
        trial_id = f"id_{next(self._ids)}"
        suggested = self.searcher.suggest(trial_id)
        assert isinstance(suggested, dict)
        self._numbers[trial_id] = suggested["number"]
        return trial_id, suggested["point"]

    def result(self, epoch: int, value: float, *, finished: bool = False) -> dict[str, Any]:
        return {"epoch": epoch, self.metric: value, "finished": finished, "val/other": 0.0}

    def run(self, trial_id: str, values: list[float], *, finished: bool) -> None:
        """Report values, then end: by itself, or where the scheduler stops it."""
        for epoch, value in enumerate(values[:-1], start=1):
            self.searcher.on_trial_result(trial_id, self.result(epoch, value))
        last = self.result(len(values), values[-1], finished=finished)
        self.searcher.on_trial_complete(trial_id, result=last)

    def of(self, trial_id: str) -> FrozenTrial:
        return self.study.trials[self._numbers[trial_id]]


@pytest.fixture
def make_sweep(tmp_path: Path) -> Callable[[SpaceConfig], Sweep]:
    numbers = iter(range(100))
    return lambda space: Sweep(space, tmp_path / f"study{next(numbers)}.journal")


@pytest.fixture
def sweep(make_sweep: Callable[[SpaceConfig], Sweep]) -> Sweep:
    return make_sweep(make_space(CONTINUOUS))


@pytest.mark.parametrize(
    ("metric", "best"), [("val/macro_f1", 0.9), ("val/loss", 0.2)], ids=["higher is better", "lower is better"]
)
def test_a_finished_trial_is_complete_with_its_best_value(
    metric: str, best: float, make_sweep: Callable[[SpaceConfig], Sweep]
) -> None:
    sweep = make_sweep(make_space(CONTINUOUS, metric=metric))
    trial_id, _ = sweep.start()
    sweep.run(trial_id, [0.5, 0.9, 0.2, 0.4], finished=True)
    trial = sweep.of(trial_id)
    assert trial.state is TrialState.COMPLETE
    assert trial.value == best
    assert trial.intermediate_values == {1: 0.5, 2: 0.9, 3: 0.2, 4: 0.4}
    assert sweep.study.best_value == best
    assert "failure" not in trial.user_attrs


def test_guarantee_07_a_stopped_trial_is_pruned_with_its_learning_curve(sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    sweep.run(trial_id, [0.5, 0.7, 0.6], finished=False)
    trial = sweep.of(trial_id)
    assert trial.state is TrialState.PRUNED
    assert trial.intermediate_values == {1: 0.5, 2: 0.7, 3: 0.6}
    assert trial.user_attrs["best"] == [0.7]


def test_the_last_result_may_be_handed_over_twice(sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    last = sweep.result(1, 0.5, finished=True)
    sweep.searcher.on_trial_result(trial_id, last)
    sweep.searcher.on_trial_complete(trial_id, result=last)
    sweep.searcher.on_trial_complete(trial_id, result=last)
    assert sweep.of(trial_id).intermediate_values == {1: 0.5}
    assert sweep.of(trial_id).state is TrialState.COMPLETE


def test_an_error_fails_the_trial_whatever_it_reached(sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    sweep.searcher.on_trial_result(trial_id, sweep.result(1, 0.9))
    sweep.searcher.on_trial_complete(trial_id, error=True)
    trial = sweep.of(trial_id)
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["failure"] == "its process or machine died 1 times (search.retries)"


def test_a_trial_whose_process_died_is_begun_again(make_sweep: Callable[[SpaceConfig], Sweep]) -> None:
    sweep = make_sweep(make_space(CONTINUOUS, trials=1, retries=2))
    trial_id, point = sweep.start()
    sweep.searcher.on_trial_result(trial_id, sweep.result(1, 0.5))
    for _ in range(2):
        sweep.searcher.on_trial_complete(trial_id, error=True)
        assert sweep.of(trial_id).state is TrialState.RUNNING
        again_id, again = sweep.start()
        assert again == point
        assert sweep.of(again_id).number == 0
        trial_id = again_id
    assert sweep.searcher.suggest("another") is None, "there may be more to begin again"
    sweep.searcher.on_trial_complete(trial_id, error=True)
    assert sweep.of(trial_id).user_attrs["failure"] == "its process or machine died 3 times (search.retries)"
    assert sweep.searcher.suggest("another") == "FINISHED"
    assert len(sweep.study.trials) == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_guarantee_06_a_trial_without_a_number_fails_with_the_reason(value: float, sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    sweep.run(trial_id, [value, value], finished=True)
    trial = sweep.of(trial_id)
    assert trial.state is TrialState.FAIL
    assert trial.user_attrs["failure"] == "val/macro_f1 was never a finite number"
    assert trial.intermediate_values == {}


def test_guarantee_06_a_missing_metric_fails_the_trial(sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    sweep.searcher.on_trial_complete(trial_id, result={"epoch": 1, "finished": True})
    assert sweep.of(trial_id).user_attrs["failure"] == "val/macro_f1 was never a finite number"


@pytest.mark.parametrize("result", [None, {}])
def test_a_trial_that_ended_before_its_first_epoch(result: dict[str, Any] | None, sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    sweep.searcher.on_trial_complete(trial_id, result=result)
    assert sweep.of(trial_id).state is TrialState.FAIL
    assert sweep.of(trial_id).user_attrs["failure"] == "it ended before its first epoch"


def test_a_number_after_nan_counts(sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    sweep.run(trial_id, [math.nan, 0.4, math.nan], finished=True)
    assert sweep.of(trial_id).value == 0.4
    assert sweep.of(trial_id).intermediate_values == {2: 0.4}


def test_guarantee_12_close_leaves_no_trial_running(sweep: Sweep) -> None:
    (ended, _), (going, _), (begun, _) = sweep.start(), sweep.start(), sweep.start()
    sweep.run(ended, [0.5], finished=True)
    sweep.searcher.on_trial_result(going, sweep.result(1, 0.8))
    sweep.searcher.close()
    states = {trial_id: sweep.of(trial_id).state for trial_id in (ended, going, begun)}
    assert states == {ended: TrialState.COMPLETE, going: TrialState.PRUNED, begun: TrialState.FAIL}
    assert sweep.of(going).user_attrs["best"] == [0.8]
    assert sweep.of(begun).user_attrs["failure"] == "it ended before its first epoch"
    assert [sweep.of(trial_id).user_attrs.get("interrupted") for trial_id in states] == [None, True, True]
    sweep.searcher.close()
    assert len(sweep.study.trials) == 3


def seen(points: list[Point]) -> set[str]:
    return {json.dumps(point, sort_keys=True) for point in points}


def drained(sweep: Sweep, most: int) -> Iterator[Point]:
    """Run trials until the searcher says that it has finished; the score prefers one point strongly."""
    for number in range(most):
        suggested = sweep.searcher.suggest(f"id_{number}")
        if suggested == "FINISHED":
            return
        assert isinstance(suggested, dict)
        yield suggested["point"]
        favourite = suggested["point"] == {"model.name": "wdcnn", "windows.length": 512}
        sweep.run(f"id_{number}", [float(favourite)], finished=True)


def test_guarantee_10_grid_runs_every_point_once_and_says_finished(make_sweep: Callable[[SpaceConfig], Sweep]) -> None:
    space = make_space(FINITE, algorithm="grid", trials=100)
    sweep = make_sweep(space)
    assert list(drained(sweep, 100)) == list(grid_points(space))
    assert sweep.searcher.suggest("again") == "FINISHED"
    assert [trial.state for trial in sweep.study.trials] == [TrialState.COMPLETE] * POINTS


@pytest.mark.parametrize("algorithm", ["random", "tpe", "hyperopt"])
def test_guarantee_09_no_point_runs_twice_and_a_finite_space_is_finished(
    algorithm: str, make_sweep: Callable[[SpaceConfig], Sweep]
) -> None:
    space = make_space(FINITE, algorithm=algorithm, trials=20)
    sweep = make_sweep(space)
    points = list(drained(sweep, 20))
    assert len(points) == POINTS
    assert seen(points) == seen(list(grid_points(space)))
    assert [trial.state for trial in sweep.study.trials] == [TrialState.COMPLETE] * POINTS


@pytest.mark.parametrize("algorithm", ["random", "tpe", "hyperopt"])
def test_suggestions_are_what_the_study_records(algorithm: str, make_sweep: Callable[[SpaceConfig], Sweep]) -> None:
    space = make_space(CONTINUOUS, algorithm=algorithm)
    sweep = make_sweep(space)
    for _ in range(12):
        trial_id, point = sweep.start()
        sweep.run(trial_id, [point["optimizer.lr"]], finished=True)
        assert set(point) == {name for name, one in space.parameters.items() if is_active(one, point)}
        band = "windows.envelope_band_hz"
        encoded = point | {band: point[band] if point[band] is None else json.dumps(point[band])}
        assert sweep.of(trial_id).params == encoded
    assert type(point["windows.envelope_band_hz"]) in (list, type(None))


@pytest.mark.parametrize("algorithm", ["random", "tpe", "hyperopt"])
def test_a_seed_repeats_the_whole_sweep(algorithm: str, make_sweep: Callable[[SpaceConfig], Sweep]) -> None:
    def points(seed: int) -> list[Point]:
        sweep = make_sweep(make_space(CONTINUOUS, algorithm=algorithm, seed=seed))
        found = []
        for _ in range(10):
            trial_id, point = sweep.start()
            sweep.run(trial_id, [point["optimizer.lr"]], finished=True)
            found.append(point)
        return found

    assert points(1) == points(1) != points(2)


@pytest.mark.parametrize("algorithm", ["tpe", "hyperopt"])
@pytest.mark.parametrize("metric", ["val/loss", "val/macro_f1"])
def test_search_moves_towards_what_is_better(
    algorithm: str, metric: str, make_sweep: Callable[[SpaceConfig], Sweep]
) -> None:
    """A wrong sign anywhere between metric and proposer would move away."""
    target = 0.9
    parameters = {"optimizer.lr": {"type": "uniform", "low": 0, "high": 1}}
    sweep = make_sweep(make_space(parameters, algorithm=algorithm, metric=metric, trials=30))
    sign = 1 if metric == "val/loss" else -1
    distances = []
    for _ in range(30):
        trial_id, point = sweep.start()
        distances.append(abs(point["optimizer.lr"] - target))
        sweep.run(trial_id, [sign * distances[-1]], finished=True)
    chance = (0.9**2 + 0.1**2) / 2
    assert sum(distances[-15:]) / 15 < chance / 1.5


def test_parallel_trials_may_end_in_any_order(sweep: Sweep) -> None:
    started = [sweep.start()[0] for _ in range(4)]
    for position, trial_id in enumerate(reversed(started)):
        sweep.run(trial_id, [position / 10], finished=True)
    assert [sweep.of(trial_id).value for trial_id in started] == [0.3, 0.2, 0.1, 0.0]


def test_the_journal_reopens_and_says_the_same(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    sweep = Sweep(make_space(CONTINUOUS, metric="val/loss"), journal)
    for values, finished in (([0.5, 0.1, 0.3], True), ([0.6, 0.7], False), ([math.nan], True)):
        trial_id, _ = sweep.start()
        sweep.run(trial_id, values, finished=finished)
    sweep.start()
    sweep.searcher.close()

    reopened = optuna.load_study(study_name="trying", storage=JournalStorage(JournalFileBackend(str(journal))))
    assert reopened.direction is optuna.study.StudyDirection.MINIMIZE
    assert reopened.trials == sweep.study.trials
    names = [trial.state.name for trial in reopened.trials]
    assert names == ["COMPLETE", "PRUNED", "FAIL", "FAIL"]
    assert reopened.best_value == 0.1


def test_a_trial_the_searcher_does_not_know_changes_nothing(sweep: Sweep) -> None:
    sweep.searcher.on_trial_complete("stranger", error=True)
    assert sweep.study.trials == []


def test_save_and_restore_need_no_file(sweep: Sweep, tmp_path: Path) -> None:
    trial_id, _ = sweep.start()
    sweep.searcher.save(str(tmp_path / "absent"))
    sweep.searcher.restore(str(tmp_path / "absent"))
    sweep.run(trial_id, [0.5], finished=True)
    assert sweep.of(trial_id).state is TrialState.COMPLETE
    assert not (tmp_path / "absent").exists()


def test_what_a_configuration_causes_fails_with_its_reason(sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    sweep.searcher.on_trial_result(trial_id, sweep.result(1, 0.5))
    failed = {"failed": "train/loss is nan in epoch 2; lower optimizer.lr", "finished": False, "done": True}
    sweep.searcher.on_trial_complete(trial_id, result=failed)
    trial = sweep.of(trial_id)
    assert (trial.state, trial.user_attrs["failure"]) == (TrialState.FAIL, failed["failed"])
    assert trial.intermediate_values == {1: 0.5}


def test_a_trial_tells_where_its_files_are(sweep: Sweep) -> None:
    trial_id, point = sweep.start()
    sweep.searcher.on_trial_result(trial_id, sweep.result(1, 0.5) | {"hostname": "node-7"})
    told = sweep.of(trial_id).user_attrs
    assert (told["directory"], told["checkpoint"]) == ("trials/00000", "trials/00000/best.pt")
    assert (told["point"], told["seed"], told["host"]) == (point, 0, "node-7")


@pytest.mark.parametrize("algorithm", ["random", "tpe", "hyperopt"])
def test_guarantee_04_another_process_goes_on_where_the_study_stands(
    algorithm: str, make_sweep: Callable[[SpaceConfig], Sweep]
) -> None:
    sweep = make_sweep(make_space(CONTINUOUS, algorithm=algorithm, trials=9))
    for value in (0.3, 0.6, 0.9):
        trial_id, _ = sweep.start()
        sweep.run(trial_id, [value, value / 2], finished=value != 0.6)
    (cut_id, cut), (_, unheard) = sweep.start(), sweep.start()
    sweep.searcher.on_trial_result(cut_id, sweep.result(1, 0.4))
    sweep.reopen()

    again = [sweep.start() for _ in range(6)]
    assert [point for _, point in again[:2]] == [cut, unheard], "those that were running come first, in order"
    assert sweep.searcher.suggest("too many") is None
    first = again[0][0]
    sweep.searcher.on_trial_result(first, sweep.result(2, 0.7) | {"earlier": json.dumps([{sweep.metric: 0.4}])})
    for trial_id, _ in again:
        sweep.run(trial_id, [0.1, 0.2, 0.8], finished=True)
    assert sweep.searcher.suggest("too many") == "FINISHED"
    assert sweep.of(first).intermediate_values == {1: 0.4, 2: 0.7, 3: 0.8}
    states = [trial.state for trial in sweep.study.trials]
    assert states == [TrialState.COMPLETE, TrialState.PRUNED] + [TrialState.COMPLETE] * 7
    assert len(seen([trial.user_attrs["point"] for trial in sweep.study.trials])) == 9


def test_epochs_nobody_heard_of_are_told_once(sweep: Sweep) -> None:
    trial_id, _ = sweep.start()
    earlier = json.dumps([{sweep.metric: 0.2}, {sweep.metric: 0.9}])
    sweep.searcher.on_trial_result(trial_id, sweep.result(3, 0.5) | {"earlier": earlier})
    sweep.searcher.on_trial_complete(trial_id, result=sweep.result(4, 0.4, finished=True))
    assert sweep.of(trial_id).intermediate_values == {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.4}
    assert sweep.of(trial_id).value == 0.9


def test_guarantee_10_a_grid_goes_on_with_the_points_that_are_left(make_sweep: Callable[[SpaceConfig], Sweep]) -> None:
    sweep = make_sweep(make_space(FINITE, algorithm="grid", trials=100))
    for _ in range(3):
        trial_id, _ = sweep.start()
        sweep.run(trial_id, [0.5], finished=True)
    sweep.start()
    sweep.reopen()
    list(drained(sweep, 100))
    points = [trial.user_attrs["point"] for trial in sweep.study.trials]
    assert seen(points) == seen(list(grid_points(sweep.space)))
    assert len(points) == POINTS


def test_several_objectives_and_constraints(make_sweep: Callable[[SpaceConfig], Sweep]) -> None:
    settings = {
        "name": "trying",
        "parameters": CONTINUOUS,
        "search": {
            "algorithm": "random",
            "objectives": ["model/parameters"],
            "constraints": {"model/parameters": {"most": 100}, "val/loss": {"most": 1.0}},
        },
        "scheduler": {"name": "none"},
    }
    sweep = make_sweep(validate(SpaceConfig, settings, where="search space"))
    facts = {"model/parameters": 120.0}
    (small, _), (unmeasured, _) = sweep.start(), sweep.start()
    sweep.searcher.on_trial_result(small, sweep.result(1, 0.9) | facts | {"val/loss": 0.25})
    sweep.searcher.on_trial_complete(small, sweep.result(2, 0.8, finished=True) | facts | {"val/loss": 0.1})
    assert sweep.of(small).values == [0.9, 120.0]
    assert sweep.of(small).user_attrs["violations"] == [20.0, -0.75]
    assert [direction.name for direction in sweep.study.directions] == ["MAXIMIZE", "MINIMIZE"]
    sweep.run(unmeasured, [0.5], finished=True)
    assert sweep.of(unmeasured).user_attrs["failure"] == "model/parameters is not a finite number"


def test_an_interruption_keeps_what_earlier_sessions_reached(sweep: Sweep) -> None:
    (going, _), (waiting, _), (begun, _) = sweep.start(), sweep.start(), sweep.start()
    for trial_id, value in ((going, 0.8), (waiting, 0.6)):
        sweep.searcher.on_trial_result(trial_id, sweep.result(1, value))
    sweep.reopen()
    sweep.start()  # the first one goes on, and its new process has told nothing yet
    sweep.searcher.close()
    assert [trial.state.name for trial in sweep.study.trials] == ["PRUNED", "PRUNED", "FAIL"]
    assert [sweep.of(trial_id).user_attrs.get("best") for trial_id in (going, waiting, begun)] == [[0.8], [0.6], None]


DEPTH: dict[str, Any] = {"model.depth": {"type": "int", "low": 2, "high": 4}}


@pytest.mark.parametrize("algorithm", ["grid", "random", "quasi_random", "tpe", "gp", "cmaes", "hyperopt"])
def test_a_space_that_was_changed_by_force_is_searched_to_its_end(
    algorithm: str, make_sweep: Callable[[SpaceConfig], Sweep]
) -> None:
    sweep = make_sweep(make_space(DEPTH, algorithm=algorithm, trials=3))
    for _ in range(2):
        trial_id, _ = sweep.start()
        sweep.run(trial_id, [0.5], finished=True)
    _, cut = sweep.start()
    sweep.reopen()
    shifted = {"model.depth": {"type": "int", "low": 4, "high": 6}}
    sweep.space = make_space(shifted, algorithm=algorithm, trials=9)
    sweep.searcher = sweep._searcher()
    again, point = sweep.start()
    assert point == cut, "what was begun goes on, though the space has it no more"
    sweep.run(again, [0.5], finished=True)
    new = []
    for number in range(9):
        suggested = sweep.searcher.suggest(f"more{number}")
        if suggested == "FINISHED":
            break
        assert isinstance(suggested, dict)
        new.append(suggested["point"]["model.depth"])
        sweep.run(f"more{number}", [0.5], finished=True)
    assert sorted(new) == [5, 6], "4 was tried before"


def test_violations_of_other_constraints_are_no_experience(make_sweep: Callable[[SpaceConfig], Sweep]) -> None:
    sweep = make_sweep(make_space(CONTINUOUS, algorithm="tpe"))
    trial_id, _ = sweep.start()
    sweep._numbers[trial_id] = 0
    sweep.searcher._trials[trial_id].set_user_attr("violations", [1.0, 2.0])
    sweep.run(trial_id, [0.5], finished=True)
    assert outcome_of(sweep.of(trial_id), sweep.space) == Outcome((0.5,))
    sweep.reopen()
    sweep.start()


def test_a_constant_metric_is_recorded_like_any_other(make_sweep: Callable[[SpaceConfig], Sweep]) -> None:
    for algorithm in ("tpe", "gp", "cmaes", "hyperopt"):
        sweep = make_sweep(make_space(CONTINUOUS, algorithm=algorithm, trials=12))
        for _ in range(12):
            trial_id, _ = sweep.start()
            sweep.run(trial_id, [0.25, 0.25], finished=True)
        assert [trial.state for trial in sweep.study.trials] == [TrialState.COMPLETE] * 12
        assert sweep.study.best_value == 0.25
        assert len(seen([trial.user_attrs["point"] for trial in sweep.study.trials])) == 12


@pytest.mark.parametrize("algorithm", ["tpe", "gp", "hyperopt"])
def test_guarantee_05_what_another_sweep_learned_is_where_this_one_begins(
    algorithm: str, make_sweep: Callable[[SpaceConfig], Sweep]
) -> None:
    sweep = make_sweep(make_space({"optimizer.lr": {"type": "uniform", "low": 0, "high": 1}}, algorithm=algorithm))
    lessons = [({"optimizer.lr": at / 40}, Outcome((-abs(at / 40 - 0.8),))) for at in range(41)]
    sweep.searcher = StudySearcher(sweep.space, sweep.study, folder=Path("trials"), planned=16, experience=lessons)
    distances = []
    for _ in range(6):
        trial_id, point = sweep.start()
        distances.append(abs(point["optimizer.lr"] - 0.8))
        sweep.run(trial_id, [-distances[-1]], finished=True)
    assert sorted(distances)[3] < 0.1, "by chance it is 0.3"
    assert len(sweep.study.trials) == 6, "the lessons are no trials of this sweep"
