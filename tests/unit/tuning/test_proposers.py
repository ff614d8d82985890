"""The contract of all proposers; what only one of them does is in its own test."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.tuning.first_points import FirstPoints
from raytrain.tuning.hyperopt_proposer import HyperoptProposer
from raytrain.tuning.optuna_proposer import OptunaProposer
from raytrain.tuning.proposers import GridProposer, Outcome, Proposer, RandomProposer, create_proposer
from raytrain.tuning.quasi_random_proposer import QuasiRandomProposer
from raytrain.tuning.space import Point, finite_values, grid_points, is_active, point_key

MIXED: dict[str, Any] = {
    # The children stand before their parents: the order of a YAML file means nothing.
    "model.depth": {"type": "int", "low": 2, "high": 6, "step": 2, "when": {"model.name": "cnn1d"}},
    "model.kernel_size": {
        "type": "choice",
        "values": [3, 5],
        "when": {"epochs": [2, 3], "model.name": "cnn1d"},
    },
    "model.dropout": {"type": "uniform", "low": 0.1, "high": 0.2, "when": {"model.depth": [4, 6]}},
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn", "other"]},
    "model.width": {"type": "grid", "values": [8, 16], "when": {"model.name": ["cnn1d", "wdcnn"]}},
    "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1e-1},
    "batch_size": {"type": "int", "low": 4, "high": 256, "log": True},
    "windows.envelope_band_hz": {"type": "choice", "values": [None, [500, 2000], [1000, 4000]]},
    "epochs": {"type": "int", "low": 1, "high": 3},
    "accumulation_steps": {"type": "int", "low": 1, "high": 4},
    "early_stopping.min_delta": {"type": "uniform", "low": -0.5, "high": 0.5},
}

PLANE = {
    "optimizer.lr": {"type": "uniform", "low": -5, "high": 5},
    "loss.smoothing": {"type": "uniform", "low": -5, "high": 5},
}


SMALL: dict[str, Any] = {
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
    "model.depth": {"type": "int", "low": 2, "high": 4, "when": {"model.name": "cnn1d"}},
    "windows.envelope_band_hz": {"type": "choice", "values": [None, [500, 2000]]},
}
"""Eight points."""

LEARNING = ["tpe", "gp", "cmaes", "nsga2", "hyperopt"]
DRAWING = ["random", "quasi_random", *LEARNING]
LONG = {"gp": 4}
"""Trials that gp proposes in a test after it learned from others: each takes it a good part of a second."""


def make_space(parameters: dict[str, Any], algorithm: str = "random", **search: object) -> SpaceConfig:
    settings: dict[str, Any] = {
        "name": "trying",
        "parameters": parameters,
        "search": {"algorithm": algorithm, "trials": 30, **search},
    }
    if algorithm == "nsga2":
        settings["search"]["objectives"] = ["model/parameters"]
        settings["scheduler"] = {"name": "none"}
    return validate(SpaceConfig, settings, where="search space")


def make(parameters: dict[str, Any], algorithm: str, *, seed: int = 0, trials: int = 30) -> Proposer:
    return create_proposer(make_space(parameters, algorithm, seed=seed, trials=trials))


def outcome(algorithm: str, worth: float | None, stopped_at: int | None = None) -> Outcome:
    """Return an outcome; NSGA-II gets the same objective twice, so that it has one best."""
    if worth is None:
        return Outcome(None)
    return Outcome((worth, worth) if algorithm == "nsga2" else (worth,), stopped_at)


def proposed(
    proposer: Proposer, algorithm: str, count: int, value: Callable[[Point], float | None], *, run: str = ""
) -> list[Point]:
    points = []
    for number in range(count):
        point = proposer.propose(f"{run}{number}")
        assert point is not None
        points.append(point)
        proposer.observe(f"{run}{number}", outcome(algorithm, value(point)))
    return points


def drawn(parameters: dict[str, Any], count: int, *, seed: int = 99) -> list[Point]:
    return proposed(RandomProposer(make_space(parameters), seed=seed), "random", count, lambda _: 0.0)


def bowl(point: Point) -> float:
    """Return a quadratic with its top at (1, -2); a uniform point scores -(1 + 25/3) - (4 + 25/3) on average."""
    return -float((point["optimizer.lr"] - 1) ** 2 + (point["loss.smoothing"] + 2) ** 2)


AVERAGE_OF_CHANCE = -(1 + 25 / 3 + 4 + 25 / 3)


def rough(point: Point) -> float:
    """Return a value that differs between any two points with a learning rate."""
    return math.sin(1e6 * point["optimizer.lr"])


def late(algorithm: str, value: Callable[[Point], float | None], *, seed: int) -> list[Point]:
    """Return what an algorithm proposes on the plane after 18 trials, of which gp was told; NSGA-II needs longer."""
    proposer = make(PLANE, algorithm, seed=seed)
    if algorithm == "gp":
        for point in drawn(PLANE, 18, seed=seed):
            proposer.learn(point, outcome(algorithm, value(point)))
        return proposed(proposer, algorithm, LONG["gp"], value)
    return proposed(proposer, algorithm, 60 if algorithm == "nsga2" else 30, value)[-12:]


@pytest.mark.parametrize("algorithm", DRAWING)
def test_points_lie_in_the_space(algorithm: str) -> None:
    space = make_space(MIXED, algorithm, trials=12)
    count = 6 if algorithm == "gp" else 25
    points = proposed(create_proposer(space), algorithm, count, rough)
    for point in points:
        assert set(point) == {name for name, one in space.parameters.items() if is_active(one, point)}
        for name in point.keys() - {"optimizer.lr", "model.dropout", "early_stopping.min_delta"}:
            allowed = finite_values(space.parameters[name]) or []
            assert any(point[name] == value and type(point[name]) is type(value) for value in allowed)
        assert type(point["optimizer.lr"]) is float
        assert 1e-4 <= point["optimizer.lr"] <= 1e-1
        assert 0.1 <= point.get("model.dropout", 0.15) <= 0.2
        assert -0.5 <= point["early_stopping.min_delta"] <= 0.5
    assert len({len(point) for point in points}) >= 2


@pytest.mark.parametrize("algorithm", DRAWING)
def test_a_seed_repeats_and_another_differs_and_no_global_state_is_touched(algorithm: str) -> None:
    parameters = PLANE if algorithm == "gp" else MIXED
    before = repr(np.random.get_state()), random.getstate(), torch.get_rng_state().tolist()  # noqa: NPY002
    first = proposed(make(parameters, algorithm, seed=3, trials=12), algorithm, 8, rough)
    assert (repr(np.random.get_state()), random.getstate(), torch.get_rng_state().tolist()) == before  # noqa: NPY002
    random.seed(7)
    assert proposed(make(parameters, algorithm, seed=3, trials=12), algorithm, 8, rough) == first
    assert proposed(make(parameters, algorithm, seed=4, trials=12), algorithm, 8, rough) != first


@pytest.mark.parametrize("algorithm", [*DRAWING, "grid"])
def test_a_resumed_search_draws_other_points(algorithm: str) -> None:
    space = make_space(SMALL if algorithm == "grid" else MIXED, algorithm)
    first, again, resumed, later = ([create_proposer(space, known=known).propose("one")] for known in (0, 0, 5, 6))
    assert first == again
    assert (first == resumed) == (algorithm == "grid")
    assert (resumed == later) == (algorithm == "grid")


def startless(parameters: dict[str, Any], algorithm: str) -> Proposer:
    """Return a proposer that draws at random for a thousand trials before it learns."""
    space = make_space(parameters, algorithm)
    if algorithm == "hyperopt":
        return HyperoptProposer(space, seed=0, startup_trials=1000)
    if algorithm in {"tpe", "gp"}:
        return OptunaProposer(space, algorithm, seed=0, startup_trials=1000)  # type: ignore[arg-type]
    return create_proposer(space)


UNTAUGHT = ["random", "quasi_random", "tpe", "gp", "hyperopt"]


@pytest.mark.parametrize("algorithm", UNTAUGHT)
def test_every_value_is_proposed(algorithm: str) -> None:
    parameters = {name: one for name, one in MIXED.items() if name != "batch_size"}
    points = proposed(startless(parameters, algorithm), algorithm, 120, lambda _: 0.0)
    for name, one in make_space(parameters).parameters.items():
        found = [point[name] for point in points if name in point]
        assert [value for value in finite_values(one) or [] if value not in found] == []


@pytest.mark.parametrize("algorithm", UNTAUGHT)
def test_what_is_not_learned_yet_follows_the_distributions(algorithm: str) -> None:
    parameters = {name: MIXED[name] for name in ("optimizer.lr", "early_stopping.min_delta", "model.name")}
    points = proposed(startless(parameters, algorithm), algorithm, 200, lambda _: 0.0)
    rates = [point["optimizer.lr"] for point in points]
    deltas = [point["early_stopping.min_delta"] for point in points]
    names = np.unique([point["model.name"] for point in points], return_counts=True)[1]
    assert stats.kstest(rates, stats.loguniform(1e-4, 1e-1).cdf).pvalue > 0.01
    assert stats.kstest(deltas, stats.uniform(-0.5, 1).cdf).pvalue > 0.01
    assert stats.chisquare(names).pvalue > 0.001


@pytest.mark.parametrize("algorithm", ["hyperopt", "random", "quasi_random"])
def test_log_integers_are_drawn_by_their_logarithm(algorithm: str) -> None:
    points = proposed(startless({"batch_size": MIXED["batch_size"]}, algorithm), algorithm, 200, lambda _: 0.0)
    sizes = [point["batch_size"] for point in points]
    assert stats.kstest(sizes, stats.loguniform(4, 256).cdf).statistic < 0.1
    assert stats.kstest(sizes, stats.uniform(4, 252).cdf).statistic > 0.3


@pytest.mark.parametrize("algorithm", LEARNING)
def test_it_learns(algorithm: str) -> None:
    scores = [bowl(point) for seed in range(3) for point in late(algorithm, bowl, seed=seed)]
    assert np.mean(scores) > AVERAGE_OF_CHANCE / 1.5


@pytest.mark.parametrize("algorithm", LEARNING)
def test_it_leaves_where_everything_fails(algorithm: str) -> None:
    def diverges_below_zero(point: Point) -> float | None:
        return None if point["optimizer.lr"] < 0 else bowl(point)

    points = [point for seed in range(3) for point in late(algorithm, diverges_below_zero, seed=seed)]
    assert np.mean([point["optimizer.lr"] >= 0 for point in points]) > 0.6
    assert np.mean([bowl(point) for point in points]) > AVERAGE_OF_CHANCE / 1.5


def test_chance_scores_its_average() -> None:
    points = proposed(make(PLANE, "random"), "random", 2000, bowl)
    assert np.mean([bowl(point) for point in points]) == pytest.approx(AVERAGE_OF_CHANCE, rel=0.05)


@pytest.mark.parametrize("algorithm", LEARNING)
def test_it_draws_at_random_until_something_succeeds(algorithm: str) -> None:
    """Where nothing but failures is known, a model would propose beside one of them."""
    points = proposed(make(PLANE, algorithm), algorithm, 40, lambda _: None)
    for name in PLANE:
        assert stats.kstest([point[name] for point in points], stats.uniform(-5, 10).cdf).pvalue > 0.01


@pytest.mark.parametrize("algorithm", [name for name in LEARNING if name != "cmaes"])
def test_failures_before_the_first_success_are_not_forgotten(algorithm: str) -> None:
    """Told of 15 failures where the rate is negative, a search keeps away; CMA-ES has no generation for them yet."""

    def share_of_positive(*, told: bool) -> float:
        points = []
        for seed in range(3):
            proposer = make(PLANE, algorithm, seed=seed)
            known = drawn(PLANE, 60, seed=seed)
            for point in [point for point in known if point["optimizer.lr"] < 0][: 15 if told else 0]:
                proposer.learn(point, Outcome(None))
            for point in [point for point in known if point["optimizer.lr"] >= 0][:12]:
                proposer.learn(point, outcome(algorithm, bowl(point)))
            points += proposed(proposer, algorithm, LONG.get(algorithm, 8), bowl)
        return float(np.mean([point["optimizer.lr"] >= 0 for point in points]))

    assert share_of_positive(told=True) >= max(0.6, share_of_positive(told=False))


@pytest.mark.parametrize("algorithm", DRAWING)
def test_running_trials_do_not_hold_it_up(algorithm: str) -> None:
    proposer = make(PLANE, algorithm, trials=12)
    proposed(proposer, algorithm, 4, bowl)
    points = [proposer.propose(f"running {number}") for number in range(5)]
    assert len({repr(point) for point in points}) == 5


@pytest.mark.parametrize("algorithm", DRAWING)
def test_what_is_withdrawn_teaches_nothing(algorithm: str) -> None:
    def after_withdrawals(worth: float | None) -> list[Point]:
        proposer = make(PLANE, algorithm, trials=12)
        for number in range(6):
            proposer.propose(f"withdrawn {number}")
            proposer.withdraw(f"withdrawn {number}")
            proposer.withdraw(f"withdrawn {number}")
            if worth is not None:
                proposer.observe(f"withdrawn {number}", outcome(algorithm, worth))
        return proposed(proposer, algorithm, 6, bowl)

    assert after_withdrawals(1e9) == after_withdrawals(None)


@pytest.mark.parametrize("algorithm", ["tpe", "hyperopt"])
def test_what_is_withdrawn_is_none_of_the_trials_at_random(algorithm: str) -> None:
    """Random trials do not depend on values; the eleventh that counts does."""

    def after_withdrawals(value: Callable[[Point], float]) -> list[Point]:
        proposer = make(PLANE, algorithm)
        for number in range(6):
            proposer.propose(f"withdrawn {number}")
            proposer.withdraw(f"withdrawn {number}")
        return proposed(proposer, algorithm, 11, value)

    high, low = after_withdrawals(bowl), after_withdrawals(lambda point: -bowl(point))
    assert high[:10] == low[:10]
    assert high[10] != low[10]


def take_random_state(proposer: Any, source: Any) -> None:  # noqa: ANN401 - of whatever algorithm
    """Have a proposer draw on as another one would."""
    if isinstance(source, HyperoptProposer):
        proposer._random = deepcopy(source._random)
    else:
        proposer._study.sampler = deepcopy(source._study.sampler)


@pytest.mark.parametrize("algorithm", LEARNING)
def test_what_was_learned_counts_exactly_like_what_was_observed(algorithm: str) -> None:
    """Twelve outcomes of another session, two of them failures, and with the same random state the same proposals."""
    count, parameters = 0, PLANE
    if algorithm in {"tpe", "hyperopt"}:  # the others draw at random, or fix, what a point leaves out
        parameters = {name: one for name, one in MIXED.items() if name != "model.kernel_size"}

    def worth(point: Point) -> float | None:
        return None if count in (2, 7) else rough(point)

    observer, learner = make(parameters, algorithm), make(parameters, algorithm, seed=1)
    for count in range(12):
        (point,) = proposed(observer, algorithm, 1, worth, run=str(count))
        if count % 2:
            learner.learn(point, outcome(algorithm, worth(point)))
        else:
            learner.running("running", point)
            learner.observe("running", outcome(algorithm, worth(point)))
    take_random_state(learner, observer)
    steps = 2 if algorithm == "gp" else 6
    assert proposed(learner, algorithm, steps, rough) == proposed(observer, algorithm, steps, rough)


@pytest.mark.parametrize("algorithm", LEARNING)
def test_points_of_a_space_with_conditions_are_learned(algorithm: str) -> None:
    """Each algorithm takes up points that lack parameters, and finds the one model that is good."""

    def worth(point: Point) -> float:
        return float(point["model.name"] == "wdcnn") - abs(math.log10(point["optimizer.lr"]) + 2)

    parameters = {name: MIXED[name] for name in ("model.depth", "model.dropout", "model.name", "model.width")}
    parameters |= {"optimizer.lr": MIXED["optimizer.lr"], "windows.envelope_band_hz": MIXED["windows.envelope_band_hz"]}
    proposer = make(parameters, algorithm)
    for point in drawn(parameters, 30):
        proposer.learn(point, outcome(algorithm, worth(point)))
    points = proposed(proposer, algorithm, LONG.get(algorithm, 20), worth)
    assert np.mean([abs(math.log10(point["optimizer.lr"]) + 2) for point in points]) < 0.75  # by chance 0.83
    if algorithm != "cmaes":  # it draws choices at random
        assert np.mean([point["model.name"] == "wdcnn" for point in points]) > 0.4


@pytest.mark.parametrize("algorithm", [*DRAWING, "grid"])
def test_a_pickled_proposer_goes_on_as_if_it_had_not_been(algorithm: str) -> None:
    parameters = SMALL if algorithm == "grid" else PLANE

    def worth(point: Point) -> float | None:
        return -float(len(repr(point))) if algorithm == "grid" else bowl(point)

    proposer = make(parameters, algorithm, trials=12)
    proposed(proposer, algorithm, 4 if algorithm == "grid" else 5, worth)
    proposer.observe(str(proposer.propose("failed") and "failed"), Outcome(None))
    proposer.propose("running")
    copy = pickle.loads(pickle.dumps(proposer))  # noqa: S301 - our own
    for one in (proposer, copy):
        one.observe("running", outcome(algorithm, -1.0))
    count = 2 if algorithm in {"grid", "gp"} else 8
    assert proposed(copy, algorithm, count, worth) == proposed(proposer, algorithm, count, worth)


@pytest.mark.parametrize("algorithm", [*DRAWING, "grid"])
def test_a_finite_space_is_exhausted_without_an_error(algorithm: str) -> None:
    """As a searcher does it: a point proposed again is withdrawn, and another one runs in its place."""
    parameters = SMALL | {"epochs": {"type": "int", "low": 1, "high": 1}}
    if algorithm == "cmaes":
        parameters["epochs"]["high"] = 2
    space = make_space(parameters, algorithm, trials=12)
    left = {point_key(point): point for point in grid_points(space)}
    proposer, number = create_proposer(space), 0
    while left:
        number += 1
        point = proposer.propose(str(number))
        if point is None or point_key(point) not in left:
            assert algorithm != "grid"
            proposer.withdraw(str(number))
            point = next(iter(left.values()))
            proposer.running(str(number), point)
        del left[point_key(point)]
        proposer.observe(str(number), outcome(algorithm, float(len(repr(point))) if number % 3 else None))
    assert number == (16 if algorithm == "cmaes" else 8)
    if algorithm == "grid":
        assert proposer.propose("one more") is None


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("grid", GridProposer),
        ("random", RandomProposer),
        ("quasi_random", QuasiRandomProposer),
        ("hyperopt", HyperoptProposer),
        *((name, OptunaProposer) for name in ("tpe", "gp", "cmaes", "nsga2")),
    ],
)
def test_the_algorithm_chooses_the_proposer(algorithm: str, kind: type) -> None:
    parameters = {"epochs": MIXED["epochs"]}
    proposer = create_proposer(make_space(parameters, algorithm))
    assert type(proposer) is kind
    point = proposer.propose("first")
    assert point is not None
    assert point["epochs"] in (1, 2, 3)
    assert type(create_proposer(make_space(parameters, algorithm, first=[{"epochs": 2}]))) is FirstPoints


def test_grid_proposes_every_point_once_and_then_nothing() -> None:
    parameters = {name: MIXED[name] for name in ("model.name", "model.width", "epochs")}
    space = make_space(parameters, "grid", trials=3)
    proposer = create_proposer(space)
    points = proposed(proposer, "grid", (2 + 2 + 1) * 3, lambda _: None)
    assert points == list(grid_points(space))
    assert proposer.propose("one more") is None


def test_grid_leaves_out_what_another_session_tried_or_still_runs() -> None:
    space = make_space(SMALL, "grid")
    points = list(grid_points(space))
    proposer = create_proposer(space, known=3)
    proposer.learn(points[0], Outcome((1.0,)))
    proposer.learn(dict(reversed(points[4].items())), Outcome(None))
    proposer.running("running", points[2])
    assert proposed(proposer, "grid", 5, lambda _: None) == [points[index] for index in (1, 3, 5, 6, 7)]
    assert proposer.propose("one more") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Outcome((-1e9,)), Outcome((1.0,), violations=(1e-9, -5.0))),
        (Outcome((0.1,), violations=(2.0, 0.0)), Outcome((0.9,), violations=(2.0, 0.1))),
        (Outcome((0.1,), violations=(1e12,)), Outcome(None)),
        (Outcome((0.2,), violations=(-1.0, 0.0)), Outcome((0.1,))),
    ],
)
def test_outcomes_sort_by_value_then_violation_then_failure(one: Outcome, other: Outcome) -> None:
    assert one.score > other.score
