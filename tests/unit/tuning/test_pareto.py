from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytrain.tuning.pareto import Direction, dominates, hypervolume_2d, pareto_front

MIN_OR_MAX: list[Direction] = ["min", "max"]
WAYS = st.lists(st.sampled_from(MIN_OR_MAX), min_size=1, max_size=3)
FEW = st.one_of(st.integers(-3, 3).map(float), st.sampled_from([math.nan, math.inf, -math.inf]))
"""Few different values, so that ties are common."""


def better_or_equal(one: float, other: float, way: Direction) -> bool:
    if math.isnan(one):
        return math.isnan(other) or other == (math.inf if way == "min" else -math.inf)
    return math.isnan(other) or (one <= other if way == "min" else one >= other)


@given(data=st.data())
def test_the_front_is_what_brute_force_finds(data: st.DataObject) -> None:
    ways: list[Direction] = data.draw(WAYS)
    values = data.draw(st.lists(st.tuples(*[FEW] * len(ways)), max_size=12))

    def beaten(index: int) -> bool:
        return any(
            all(better_or_equal(one, mine, way) for one, mine, way in zip(other, values[index], ways, strict=True))
            and not all(
                better_or_equal(mine, one, way) for one, mine, way in zip(other, values[index], ways, strict=True)
            )
            for other in values
            if not any(map(math.isnan, other))
        )

    expected = [index for index in range(len(values)) if not any(map(math.isnan, values[index])) and not beaten(index)]
    assert pareto_front(values, ways) == expected


@given(data=st.data())
def test_dominance_is_a_strict_order(data: st.DataObject) -> None:
    ways: list[Direction] = data.draw(WAYS)
    first, second, third = (data.draw(st.tuples(*[FEW] * len(ways))) for _ in range(3))
    assert not dominates(first, first, ways)
    assert not (dominates(first, second, ways) and dominates(second, first, ways))
    if dominates(first, second, ways) and dominates(second, third, ways):
        assert dominates(first, third, ways)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((1.0, 5.0), (0.5, 5.0), True),
        ((1.0, 5.0), (1.0, 6.0), True),
        ((1.0, 5.0), (1.0, 5.0), False),
        ((1.0, 5.0), (0.5, 4.0), False),
        ((0.0, 5.0), (math.nan, 5.0), True),
        ((math.nan, 5.0), (0.0, 5.0), False),
    ],
)
def test_dominance_of_more_accurate_and_smaller(
    first: tuple[float, ...], second: tuple[float, ...], *, expected: bool
) -> None:
    assert dominates(first, second, ["max", "min"]) is expected


@given(values=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8), flip=st.booleans())
def test_the_hypervolume_is_the_number_of_cells_that_are_dominated(
    values: list[tuple[int, int]], *, flip: bool
) -> None:
    """On whole numbers: the unit cells of [0, 5] x [0, 5] whose lower corner some candidate is at or below."""
    cells = sum(any(x <= i and y <= j for x, y in values) for i, j in itertools.product(range(5), repeat=2))
    signed = [(x, -y if flip else y) for x, y in values]
    assert hypervolume_2d(signed, (5, -5 if flip else 5), ["min", "max" if flip else "min"]) == cells


def test_wrong_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        dominates([1.0], [1.0, 2.0], ["min", "min"])
    with pytest.raises(ValueError, match="zip"):
        pareto_front([[1.0, 2.0], [1.0]], ["min", "min"])
    with pytest.raises(ValueError, match="two objectives, got 3"):
        hypervolume_2d([[1, 2, 3]], [4, 4, 4], ["min", "min", "min"])
