from __future__ import annotations

import random
from typing import Any

import pytest
from ray.tune import CheckpointConfig
from ray.tune.experiment import Trial as TuneTrial

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.population import PopulationScheduler, checkpoints_to_keep
from raytrain.tuning.schedulers import replay

METRIC = "val/macro_f1"


def space(name: str = "pbt", *, trials: int = 4, synchronous: bool = True) -> SpaceConfig:
    settings = {
        "name": "tiny",
        "parameters": {
            "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1e-1},
            "model.width": {"type": "int", "low": 4, "high": 32},
        },
        "search": {"trials": trials},
        "scheduler": {"name": name, "interval_epochs": 2, "resample_probability": 0.0, "synchronous": synchronous},
    }
    return validate(SpaceConfig, settings, where="test")


class Trial:
    """As much of Tune's trial as a population looks at."""

    def __init__(self, number: int) -> None:
        self.trial_id = f"id-{number}"
        self.config: dict[str, Any] = {
            "point": {"optimizer.lr": 0.001 * number, "model.width": number},
            "number": number,
        }
        self.status = TuneTrial.RUNNING
        self.experiment_tag = str(number)
        self.checkpoint = f"checkpoint of {number}"
        self.temporary_state = type("State", (), {"saving_to": None})()
        manager = type("Manager", (), {"checkpoint_config": CheckpointConfig(num_to_keep=7)})()
        self.run_metadata = type("Metadata", (), {"checkpoint_manager": manager})()
        self.evaluated_params: dict[str, Any] = {}
        self.loaded: Any = None

    def is_finished(self) -> bool:
        return self.status in (TuneTrial.TERMINATED, TuneTrial.ERROR)

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag


class Controller:
    """As much of Tune's controller as a population asks; it has a searcher, which Ray's own population refuses."""

    def __init__(self, trials: list[Trial]) -> None:
        self.trials = trials
        self.search_alg = object()

    def get_trials(self) -> list[Trial]:
        return self.trials

    def get_live_trials(self) -> list[Trial]:
        return [trial for trial in self.trials if not trial.is_finished()]

    def pause_trial(self, trial: Trial, should_checkpoint: bool = True) -> None:
        trial.status = TuneTrial.PAUSED

    def _schedule_trial_save(self, trial: Trial, result: Any = None) -> str:  # noqa: ANN401
        return trial.checkpoint


class Population:
    """Four trials that report in turn."""

    def __init__(self, scheduler: PopulationScheduler, numbers: tuple[int, ...] = (1, 2, 3, 4)) -> None:
        self.scheduler = scheduler
        self.trials = {number: Trial(number) for number in numbers}
        self.controller = Controller(list(self.trials.values()))
        for trial in self.trials.values():
            scheduler.on_trial_add(self.controller, trial)

    def report(self, number: int, epoch: int, value: float) -> None:
        trial = self.trials[number]
        trial.status = TuneTrial.RUNNING
        decision = self.scheduler.on_trial_result(self.controller, trial, {"epoch": epoch, METRIC: value})
        if decision == "PAUSE":
            trial.status = TuneTrial.PAUSED

    def loaded(self, number: int) -> Any:  # noqa: ANN401 - a checkpoint
        result = getattr(self.trials[number].run_metadata.checkpoint_manager, "_latest_checkpoint_result", None)
        return None if result is None else result.checkpoint

    def rate(self, number: int) -> float:
        return float(self.trials[number].config["point"]["optimizer.lr"])


def test_the_worst_copies_the_best_and_keeps_its_own_number() -> None:
    population = Population(PopulationScheduler(space()))
    for number in (4, 2, 3, 1):
        population.report(number, 2, number / 10)
    assert [population.loaded(number) for number in (1, 2, 3, 4)] == ["checkpoint of 4", None, None, None]
    copy = population.trials[1].config
    assert copy["number"] == 1
    assert copy["point"]["model.width"] == 4  # the donor's, as its weights ask for
    assert copy["point"]["optimizer.lr"] in (0.004 * 0.8, 0.004 * 1.2)
    assert population.trials[4].config["point"] == {"optimizer.lr": 0.004, "model.width": 4}


def test_the_seed_decides_whom_and_how_and_the_processs_generator_does_not() -> None:
    def rates(seed_of_the_process: int) -> list[float]:
        random.seed(seed_of_the_process)
        population = Population(PopulationScheduler(space(trials=8)), tuple(range(1, 9)))
        for epoch in (2, 4, 6):
            for number in range(1, 9):
                population.report(number, epoch, (number * epoch) % 7 / 10)
        return [population.rate(number) for number in range(1, 9)]

    assert rates(0) == rates(1)
    assert rates(0) != [0.001 * number for number in range(1, 9)]


def test_those_that_wait_for_one_that_ended_go_on_after_an_exchange() -> None:
    population = Population(PopulationScheduler(space()))
    for number in (1, 2, 3):
        population.report(number, 2, number / 10)
    assert population.scheduler.choose_trial_to_run(population.controller) is None
    assert population.loaded(1) is None
    population.trials[4].status = TuneTrial.ERROR  # it diverged before it came as far
    assert population.scheduler.choose_trial_to_run(population.controller) is population.trials[1]
    assert population.loaded(1) == "checkpoint of 3"
    for number in (1, 2, 3):  # and they meet again
        population.report(number, 4, 0.5)
    assert population.scheduler.choose_trial_to_run(population.controller) in population.trials.values()


def test_nobody_copies_who_is_behind() -> None:
    population = Population(PopulationScheduler(space(synchronous=False)))
    for number in (3, 4, 2):  # the first has nobody to be compared with
        population.report(number, 2, number / 10)
    assert population.loaded(2) == "checkpoint of 4"  # as far as the one it copies
    population.report(1, 4, 0.0)
    assert population.loaded(1) is None


def test_a_trial_that_is_begun_again_keeps_its_place() -> None:
    population = Population(PopulationScheduler(space()))
    population.report(1, 2, 0.1)
    trial = population.trials[1]
    before = population.scheduler._trial_state[trial]
    population.scheduler.on_trial_add(population.controller, trial)
    assert population.scheduler._trial_state[trial] is before


def test_after_a_crash_exchanges_stay_at_multiples_of_the_interval() -> None:
    scheduler = PopulationScheduler(space())
    events = [(str(number), epoch, 0.5, False) for epoch in range(1, 8) for number in (1, 2, 3)]
    events += [("4", 1, 0.1, False), ("4", 2, 0.1, True)]
    assert replay(scheduler, events) == frozenset()
    population = Population(scheduler, (1, 2, 3))
    for number in (1, 2):
        population.report(number, 8, number / 10)
    assert scheduler.choose_trial_to_run(population.controller) is None  # the third is at 7 and running
    population.report(3, 8, 0.3)
    assert population.loaded(1) == "checkpoint of 3"


def test_a_donor_keeps_what_copies_are_still_to_read() -> None:
    assert checkpoints_to_keep(space()) == 7
    assert checkpoints_to_keep(space("asha")) == 1


def test_too_small_a_population_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 4, got 3"):
        PopulationScheduler(space(trials=3))
