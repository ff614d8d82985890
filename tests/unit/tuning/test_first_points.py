from __future__ import annotations

import pickle
from typing import Any

import pytest

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.first_points import FirstPoints, check_first_points, complete_points, point_problems
from raytrain.tuning.proposers import Outcome, create_proposer
from raytrain.tuning.space import Point, check_space, grid_points, is_active

PARAMETERS: dict[str, Any] = {
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn", "ticnn"]},
    "model.depth": {"type": "int", "low": 2, "high": 4, "when": {"model.name": "cnn1d"}},
    "model.dropout": {"type": "uniform", "low": 0, "high": 0.5, "when": {"model.depth": [3, 4]}},
    "model.width": {"type": "choice", "values": [8, 16], "when": {"model.name": ["cnn1d", "wdcnn"]}},
    "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1},
}


def make_space(
    first: list[Point], *, algorithm: str = "random", seed: int = 0, parameters: dict[str, Any] = PARAMETERS
) -> SpaceConfig:
    search = {"algorithm": algorithm, "first": first, "seed": seed}
    return validate(SpaceConfig, {"name": "trying", "parameters": parameters, "search": search}, where="search space")


FULL = {"model.name": "wdcnn", "model.width": 16, "optimizer.lr": 0.01}


@pytest.mark.parametrize(
    ("point", "problem"),
    [
        ({"optimizer.rl": 0.1}, "'optimizer.rl' is no parameter of this space; did you mean 'optimizer.lr'?"),
        ({"optimizer.lr": 2.0}, "optimizer.lr: 2.0 lies outside of the space; it is between 0.0001 and 1"),
        ({"model.width": 32}, "model.width: 32 lies outside of the space; it is one of [8, 16]"),
        (
            {"model.name": "wdcnn", "model.depth": 3},
            "model.depth: does not exist at model.name='wdcnn', only at ['cnn1d']; leave one of them out",
        ),
        (
            {"model.name": "wdcnn", "model.dropout": 0.1},
            "model.dropout: does not exist at model.name='wdcnn', only at ['cnn1d']; leave one of them out",
        ),
    ],
)
def test_what_is_wrong_with_a_point_is_told(point: Point, problem: str) -> None:
    assert list(point_problems(make_space([]), point)) == [problem]
    with pytest.raises(ConfigError) as caught:
        check_space(make_space([FULL, point]))
    assert str(caught.value).splitlines() == [
        "search space 'trying': points to try first",
        f"  search.first[1]: {problem}",
    ]


def test_parameters_that_never_exist_together_are_told() -> None:
    parameters = PARAMETERS | {"batch_size": {"type": "int", "low": 8, "high": 9, "when": {"model.name": "ticnn"}}}
    problems = point_problems(make_space([], parameters=parameters), {"model.depth": 2, "batch_size": 8})
    assert list(problems) == [
        "model.depth, batch_size: never exist together, as their conditions on 'model.name' exclude each other"
    ]


def test_a_point_that_cannot_be_trained_is_told() -> None:
    parameters = {"epochs": {"type": "choice", "values": [1, 0]}}
    with pytest.raises(ConfigError, match=r"(?s)search\.first\[1\]: .*epochs: Input should be greater"):
        check_first_points(make_space([{"epochs": 1}, {"epochs": 0}], parameters=parameters))


def test_what_a_point_leaves_out_is_drawn_so_that_the_rest_exists() -> None:
    given: list[Point] = [{"model.dropout": 0.25}, {"model.width": 8}, {"optimizer.lr": 1}, {}]
    seen = set()
    for seed in range(30):
        space = make_space(given, seed=seed)
        points = complete_points(space)
        assert points == complete_points(space)
        for point, part in zip(points, given, strict=True):
            assert part.items() <= point.items()
            assert set(point) == {name for name, one in space.parameters.items() if is_active(one, point)}
            assert list(point_problems(space, point)) == []
        assert type(points[2]["optimizer.lr"]) is float
        seen.add((points[0]["model.depth"], points[1]["model.name"]))
    assert seen == {(3, "cnn1d"), (4, "cnn1d"), (3, "wdcnn"), (4, "wdcnn")}


def test_first_points_come_first_in_order_and_teach_the_proposer() -> None:
    given = [FULL, FULL | {"optimizer.lr": 0.5}]
    lists = []
    for worth in (1.0, -1.0):
        proposer = create_proposer(make_space(given, algorithm="tpe"))
        assert [proposer.propose(str(number)) for number in range(2)] == given
        proposer.observe("0", Outcome((worth,)))
        proposer.withdraw("1")
        for number in range(2, 12):
            proposer.propose(str(number))
            proposer.observe(str(number), Outcome((float(number % 3 - 1) / 2,)))
        lists.append([proposer.propose(f"later {number}") for number in range(3)])
    assert lists[0] != lists[1]


def test_points_of_another_session_are_not_tried_again() -> None:
    given: list[Point] = [FULL, {"model.name": "ticnn", "optimizer.lr": 0.5}, {"optimizer.lr": 0.25}]
    space = make_space(given)
    points = complete_points(space)
    proposer = create_proposer(space, known=2)
    proposer.learn(dict(reversed(points[0].items())), Outcome((1.0,)))
    proposer.running("running", points[2])
    copy = pickle.loads(pickle.dumps(proposer))  # noqa: S301 - our own
    for one in (proposer, copy):
        assert one.propose("a") == points[1]
        assert one.propose("b") not in points


def test_a_grid_does_not_repeat_the_points_tried_first() -> None:
    parameters = {name: PARAMETERS[name] for name in ("model.name", "model.width")}
    space = make_space([{"model.name": "wdcnn", "model.width": 16}], algorithm="grid", parameters=parameters)
    proposer = create_proposer(space)
    assert type(proposer) is FirstPoints
    everything = list(grid_points(space))
    found = [proposer.propose(str(number)) for number in range(len(everything))]
    assert found == [everything[3], *everything[:3], everything[4]]
    assert proposer.propose("one more") is None
