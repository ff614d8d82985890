from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from raytrain.config.space import Distribution
from raytrain.tuning.distributions import contains, describe_range, extremes, finite_values, quantile


def make(**settings: Any) -> Distribution:  # noqa: ANN401 - a YAML mapping
    one: Distribution = TypeAdapter(Distribution).validate_python(settings)
    return one


UNIFORM = make(type="uniform", low=-1, high=3)
LOG = make(type="loguniform", low=1e-4, high=1e-2)
STEPS = make(type="int", low=2, high=8, step=3)
LOG_INT = make(type="int", low=1, high=100, log=True)
CHOICE = make(type="choice", values=[None, True, 1.5, [500, 2000]])
ALL = [UNIFORM, LOG, STEPS, LOG_INT, CHOICE]


@given(share=st.floats(0, 1, exclude_max=True))
@pytest.mark.parametrize("one", ALL, ids=lambda one: one.type)
def test_a_quantile_lies_in_its_distribution(one: Distribution, share: float) -> None:
    assert contains(one, quantile(one, share))


@pytest.mark.parametrize(
    ("one", "shares"),
    [
        (UNIFORM, {0.0: -1.0, 0.25: 0.0, 0.5: 1.0}),
        (LOG, {0.0: 1e-4, 0.5: 1e-3}),
        (STEPS, {0.0: 2, 0.34: 5, 0.99: 8}),
        (LOG_INT, {0.0: 1, 0.5: 7, 0.999: 100}),
        (CHOICE, {0.0: None, 0.3: True, 0.5: 1.5, 0.8: [500, 2000]}),
    ],
    ids=["uniform", "loguniform", "int", "log int", "choice"],
)
def test_quantiles_by_hand(one: Distribution, shares: dict[float, Any]) -> None:
    for share, expected in shares.items():
        assert quantile(one, share) == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize(
    ("one", "inside", "outside"),
    [
        (UNIFORM, [-1, 0.5, 3], [-1.1, 3.1, True, "1", None]),
        (LOG, [1e-4, 1e-2], [0, 1]),
        (STEPS, [2, 5, 8], [3, 11, 2.0, False]),
        (CHOICE, [None, True, 1.5, [500, 2000]], [False, 1, [500], "None"]),
    ],
    ids=["uniform", "loguniform", "int", "choice"],
)
def test_what_lies_in_a_distribution(one: Distribution, inside: list[Any], outside: list[Any]) -> None:
    assert [value for value in inside if not contains(one, value)] == []
    assert [value for value in outside if contains(one, value)] == []


def test_descriptions_values_and_ends() -> None:
    assert [describe_range(one) for one in (LOG, STEPS, LOG_INT, CHOICE)] == [
        "between 0.0001 and 0.01",
        "a whole number from 2 to 8 in steps of 3",
        "a whole number from 1 to 100",
        "one of [None, True, 1.5, [500, 2000]]",
    ]
    assert [finite_values(one) for one in (UNIFORM, STEPS)] == [None, [2, 5, 8]]
    assert [extremes(one) for one in (UNIFORM, STEPS, CHOICE)] == [[-1, 3], [2, 8], [None, True, 1.5, [500, 2000]]]
