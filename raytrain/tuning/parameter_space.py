"""What a search over an estimator may try: lists, scipy distributions and our own, in one mapping or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import joblib
import numpy as np
from pydantic import TypeAdapter, ValidationError
from sklearn.model_selection import ParameterGrid, ParameterSampler

from raytrain.config.space import Choice, Distribution, Grid, IntUniform, LogUniform, Uniform
from raytrain.errors import ConfigError
from raytrain.tuning.labelled_space import LabelledSpace, sample_labelled
from raytrain.tuning.space import Point, grid_points

__all__ = [
    "ParameterGrids",
    "ParameterSpace",
    "distinct",
    "enumerate_candidates",
    "labelled_space",
    "sample_candidates",
]

ParameterSpace: TypeAlias = Mapping[str, Any]
"""Parameter -> a list of values, a frozen `scipy.stats` distribution, or a distribution of a search space, such as
`{"type": "loguniform", "low": 1e-4, "high": 1e-1}`."""

ParameterGrids: TypeAlias = ParameterSpace | Sequence[ParameterSpace]
"""One mapping, or several of which each is tried by itself."""

_DISTRIBUTION: TypeAdapter[Distribution] = TypeAdapter(Distribution)
_OURS = Uniform | LogUniform | IntUniform | Choice | Grid


def enumerate_candidates(spaces: ParameterGrids) -> list[Point]:
    """Return every combination of finite values, in scikit-learn's order; conditions (`when`) leave out what is not.

    >>> enumerate_candidates({"kernel": ["rbf"], "C": [1, 10]})
    [{'C': 1, 'kernel': 'rbf'}, {'C': 10, 'kernel': 'rbf'}]

    Raises:
        ConfigError: A parameter is continuous, has no values, or is no distribution.
    """
    candidates: list[Point] = []
    for space in _mappings(spaces):
        parsed = _parsed(space)
        if any(isinstance(one, _OURS) for one in parsed.values()):
            labelled = LabelledSpace(parsed)
            candidates += [labelled.values(point) for point in grid_points(labelled.config())]
            continue
        if random := [name for name, one in parsed.items() if hasattr(one, "rvs")]:
            raise ConfigError(f"param_grid: a grid cannot enumerate {', '.join(random)}; give a list of values")
        candidates += list(ParameterGrid(parsed))
    return candidates


def sample_candidates(spaces: ParameterGrids, *, count: int, random_state: int | None) -> list[Point]:
    """Return random candidates, those that scikit-learn's `ParameterSampler` draws wherever it can draw them.

    Lists alone are drawn from without repetition, all of them where they have no more combinations than asked for.
    Parameters that depend on others (`when`) are no matter of `ParameterSampler`; such a space is drawn from
    parents first, and no point of it twice.

    Raises:
        ConfigError: A parameter is no distribution, or conditions stand among several mappings.
    """
    parsed = [_parsed(space) for space in _mappings(spaces)]
    conditional = [space for space in parsed if any(_is_conditional(one) for one in space.values())]
    if not conditional:
        drawable = [{name: _drawable(one) for name, one in space.items()} for space in parsed]
        lists = all(not hasattr(one, "rvs") for space in drawable for one in space.values())
        if lists:
            count = min(count, len(ParameterGrid(drawable)))
        return list(ParameterSampler(drawable, count, random_state=random_state))
    if len(parsed) > 1:
        raise ConfigError("param_grid: conditions (when) need a single mapping; they say themselves what goes together")
    seed = int(np.random.SeedSequence(random_state).generate_state(1)[0])
    return sample_labelled(LabelledSpace(parsed[0]), count=count, seed=seed)


def labelled_space(spaces: ParameterGrids) -> LabelledSpace:
    """Return a space that a model can propose points of.

    Raises:
        ConfigError: There are several mappings, or one that is not a space.
    """
    mappings = _mappings(spaces)
    if len(mappings) > 1:
        raise ConfigError(
            "param_grid: TPE searches a single mapping; say with `when` which parameters exist only beside others, "
            'e.g. {"kernel": ["rbf", "linear"], "gamma": {"type": "loguniform", "low": 1e-4, "high": 1, '
            '"when": {"kernel": "rbf"}}}'
        )
    return LabelledSpace(_parsed(mappings[0]))


def distinct(candidates: Sequence[Point]) -> tuple[list[Point], list[int]]:
    """Return the candidates without repetitions, and for each the number among them that it equals.

    >>> distinct([{"C": 1}, {"C": 2}, {"C": 1}])
    ([{'C': 1}, {'C': 2}], [0, 1, 0])
    """
    numbers: dict[str, int] = {}
    first: list[Point] = []
    order = []
    for candidate in candidates:
        key = joblib.hash(candidate)
        if key not in numbers:
            numbers[key] = len(first)
            first.append(candidate)
        order.append(numbers[key])
    return first, order


def _mappings(spaces: ParameterGrids) -> list[ParameterSpace]:
    mappings: list[Any] = [spaces] if isinstance(spaces, Mapping) else list(spaces)
    if not mappings or not all(isinstance(one, Mapping) and one for one in mappings):
        raise ConfigError(f"param_grid: expected a mapping from parameters to their values, or several, got {spaces!r}")
    return mappings


def _parsed(space: ParameterSpace) -> dict[str, Any]:
    """Return lists as lists, distributions as they are, and mappings as the distributions they describe."""
    parsed: dict[str, Any] = {}
    for name, one in space.items():
        if isinstance(one, Mapping):
            try:
                parsed[name] = _DISTRIBUTION.validate_python(dict(one))
            except ValidationError as error:
                problem = error.errors()[0]
                raise ConfigError(f"param_grid.{name}: {problem['msg'].removeprefix('Value error, ')}") from error
        elif isinstance(one, _OURS) or hasattr(one, "rvs"):
            parsed[name] = one
        elif values := _listed(one):
            parsed[name] = values
        else:
            raise ConfigError(
                f"param_grid.{name}: expected a list of values, a scipy.stats distribution, or a mapping such as "
                f'{{"type": "loguniform", "low": 1e-4, "high": 0.1}}, got {one!r}'
            )
    return parsed


def _listed(one: Any) -> list[Any]:  # noqa: ANN401 - whatever was given
    """Return the values of a list, a tuple, an array; none of what is neither."""
    return list(one) if hasattr(one, "__iter__") and not isinstance(one, str) else []


def _is_conditional(one: Any) -> bool:  # noqa: ANN401 - a list or a distribution
    return isinstance(one, _OURS) and bool(one.when)


def _drawable(one: Any) -> Any:  # noqa: ANN401 - what ParameterSampler takes
    from scipy import stats

    match one:
        case Uniform():
            return stats.uniform(one.low, one.high - one.low)
        case LogUniform():
            return stats.loguniform(one.low, one.high)
        case IntUniform(log=True):
            return _LogInteger(one.low, one.high)
        case IntUniform():
            return list(range(one.low, one.high + 1, one.step))
        case Choice() | Grid():
            return list(one.values)
    return one


class _LogInteger:
    """A whole number whose logarithm is uniform, as `scipy.stats` has none."""

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def rvs(self, *, random_state: np.random.RandomState) -> int:
        drawn = np.exp(random_state.uniform(np.log(self.low - 0.5), np.log(self.high + 0.5)))
        return int(np.clip(round(drawn), self.low, self.high))
