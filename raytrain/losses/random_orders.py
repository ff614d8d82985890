"""Fault orders that no fault has: the control of a study of physics."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from raytrain.errors import ConfigError

__all__ = ["random_orders"]

_DRAWS = 50_000


def random_orders(
    orders: tuple[float, float, float, float], *, tolerance: float = 0.02, harmonics: int = 3, seed: int = 0
) -> tuple[float, float, float, float]:
    """Draw fault orders of no meaning, as the control of whether it is the bearing's own lines that help.

    BPFO, BPFI and 2 x BSF are replaced by values that are log-uniform between half the lowest and one and a half times
    the highest of them (in their own range there is seldom room for three), such that

    - they and the harmonics looked for are more than twice the tolerance away from every real line and its harmonics;
    - they themselves are so, too, from the first two sidebands of those, which a real fault shows as well (of BPFI at
      the shaft's frequency, of 2 x BSF at FTF), and from the shaft's harmonics, which any machine may show;
    - their bands are at least as far apart as the real ones, so that windows which resolve these resolve those.

    FTF, which is looked for in no window, stays. The control is that of a permutation test (Ojala & Garriga, J. Mach.
    Learn. Res. 11 (2010) 1833-1863): the same loss, on structure that is not there.

    Args:
        orders: BPFO, BPFI, 2 x BSF and FTF as multiples of the shaft frequency.
        tolerance: Half-width of the band around a line, as a fraction of its frequency.
        harmonics: Multiples of a fault's frequency that are looked for.
        seed: Chooses the orders.

    Raises:
        ConfigError: There is no room for such orders.

    >>> [round(order, 3) for order in random_orders((3.5848, 5.4152, 4.7134, 0.3983), seed=1)]
    [2.868, 6.709, 2.2, 0.398]
    """
    real, cage = np.array(orders[:3]), orders[3]
    low, high = real.min() / 2, real.max() * 1.5
    drawn = np.exp(np.random.default_rng(seed).uniform(np.log(low), np.log(high), size=_DRAWS))
    multiples = range(1, harmonics + 2)
    lines = [*(multiple * order for order in real for multiple in multiples), cage]
    sidebands = [
        abs(multiple * carrier + side * spacing)
        for carrier, spacing in ((orders[1], 1.0), (orders[2], cage))
        for multiple in multiples
        for side in (-2, -1, 1, 2)
    ]
    drawn = drawn[_away(drawn, [*lines, *sidebands, *range(1, int(high) + 2)], tolerance)]
    for multiple in range(2, harmonics + 1):
        drawn = drawn[_away(multiple * drawn, lines, tolerance)]
    triples = drawn[: len(drawn) // 3 * 3].reshape(-1, 3)
    triples = triples[_separation(triples, tolerance) >= _separation(real[None], tolerance)]
    if not len(triples):
        raise ConfigError(
            f"physics.bands: there is no room for random lines beside the real ones at tolerance {tolerance:g} with "
            f"{harmonics} harmonics; lower physics.tolerance or physics.harmonics"
        )
    outer, inner, spin = triples[0].tolist()
    return outer, inner, spin, cage


def _away(orders: NDArray[np.float64], lines: Iterable[float], tolerance: float) -> NDArray[np.bool_]:
    """Return which of `orders`, of any shape, are more than twice the tolerance away from all `lines`."""
    away: NDArray[np.bool_] = np.all([np.abs(orders - line) > 2 * tolerance * line for line in lines], axis=0)
    return away


def _separation(orders: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Return the least distance between the bands of the orders of each row `[N, 3]`, or of the lowest to zero, `[N]`.

    The same as `least_separation`, of many at once; negative where two bands overlap.
    """
    ordered = np.sort(orders, axis=1)
    low, high = ordered[:, :-1], ordered[:, 1:]
    gaps = high - low - tolerance * (high + low)
    least: NDArray[np.float64] = np.minimum(ordered[:, 0] * (1 - tolerance), gaps.min(axis=1))
    return least
