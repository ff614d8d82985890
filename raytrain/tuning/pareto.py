"""What is best where there are several objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

__all__ = ["Direction", "dominates", "hypervolume_2d", "pareto_front"]

Direction: TypeAlias = Literal["min", "max"]


def dominates(first: Sequence[float], second: Sequence[float], directions: Sequence[Direction]) -> bool:
    """Return whether `first` is as good as `second` in every objective, and better in one.

    A value that is not a number is worse than any other.

    Args:
        first: One value per objective.
        second: Likewise.
        directions: Of each objective, whether less or more is better.

    Raises:
        ValueError: The lengths differ.

    >>> dominates([0.9, 5_000], [0.9, 20_000], ["max", "min"])
    True
    """
    return _dominates(_losses(first, directions), _losses(second, directions))


def pareto_front(values: Sequence[Sequence[float]], directions: Sequence[Direction]) -> list[int]:
    """Return the indices, ascending, of what nothing dominates; equals are all kept.

    Args:
        values: [N, M]: of each candidate one value per objective. A candidate with a value that is not a number is
            never in the front.
        directions: Of each objective, whether less or more is better.

    Raises:
        ValueError: A candidate has not one value per objective.

    >>> pareto_front([[0.9, 5_000], [0.8, 5_000], [0.7, 1_000], [0.9, 5_000]], ["max", "min"])
    [0, 2, 3]
    """
    losses = [_losses(one, directions) for one in values]
    front: list[int] = []
    # In lexical order only what came before can dominate, and what a dominated candidate dominates, a front does too.
    for index in sorted(range(len(losses)), key=lambda one: losses[one]):
        candidate = losses[index]
        if not any(map(math.isnan, values[index])) and not any(_dominates(losses[other], candidate) for other in front):
            front.append(index)
    return sorted(front)


def hypervolume_2d(
    values: Sequence[Sequence[float]], reference: Sequence[float], directions: Sequence[Direction]
) -> float:
    """Return the area between a reference and the front of the candidates that are better than it in both objectives.

    Zitzler and Thiele (1998), in the product of the two objectives' units.

    Args:
        values: [N, 2].
        reference: [2].
        directions: Of each objective, whether less or more is better.

    Raises:
        ValueError: There are not two objectives.

    >>> hypervolume_2d([[1, 3], [2, 1]], [4, 4], ["min", "min"])
    7.0
    """
    if len(directions) != 2:
        raise ValueError(f"hypervolume_2d needs two objectives, got {len(directions)}")
    right, top = _losses(reference, directions)
    area = 0.0
    for x, y in sorted(_losses(one, directions) for one in values):
        if x < right and y < top:
            area += (right - x) * (top - y)
            top = y
    return area


def _losses(values: Sequence[float], directions: Sequence[Direction]) -> tuple[float, ...]:
    """Return values of which less is better; what is not a number is infinitely bad."""
    losses = (float(one) if way == "min" else -float(one) for one, way in zip(values, directions, strict=True))
    return tuple(math.inf if math.isnan(loss) else loss for loss in losses)


def _dominates(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return first != second and all(one <= other for one, other in zip(first, second, strict=True))
