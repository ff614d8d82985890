"""How the weights of the physics losses rise in training."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from raytrain.errors import ConfigError, nearest

__all__ = ["RAMPS", "LambdaSchedule", "ramp"]

LambdaSchedule: TypeAlias = Literal["constant", "linear", "exponential", "step", "grad_norm"]
"""`ramp` has the formulas; `grad_norm` follows the gradients instead (`raytrain.objectives.PhysicsInformed`)."""

RAMPS = ("constant", "linear", "exponential", "step", "grad_norm")


def ramp(schedule: LambdaSchedule, fraction: float, *, ramp_fraction: float = 0.5) -> float:
    """Return the factor, in [0, 1], of a weight when `fraction` of training is done.

    With u = min(1, fraction / ramp_fraction)::

        constant, grad_norm   1
        linear                u
        exponential           exp(-5 (1 - u)²)
        step                  0 below u = 1, and 1 there

    All end at 1, so evaluation, which is as at the end of training, has the full weights. Source: of the exponential
    ramp, Laine & Aila, "Temporal ensembling for semi-supervised learning", ICLR 2017, section 3.

    Args:
        schedule: Name of the ramp.
        fraction: Optimizer steps done over all, in [0, 1].
        ramp_fraction: Share of training after which the full weight is reached, in (0, 1].

    Raises:
        ConfigError: There is no such ramp.

    >>> [ramp("linear", fraction) for fraction in (0.0, 0.25, 0.5, 1.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    done = min(1.0, fraction / ramp_fraction)
    match schedule:
        case "constant" | "grad_norm":
            return 1.0
        case "linear":
            return done
        case "exponential":
            return math.exp(-5 * (1 - done) ** 2)
        case "step":
            return float(done == 1.0)
        case _:
            raise ConfigError(f"physics.lambda_schedule: there is no {schedule!r}; {nearest(schedule, RAMPS)}")
