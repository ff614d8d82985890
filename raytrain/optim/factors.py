"""Learning-rate factors: what the optimizer's learning rate is multiplied by, as a function of the step alone.

A factor depends on the number of steps done and on nothing else, so a resumed run continues exactly, without the
rounding that torch's chained schedulers gather by computing each rate from the one before.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["cosine_factor", "counted_from_one", "linear_factor", "noam_factor", "warmup_factor"]


def warmup_factor(step: int, *, warmup_steps: int) -> float:
    """Return the linear warm-up `step / warmup_steps`, and 1 from step `warmup_steps` on (Goyal et al. 2017).

    >>> [warmup_factor(step, warmup_steps=4) for step in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return step / warmup_steps if step < warmup_steps else 1.0


def cosine_factor(step: int, *, total_steps: int, warmup_steps: int, final_fraction: float) -> float:
    """Return warm-up, then half a cosine from 1 to `final_fraction` at `total_steps`, constant from there.

    After warm-up `f + (1 - f) (1 + cos(pi t)) / 2`, with f the final fraction and t the share of the steps
    after warm-up that are done (Loshchilov & Hutter 2017, without restarts).

    >>> settings = dict(total_steps=4, warmup_steps=0, final_fraction=0.0)
    >>> [round(cosine_factor(step, **settings), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    if step < warmup_steps:
        return warmup_factor(step, warmup_steps=warmup_steps)
    done = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * done)) / 2


def linear_factor(step: int, *, total_steps: int, warmup_steps: int) -> float:
    """Return warm-up, then a straight line from 1 to 0 at `total_steps`, 0 from there (Devlin et al. 2019).

    >>> [linear_factor(step, total_steps=6, warmup_steps=2) for step in range(8)]
    [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    if step < warmup_steps:
        return warmup_factor(step, warmup_steps=warmup_steps)
    return max(0.0, (total_steps - step) / (total_steps - warmup_steps))


def noam_factor(step: int, *, warmup_steps: int) -> float:
    """Return `min(step / warmup, sqrt(warmup / step))` of a step counted from 1; 1 at step `warmup_steps`.

    The schedule of Vaswani et al. 2017, section 5.3, over its own peak `(d_model warmup)^-0.5`.

    >>> [round(noam_factor(step, warmup_steps=4), 3) for step in (1, 2, 4, 16, 64)]
    [0.25, 0.5, 1.0, 0.5, 0.25]
    """
    return min(step / warmup_steps, math.sqrt(warmup_steps / step))


def counted_from_one(factor: Callable[[int], float]) -> Callable[[int], float]:
    """Return `factor` with the first step, which torch numbers 0, numbered 1: so the first step moves the weights.

    >>> [counted_from_one(lambda step: step / 4)(index) for index in range(3)]
    [0.25, 0.5, 0.75]
    """
    return lambda index: factor(index + 1)
