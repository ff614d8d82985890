from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import qmc

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.tuning.proposers import Proposer, RandomProposer
from raytrain.tuning.quasi_random_proposer import QuasiRandomProposer
from raytrain.tuning.space import Point

CONDITIONAL: dict[str, Any] = {
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
    "model.dropout": {"type": "uniform", "low": 0, "high": 1, "when": {"model.name": "cnn1d"}},
    "optimizer.lr": {"type": "uniform", "low": 0, "high": 1},
    "loss.smoothing": {"type": "uniform", "low": 0, "high": 1},
}
SPACE = validate(SpaceConfig, {"name": "trying", "parameters": CONDITIONAL}, where="search space")


def points(proposer: Proposer, count: int) -> list[Point]:
    found = [proposer.propose(str(number)) for number in range(count)]
    return [point for point in found if point is not None]


def spread(proposed: list[Point], *names: str) -> float:
    """Return the discrepancy of the points that have all the parameters, 0 where they fill the square evenly."""
    return float(
        qmc.discrepancy(np.array([[point[name] for name in names] for point in proposed if names[0] in point]))
    )


@pytest.mark.parametrize("names", [("optimizer.lr", "loss.smoothing"), ("model.dropout", "optimizer.lr")])
def test_it_fills_the_space_more_evenly_than_chance_also_where_a_parameter_is_conditional(
    names: tuple[str, str],
) -> None:
    for seed in range(5):
        even = spread(points(QuasiRandomProposer(SPACE, seed=seed), 64), *names)
        assert even < spread(points(RandomProposer(SPACE, seed=seed), 64), *names) / 2


def test_choices_are_taken_equally_often() -> None:
    names = [point["model.name"] for point in points(QuasiRandomProposer(SPACE, seed=0), 64)]
    assert names.count("cnn1d") == 32


def test_a_resumed_search_goes_on_in_the_same_sequence() -> None:
    whole = points(QuasiRandomProposer(SPACE, seed=3), 20)
    assert points(QuasiRandomProposer(SPACE, seed=3, passed=13), 7) == whole[13:]
