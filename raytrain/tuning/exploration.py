"""Settings that can change in the middle of a run, and how a population explores them."""

from __future__ import annotations

from typing import Any

import numpy as np

from raytrain.config.space import Choice, Distribution, Grid, IntUniform, SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.proposers import RandomProposer
from raytrain.tuning.space import Point, finite_values

__all__ = ["Explorer", "check_population", "mutable_parameters"]

FACTORS = (0.8, 1.2)
"""What a number is multiplied by when it is perturbed (Jaderberg et al. 2017, section 4.1.1)."""
LEAST_POPULATION = 4

_SETTINGS = frozenset(
    {
        "batch_size",
        "max_grad_norm",
        "model.dropout",
        *(f"optimizer.{name}" for name in ("alpha", "betas", "lr", "momentum", "weight_decay")),
    }
)
_PARTS = frozenset({"augmentation", "distillation", "loss", "physics"})
"""Parts without weights of their own: any number among their settings can change."""


def mutable_parameters(space: SpaceConfig) -> tuple[str, ...]:
    """Return the parameters that can change between two epochs of a run, in the order of the space.

    They are those that neither the shape of the model, nor the windows, nor the place in the schedule depend on. A
    parameter that another's condition names is none of them: the other would come and go with it. Nor is a physics
    weight that can be exactly 0, which switches a term off together with what that has learned.
    """
    parents = {parent for one in space.parameters.values() for parent in one.when}
    return tuple(name for name, one in space.parameters.items() if name not in parents and _can_change(name, one))


def check_population(space: SpaceConfig) -> None:
    """Check that population based training is possible in a space.

    Raises:
        ConfigError: Nothing can change in the middle of a run, or the population is too small to have quantiles.
    """
    if space.scheduler.name != "pbt":
        return
    if not mutable_parameters(space):
        raise ConfigError(
            f"scheduler.name: pbt changes settings in the middle of a run, and none of {', '.join(space.parameters)} "
            "can; add e.g. optimizer.lr, optimizer.weight_decay, model.dropout or batch_size, or use another scheduler"
        )
    if space.search.trials < LEAST_POPULATION:
        raise ConfigError(
            f"search.trials: pbt needs a population of at least {LEAST_POPULATION}, got {space.search.trials}; "
            "with fewer processes than trials they take turns"
        )


class Explorer:
    """Changes the settings of a point that can change: drawn anew, or perturbed where they are.

    A number is multiplied by one of `FACTORS` and kept inside its range; a value out of a list goes to a neighbour.

    Args:
        space: The sweep.
        seed: Of what is drawn.

    Raises:
        ConfigError: Nothing can change.
    """

    def __init__(self, space: SpaceConfig, *, seed: int) -> None:
        check_population(space)
        self._resample = space.scheduler.resample_probability
        self._random = np.random.default_rng(seed)
        # Without conditions, so that every one of them is drawn.
        self._free = {
            name: space.parameters[name].model_copy(update={"when": {}}) for name in mutable_parameters(space)
        }
        self._draws = RandomProposer(space.model_copy(update={"parameters": self._free}), seed=seed)

    def explore(self, point: Point) -> Point:
        """Return another point near `point`; what cannot change is the same."""
        drawn = self._draws.propose("")
        changes = {
            name: drawn[name] if self._random.random() < self._resample else self._perturbed(point[name], one)
            for name, one in self._free.items()
            if name in point
        }
        return {**point, **changes}

    def choose(self, count: int) -> int:
        """Return one of `count`, each equally likely."""
        return int(self._random.integers(count))

    def _perturbed(self, value: Any, one: Distribution) -> Any:  # noqa: ANN401 - any value
        up = bool(self._random.integers(2))
        if isinstance(one, Choice | Grid):
            place = one.values.index(value) + (1 if up else -1)
            return one.values[min(max(place, 0), len(one.values) - 1)]
        changed = value * FACTORS[up]
        if not isinstance(one, IntUniform):
            return float(min(max(changed, one.low), one.high))
        steps = max(1, round(abs(changed - value) / one.step))
        return int(min(max(value + (steps if up else -steps) * one.step, one.low), one.high))


def _can_change(name: str, one: Distribution) -> bool:
    part, _, rest = name.partition(".")
    if name in _SETTINGS:
        return True
    if part not in _PARTS or not rest or not all(map(_is_number, finite_values(one) or ())):
        return False
    return part != "physics" or 0 not in (finite_values(one) or ())


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any value
    return isinstance(value, int | float) and not isinstance(value, bool)
