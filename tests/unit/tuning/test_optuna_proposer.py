"""What Optuna's samplers are told of failures, stops, constraints and several objectives, and what they make of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_proposer import OptunaProposer
from raytrain.tuning.pareto import hypervolume_2d
from raytrain.tuning.proposers import Outcome, Proposer, create_proposer
from raytrain.tuning.space import Point

PLANE: dict[str, Any] = {
    "optimizer.lr": {"type": "uniform", "low": -5, "high": 5},
    "loss.smoothing": {"type": "uniform", "low": -5, "high": 5},
}
LINE = {"optimizer.lr": PLANE["optimizer.lr"]}
CUBE: dict[str, Any] = {f"optimizer.{name}": {"type": "uniform", "low": 0, "high": 1} for name in "abc"}


def make_space(parameters: dict[str, Any], algorithm: str, **search: object) -> SpaceConfig:
    settings = {
        "name": "trying",
        "parameters": parameters,
        "search": {"algorithm": algorithm, "trials": 30, **search},
        "scheduler": {"name": "none"},
    }
    return validate(SpaceConfig, settings, where="search space")


def proposed(proposer: Proposer, count: int, outcome: Callable[[Point], Outcome]) -> list[Point]:
    points = []
    for number in range(count):
        point = proposer.propose(str(number))
        assert point is not None
        points.append(point)
        proposer.observe(str(number), outcome(point))
    return points


def made(algorithm: str, parameters: dict[str, Any], **search: object) -> OptunaProposer:
    proposer = create_proposer(make_space(parameters, algorithm, **search))
    assert isinstance(proposer, OptunaProposer)
    return proposer


def told(proposer: OptunaProposer) -> list[tuple[TrialState, list[float] | None, dict[str, float]]]:
    """Return what the sampler was told of each trial that it did not drop."""
    trials = proposer._study.get_trials()
    return [(one.state, one.values, one.constraints) for one in trials if one.state is not TrialState.FAIL]


def test_tpe_ranks_stopped_trials_below_finished_ones() -> None:
    """Where stopping tells how good a point is, finished neighbours attract even with lower values."""
    late = []
    for seed in range(5):
        proposer = made("tpe", LINE, seed=seed)
        points = proposed(
            proposer,
            25,
            lambda point: Outcome((1.0,), stopped_at=1) if point["optimizer.lr"] < 0 else Outcome((0.5,)),
        )
        late += [point["optimizer.lr"] for point in points[15:]]
    assert np.mean([rate >= 0 for rate in late]) > 0.7


@pytest.mark.parametrize("algorithm", ["gp", "cmaes"])
def test_a_stopped_trial_counts_with_its_value_so_far(algorithm: str) -> None:
    proposer = made(algorithm, LINE)
    proposed(proposer, 1, lambda _: Outcome((0.25,), stopped_at=3))
    assert told(proposer) == [(TrialState.COMPLETE, [0.25], {})]


def test_with_several_objectives_a_stopped_trial_counts_with_its_values_so_far() -> None:
    proposer = made("tpe", LINE, objectives=["model/parameters"])
    proposed(proposer, 1, lambda _: Outcome((0.25, -3.0), stopped_at=3))
    assert told(proposer) == [(TrialState.COMPLETE, [0.25, -3.0], {"failed": 0.0})]


def test_a_process_fits_failures_at_the_worst_value_once_it_knows_what_is_bad() -> None:
    proposer = made("gp", PLANE)
    for number, value in enumerate([None, 3.0, -7.0, 5.0, 4.0, None, -8.0]):
        proposer.learn(
            {"optimizer.lr": number / 2, "loss.smoothing": 0.0}, Outcome(None if value is None else (value,))
        )
    assert [(state.name, values) for state, values, _ in told(proposer)] == [
        ("COMPLETE", [-7.0]),
        ("COMPLETE", [3.0]),
        ("COMPLETE", [-7.0]),
        ("COMPLETE", [5.0]),
        ("COMPLETE", [4.0]),
        ("COMPLETE", [-7.0]),
        ("COMPLETE", [-8.0]),
    ]


def test_failures_that_wait_are_told_with_the_worst_violation_of_each_constraint() -> None:
    bounds = {"model/parameters": {"most": 10}, "val/loss": {"most": 1}}
    proposer = made("gp", LINE, constraints=bounds, objectives=["model/latency_ms"])
    proposed(
        proposer,
        5,
        lambda point: (
            Outcome(None) if point["optimizer.lr"] > 4 else Outcome((1.0, -point["optimizer.lr"]), None, (2.0, -1.0))
        ),
    )
    proposer.learn({"optimizer.lr": 0.0}, Outcome((0.0, 9.0), None, (-3.0, 5.0)))
    proposer.learn({"optimizer.lr": 4.5}, Outcome(None))
    state, values, constraints = told(proposer)[-1]
    assert state is TrialState.COMPLETE
    assert values == [0.0, min(one[1][1] for one in told(proposer)[:-1] if one[1])]
    assert constraints == {"0": 0.2, "1": 5.0}, "as shares of their bounds, so that they can be added up"


@pytest.mark.parametrize("algorithm", ["tpe", "nsga2"])
def test_a_failure_is_the_largest_violation(algorithm: str) -> None:
    objectives = ["model/parameters"] if algorithm == "nsga2" else []
    bounds = {"model/parameters": {"most": 10}}
    proposer = made(algorithm, LINE, objectives=objectives, constraints=bounds)
    values = (1.0, 1.0)[: 1 + len(objectives)]
    proposer.learn({"optimizer.lr": 0.0}, Outcome(values, None, (1e9,)))
    proposer.learn({"optimizer.lr": 1.0}, Outcome(None))
    violations = [sum(constraints.values()) for _, _, constraints in told(proposer)]
    assert violations[1] > 1e9 * violations[0] > 0


def test_violations_that_are_not_known_count_as_none_and_wrong_ones_are_refused() -> None:
    proposer = made("gp", LINE, constraints={"model/parameters": {"most": 10}})
    proposer.learn({"optimizer.lr": 0.0}, Outcome((1.0,)))
    assert told(proposer)[0][2] == {"0": 0.0}
    with pytest.raises(ValueError, match="2 violations of 1 constraints"):
        proposer.learn({"optimizer.lr": 0.0}, Outcome((1.0,), None, (1.0, 2.0)))


@pytest.mark.parametrize("algorithm", ["tpe", "gp", "cmaes", "hyperopt"])
def test_a_constraint_is_kept_to_where_breaking_it_pays(algorithm: str) -> None:
    """The higher of two hills, at 3, breaks the constraint; the lower one, and 35 percent of the line, keep to it."""

    def feasible_share(*, constrained: bool) -> float:
        def outcome(point: Point) -> Outcome:
            rate = point["optimizer.lr"]
            value = max(5 - 2 * abs(rate - 3), 1 - abs(rate + 3.2))
            return Outcome((value,), None, (rate + 1.5,) if constrained else ())

        rates = []
        for seed in range(1 if algorithm == "gp" else 4):
            bounds = {"model/parameters": {"most": 10}} if constrained else {}
            space = make_space(LINE, algorithm, seed=seed, constraints=bounds, trials=12)
            count = 12 if algorithm == "gp" else 40
            points = proposed(create_proposer(space), count, outcome)
            rates += [point["optimizer.lr"] for point in points[-count // 3 :]]
        return float(np.mean([rate <= -1.5 for rate in rates]))

    assert feasible_share(constrained=True) > 0.6
    assert feasible_share(constrained=False) < 0.3


def test_nsga2_keeps_to_a_constraint() -> None:
    """Both objectives and the constraint: the front without it has a in [0, 1], with it only below 0.3."""

    def bounded(point: Point) -> Outcome:
        return Outcome(first_of_zitzler(point), None, (point["optimizer.a"] - 0.3,))

    points = []
    for seed in range(3):
        search = {"seed": seed, "objectives": ["model/parameters"], "constraints": {"val/loss": {"most": 1}}}
        points += proposed(made("nsga2", CUBE, **search), 60, bounded)[30:]
    assert np.mean([point["optimizer.a"] <= 0.3 for point in points]) > 0.5


def first_of_zitzler(point: Point) -> tuple[float, float]:
    """Return ZDT1 (Zitzler, Deb and Thiele 2000) of three variables, signs turned; its front has b = c = 0."""
    a, b, c = (point[f"optimizer.{name}"] for name in "abc")
    g = 1 + 9 * (b + c) / 2
    return -a, -g * (1 - math.sqrt(a / g))


def area(algorithm: str, *, trials: int, seed: int) -> float:
    space = make_space(CUBE, algorithm, objectives=["model/parameters"], trials=trials, seed=seed)
    points = proposed(create_proposer(space), trials, lambda point: Outcome(first_of_zitzler(point)))
    return hypervolume_2d([first_of_zitzler(point) for point in points], (-1, -10), ["max", "max"])


@pytest.mark.parametrize(("algorithm", "trials"), [("nsga2", 80), ("tpe", 40)])
def test_a_front_is_found_better_than_by_chance(algorithm: str, trials: int) -> None:
    found = [area(algorithm, trials=trials, seed=seed) for seed in range(4)]
    by_chance = [area("random", trials=trials, seed=seed) for seed in range(4)]
    assert np.mean(found) > np.mean(by_chance) + 0.3  # of 9 2/3 at most
    assert min(found) > np.mean(by_chance)


def test_a_process_takes_several_objectives() -> None:
    proposer = made("gp", CUBE, objectives=["model/parameters"], trials=12)
    points = proposed(proposer, 7, lambda point: Outcome(first_of_zitzler(point)))
    by_chance = [area("random", trials=7, seed=seed) for seed in range(8)]
    front = hypervolume_2d([first_of_zitzler(point) for point in points], (-1, -10), ["max", "max"])
    assert front > np.mean(by_chance)


def test_a_trial_of_a_process_holds_what_its_point_lacks_at_the_middle() -> None:
    parameters: dict[str, Any] = {
        "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
        "model.dropout": {"type": "uniform", "low": 0.0, "high": 0.5, "when": {"model.name": "cnn1d"}},
        "model.depth": {"type": "int", "low": 2, "high": 4, "when": {"model.name": "cnn1d"}},
    }
    proposer = made("gp", parameters)
    proposed(proposer, 6, lambda point: Outcome((float(len(point)),)))
    held = [one.params for one in proposer._study.get_trials() if one.state is TrialState.COMPLETE]
    without = [one for one in held if one["model.name"] == "wdcnn"]
    assert len(without) not in {0, 6}
    assert all(one == {"model.name": "wdcnn", "model.dropout": 0.25, "model.depth": 3} for one in without)
    assert all(len(one) == 3 for one in held)
