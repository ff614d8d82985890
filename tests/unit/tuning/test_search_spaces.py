"""Every search space that raytrain ships loads, and what it proposes can be trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from raytrain.config.load import load_yaml
from raytrain.config.parts import check_parts
from raytrain.config.space import SpaceConfig
from raytrain.tuning.api import find_space
from raytrain.tuning.proposers import Outcome, create_proposer
from raytrain.tuning.space import Point, finite_values, grid_points, is_active, train_config
from raytrain.tuning.sweep import load_space

FOLDER = Path(__file__).resolve().parents[3] / "search_spaces"
SHIPPED = sorted(FOLDER.glob("*.yaml"))
SAMPLES = 20


def proposed(space: SpaceConfig, algorithm: str) -> list[Point]:
    """Return what an algorithm proposes when every trial scores differently; TPE and hyperopt get to their models."""
    search = space.search.model_copy(update={"algorithm": algorithm, "trials": SAMPLES})
    proposer = create_proposer(space.model_copy(update={"search": search}))
    points = []
    for number in range(SAMPLES):
        point = proposer.propose(str(number))
        assert point is not None
        points.append(point)
        worth = (7 * number % SAMPLES) / SAMPLES
        proposer.observe(str(number), Outcome((worth, *(-worth for _ in search.objectives))))
    return points


def assert_lies_in(point: Point, space: SpaceConfig) -> None:
    assert set(point) == {name for name, one in space.parameters.items() if is_active(one, point)}
    for name, value in point.items():
        values = finite_values(space.parameters[name])
        assert values is None or any(value == one and type(value) is type(one) for one in values)


def test_there_are_spaces() -> None:
    assert "quick" in {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_space_loads_under_its_own_name(path: Path) -> None:
    space = load_space(path)
    assert space.name == path.stem
    assert space.description
    assert find_space(path.stem).resolve() == path


@pytest.mark.parametrize("algorithm", ["random", "quasi_random", "tpe", "hyperopt"])
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_samples_can_be_trained(path: Path, algorithm: str) -> None:
    space = load_space(path)
    for point in proposed(space, algorithm):
        assert_lies_in(point, space)
        check_parts(train_config(space, point))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_grid_points_can_be_trained(path: Path) -> None:
    settings = load_yaml(path)
    space = load_space(path)
    if any(finite_values(one) is None for one in space.parameters.values()):
        assert settings["search"]["algorithm"] != "grid"
        return
    for point in grid_points(space):
        assert_lies_in(point, space)
        check_parts(train_config(space, point))
