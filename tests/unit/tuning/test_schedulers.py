from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.population import PopulationScheduler
from raytrain.tuning.schedulers import StoppingScheduler, create_scheduler, most_epochs, replay
from raytrain.tuning.stopping_rules import HyperBand

EPOCHS = 9
METRIC = "val/macro_f1"
STOPPING = ("asha", "hyperband", "median")
TOGETHER = [
    number
    for number in range(99)
    if all(HyperBand(grace=1, reduction=reduction, epochs=EPOCHS).bracket(number) == 0 for reduction in (2, 3))
]
"""Trials that HyperBand compares with each other, as the other rules do with all."""


def space(name: str, *, metric: str = METRIC, **settings: int) -> SpaceConfig:
    return validate(
        SpaceConfig,
        {
            "name": "tiny",
            "fixed": {"epochs": EPOCHS, "metric": metric},
            "parameters": {"optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1e-1}},
            "scheduler": {"name": name, "grace_epochs": 1, "reduction_factor": 2, **settings},
        },
        where="test",
    )


def trial(number: int, session: int = 0) -> Any:  # noqa: ANN401 - stands for a trial of Tune
    """A trial of Tune, under an id that a later session does not know."""
    return SimpleNamespace(trial_id=f"{session}-{number}", config={"point": {}, "number": number})


def result(epoch: int, value: float, metric: str = METRIC) -> dict[str, float]:
    return {"epoch": epoch, metric: value, "training_iteration": epoch}


class Driver:
    """Hands results to a scheduler as Tune does: the last one of a trial only when it ends."""

    def __init__(self, scheduler: TrialScheduler, session: int = 0, ended: Iterable[int] = ()) -> None:
        self.scheduler = scheduler
        self.session = session
        self.ended = set(ended)
        self.events: list[tuple[str, int, float, bool]] = []

    def report(self, number: int, epoch: int, value: float) -> str | None:
        if number in self.ended:
            return None
        one, row = trial(number, self.session), result(epoch, value)
        decision = "STOP" if epoch == EPOCHS else self.scheduler.on_trial_result(None, one, row)
        if decision == "STOP":
            self.scheduler.on_trial_complete(None, one, row)
            self.ended.add(number)
        self.events.append((str(number), epoch, value, number in self.ended))
        return decision


@st.composite
def turns(draw: st.DrawFn) -> list[tuple[int, int, float]]:
    """Draw results of up to nine trials in any interleaving; some are NaN or infinite."""
    order = draw(st.lists(st.integers(0, 8), max_size=70))
    values = st.integers(0, 8).map(lambda one: one / 64) | st.sampled_from([math.nan, math.inf])
    drawn = draw(st.lists(values, min_size=len(order), max_size=len(order)))
    epochs: Counter[int] = Counter()
    made = []
    for number, value in zip(order, drawn, strict=True):
        if epochs[number] < EPOCHS:
            epochs[number] += 1
            made.append((number, epochs[number], value))
    return made


@pytest.mark.parametrize("name", STOPPING)
@given(results=turns(), share=st.floats(0, 1))
def test_a_sweep_that_goes_on_decides_as_one_that_was_not_interrupted(
    name: str, results: list[tuple[int, int, float]], share: float
) -> None:
    whole = Driver(create_scheduler(space(name)))
    expected = [whole.report(*one) for one in results]
    cut = round(share * len(results))
    first = Driver(create_scheduler(space(name)))
    before = [first.report(*one) for one in results[:cut]]
    later = create_scheduler(space(name))
    assert replay(later, first.events) == frozenset()
    second = Driver(later, session=1, ended=first.ended)
    assert before + [second.report(*one) for one in results[cut:]] == expected
    assert later.debug_string() == whole.scheduler.debug_string()


@pytest.mark.parametrize("name", STOPPING)
def test_what_the_crash_kept_from_stopping_is_named_and_stopped_at_its_next_result(name: str) -> None:
    *numbers, last = TOGETHER[:7]
    first = create_scheduler(space(name))
    for number in numbers:
        assert first.on_trial_result(None, trial(number), result(1, 0.5)) == "CONTINUE"
    assert first.on_trial_result(None, trial(last), result(1, 0.1)) == "STOP"
    later = create_scheduler(space(name))
    events = [*((str(number), 1, 0.5, False) for number in numbers), (str(last), 1, 0.1, False)]
    assert replay(later, events) == {str(last)}
    for epoch in (1, 2):  # it repeats an epoch, since its checkpoint was older, or goes on
        assert later.on_trial_result(None, trial(last, session=1), result(epoch, 0.9)) == "STOP"
    assert later.on_trial_result(None, trial(numbers[0], session=1), result(1, 0.9)) == "CONTINUE"


def test_a_trial_that_goes_on_has_one_entry_in_a_rung() -> None:
    scheduler = create_scheduler(space("asha"))
    replay(scheduler, [("0", 1, 0.5, False)])
    for session in (1, 2):  # it repeats its epoch, with a value that would move the cutoff to 0.7
        assert scheduler.on_trial_result(None, trial(0, session), result(1, 0.9)) == "CONTINUE"
    assert scheduler.on_trial_result(None, trial(1, 2), result(1, 0.6)) == "CONTINUE"


@pytest.mark.parametrize("name", STOPPING)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_compared_with_nothing(name: str, value: float) -> None:
    scheduler = create_scheduler(space(name, reduction_factor=3))
    for number in TOGETHER[:4]:
        assert scheduler.on_trial_result(None, trial(number), result(1, value)) == "CONTINUE"
    for number in TOGETHER[4:7]:
        assert scheduler.on_trial_result(None, trial(number), result(1, 0.5)) == "CONTINUE"
    assert scheduler.on_trial_result(None, trial(TOGETHER[7]), result(1, 0.4)) == "STOP"
    if name == "asha":  # a trial without a number at its rung is judged by its next one
        assert scheduler.on_trial_result(None, trial(TOGETHER[0]), result(2, 0.3)) == "STOP"


@pytest.mark.parametrize("name", STOPPING)
def test_a_result_without_the_metric_or_the_epoch_is_passed_over(name: str) -> None:
    scheduler = create_scheduler(space(name))
    for incomplete in ({}, {"epoch": 1}, {METRIC: 0.5}):
        assert scheduler.on_trial_result(None, trial(0), incomplete) == "CONTINUE"
        scheduler.on_trial_complete(None, trial(0), incomplete)
    assert scheduler.debug_string().endswith("0 of 0 trials stopped")


def test_less_is_better_where_the_metric_says_so() -> None:
    scheduler = create_scheduler(space("asha", metric="val/loss"))
    decisions = [
        scheduler.on_trial_result(None, trial(number), result(1, value, "val/loss"))
        for number, value in enumerate((0.5, 0.4, 0.6))
    ]
    assert decisions == ["CONTINUE", "CONTINUE", "STOP"]


def test_the_last_result_of_a_trial_counts_once() -> None:
    """Tune hands over the result with which a trial ends by itself only when it ends, that of a stopped one twice."""
    scheduler = create_scheduler(space("median"))
    for number, value in enumerate((0.4, 0.4, 0.4)):
        for epoch in (1, 2):
            scheduler.on_trial_result(None, trial(number), result(epoch, value))
        for _ in range(2):
            scheduler.on_trial_complete(None, trial(number), result(3, value + 0.3))  # averages 0.5, not 0.55
    scheduler.on_trial_result(None, trial(3), result(1, 0.52))
    assert scheduler.on_trial_result(None, trial(3), result(3, 0.52)) == "CONTINUE"
    assert scheduler.on_trial_result(None, trial(4), result(3, 0.49)) == "STOP"


def test_each_name_has_its_scheduler() -> None:
    assert type(create_scheduler(space("none"))) is FIFOScheduler
    assert isinstance(create_scheduler(space("pbt")), PopulationScheduler)
    for name in STOPPING:
        scheduler = create_scheduler(space(name))
        assert isinstance(scheduler, StoppingScheduler)
        assert scheduler.metric == METRIC


def test_replaying_for_a_scheduler_that_stops_nothing_names_nothing() -> None:
    assert replay(create_scheduler(space("none")), [("0", 1, 0.5, False), ("1", 1, 0.1, False)]) == frozenset()


def test_the_longest_trial_decides_where_the_rungs_are() -> None:
    varied = space("asha")
    assert most_epochs(varied) == EPOCHS
    epochs = {"type": "choice", "values": [4, 20, 8]}
    varied = SpaceConfig.model_validate({**varied.model_dump(), "parameters": {"epochs": epochs}})
    assert most_epochs(varied) == 20


def test_a_population_of_what_cannot_change_is_refused() -> None:
    fixed = {"parameters": {"model.width": {"type": "int", "low": 4, "high": 8}}}
    with pytest.raises(ConfigError, match=r"none of model.width can"):
        create_scheduler(SpaceConfig.model_validate({**space("pbt").model_dump(), **fixed}))
