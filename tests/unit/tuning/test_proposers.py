from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.tuning.hyperopt_proposer import HyperoptProposer
from raytrain.tuning.proposers import GridProposer, Outcome, Proposer, RandomProposer, create_proposer
from raytrain.tuning.space import Point, finite_values, grid_points, is_active
from raytrain.tuning.tpe_proposer import TpeProposer

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


def make_space(parameters: dict[str, Any]) -> SpaceConfig:
    return validate(SpaceConfig, {"name": "trying", "parameters": parameters}, where="search space")


def hyperopt(space: SpaceConfig, seed: int, startup_trials: int = 6) -> HyperoptProposer:
    return HyperoptProposer(space, seed=seed, startup_trials=startup_trials)


def tpe(space: SpaceConfig, seed: int, startup_trials: int = 6) -> TpeProposer:
    return TpeProposer(space, seed=seed, startup_trials=startup_trials)


def random(space: SpaceConfig, seed: int) -> RandomProposer:
    return RandomProposer(space, seed=seed)


def proposed(proposer: Proposer, count: int, value: Callable[[Point], float | None]) -> list[Point]:
    points = []
    for number in range(count):
        point = proposer.propose(str(number))
        assert point is not None
        points.append(point)
        worth = value(point)
        proposer.observe(str(number), Outcome(None if worth is None else (worth,)))
    return points


def bowl(point: Point) -> float:
    """Return a quadratic with its top at (1, -2); a uniform point scores -(1 + 25/3) - (4 + 25/3) on average."""
    return -float((point["optimizer.lr"] - 1) ** 2 + (point["loss.smoothing"] + 2) ** 2)


AVERAGE_OF_CHANCE = -(1 + 25 / 3 + 4 + 25 / 3)


@pytest.mark.parametrize("make", [hyperopt, tpe, random])
def test_points_lie_in_the_space(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    space = make_space(MIXED)
    points = proposed(make(space, 0), 25, lambda point: math.sin(1e6 * point["optimizer.lr"]))
    for point in points:
        assert set(point) == {name for name, one in space.parameters.items() if is_active(one, point)}
        for name in point.keys() - {"optimizer.lr", "model.dropout", "early_stopping.min_delta"}:
            allowed = finite_values(space.parameters[name]) or []
            assert any(point[name] == value and type(point[name]) is type(value) for value in allowed)
        assert type(point["optimizer.lr"]) is float
        assert 1e-4 <= point["optimizer.lr"] <= 1e-1
        assert 0.1 <= point.get("model.dropout", 0.15) <= 0.2
        assert -0.5 <= point["early_stopping.min_delta"] <= 0.5
    assert {len(point) for point in points} >= {7, 11}


@pytest.mark.parametrize("make", [hyperopt, tpe, random])
def test_a_seed_repeats_and_another_differs(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    space = make_space(MIXED)

    def score(point: Point) -> float:
        return -abs(math.log(point["optimizer.lr"] / 1e-2))

    first = proposed(make(space, 3), 10, score)
    assert proposed(make(space, 3), 10, score) == first
    assert proposed(make(space, 4), 10, score) != first


UNTAUGHT = pytest.mark.parametrize(
    "make",
    [lambda space, seed: hyperopt(space, seed, 1000), lambda space, seed: tpe(space, seed, 1000), random],
    ids=["hyperopt", "tpe", "random"],
)


@UNTAUGHT
def test_every_value_is_proposed(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    space = make_space({name: one for name, one in MIXED.items() if name != "batch_size"})
    points = proposed(make(space, 0), 60, lambda _: 0.0)
    for name, one in space.parameters.items():
        found = [point[name] for point in points if name in point]
        assert [value for value in finite_values(one) or [] if value not in found] == []


@UNTAUGHT
def test_what_is_not_learned_yet_follows_the_distributions(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    space = make_space({name: MIXED[name] for name in ("optimizer.lr", "early_stopping.min_delta", "model.name")})
    points = proposed(make(space, 0), 200, lambda _: 0.0)
    rates = [point["optimizer.lr"] for point in points]
    deltas = [point["early_stopping.min_delta"] for point in points]
    names = np.unique([point["model.name"] for point in points], return_counts=True)[1]
    assert stats.kstest(rates, stats.loguniform(1e-4, 1e-1).cdf).pvalue > 0.01
    assert stats.kstest(deltas, stats.uniform(-0.5, 1).cdf).pvalue > 0.01
    assert stats.chisquare(names).pvalue > 0.001


@pytest.mark.parametrize("make", [lambda space, seed: hyperopt(space, seed, 1000), random], ids=["hyperopt", "random"])
def test_log_integers_are_drawn_by_their_logarithm(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    space = make_space({"batch_size": MIXED["batch_size"]})
    sizes = [one["batch_size"] for one in proposed(make(space, 0), 200, lambda _: 0.0)]
    assert stats.kstest(sizes, stats.loguniform(4, 256).cdf).statistic < 0.1
    assert stats.kstest(sizes, stats.uniform(4, 252).cdf).statistic > 0.3


@pytest.mark.parametrize("make", [hyperopt, tpe])
def test_it_learns(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    space = make_space(PLANE)
    scores = [bowl(point) for seed in range(3) for point in proposed(make(space, seed), 30, bowl)[-12:]]
    assert np.mean(scores) > AVERAGE_OF_CHANCE / 1.5


@pytest.mark.parametrize("make", [hyperopt, tpe])
def test_it_leaves_where_everything_fails(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    def diverges_below_zero(point: Point) -> float | None:
        return None if point["optimizer.lr"] < 0 else bowl(point)

    space = make_space(PLANE)
    points = [point for seed in range(3) for point in proposed(make(space, seed), 30, diverges_below_zero)[-12:]]
    assert np.mean([point["optimizer.lr"] >= 0 for point in points]) > 0.6
    assert np.mean([bowl(point) for point in points]) > AVERAGE_OF_CHANCE / 1.5


def test_chance_scores_its_average() -> None:
    points = proposed(random(make_space(PLANE), 0), 2000, bowl)
    assert np.mean([bowl(point) for point in points]) == pytest.approx(AVERAGE_OF_CHANCE, rel=0.05)


@pytest.mark.parametrize("make", [hyperopt, tpe])
def test_it_goes_on_when_everything_fails_or_is_still_running(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    space = make_space(MIXED)
    assert len(proposed(make(space, 0), 12, lambda _: None)) == 12
    proposer = make(space, 0)
    points = [proposer.propose(str(number)) for number in range(12)]
    assert len({repr(point) for point in points}) == 12


@pytest.mark.parametrize("make", [hyperopt, tpe])
def test_what_is_withdrawn_teaches_nothing(make: Callable[[SpaceConfig, int], Proposer]) -> None:
    """Random trials do not depend on values, and those withdrawn do not count as the six that come first."""

    def after_withdrawals(value: Callable[[Point], float]) -> list[Point]:
        proposer = make(make_space(PLANE), 0)
        for number in range(6):
            proposer.propose(f"withdrawn {number}")
            proposer.withdraw(f"withdrawn {number}")
            proposer.observe(f"withdrawn {number}", Outcome((1e9,)))
        return proposed(proposer, 7, value)

    high, low = after_withdrawals(bowl), after_withdrawals(lambda point: -bowl(point))
    assert high[:6] == low[:6]
    assert high[6] != low[6]


def test_tpe_ranks_stopped_trials_below_finished_ones() -> None:
    """Where stopping tells how good a point is, finished neighbours attract even with lower values."""
    space = make_space({"optimizer.lr": PLANE["optimizer.lr"]})
    late = []
    for seed in range(5):
        proposer = tpe(space, seed)
        for number in range(25):
            rate = proposer.propose(str(number))["optimizer.lr"]
            late += [rate] if number >= 15 else []
            proposer.observe(str(number), Outcome((1.0 if rate < 0 else 0.5,), stopped_at=1 if rate < 0 else None))
    assert np.mean([rate >= 0 for rate in late]) > 0.7


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [("grid", GridProposer), ("random", RandomProposer), ("tpe", TpeProposer), ("hyperopt", HyperoptProposer)],
)
def test_the_algorithm_chooses_the_proposer(algorithm: str, kind: type) -> None:
    settings = {"name": "trying", "parameters": {"epochs": MIXED["epochs"]}, "search": {"algorithm": algorithm}}
    proposer = create_proposer(validate(SpaceConfig, settings, where="search space"))
    assert type(proposer) is kind
    point = proposer.propose("first")
    assert point is not None
    assert point["epochs"] in (1, 2, 3)


def test_grid_proposes_every_point_once_and_then_nothing() -> None:
    space = make_space({name: MIXED[name] for name in ("model.name", "model.width", "epochs")})
    proposer = GridProposer(space)
    points = proposed(proposer, (2 + 2 + 1) * 3, lambda _: None)
    assert points == list(grid_points(space))
    assert proposer.propose("one more") is None
